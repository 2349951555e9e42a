/** Keys and values are bytes: how they come in the gateway's JSON, how they are typed in, and how they are shown. */

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** The first key that does not start with `prefix`; a single zero byte (no end) where there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = prefix.slice();
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0;
    if (byte < 0xff) {
      end[i] = byte + 1;
      return end.subarray(0, i + 1);
    }
  }
  return new Uint8Array(1);
}

/** The first key after `key`. */
export function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** Undefined if the bytes are no UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Controls, and what changes the direction or is not to be seen: it could make one key look like another. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/gu;

/** One line that stands for exactly these bytes: printable UTF-8 as it is, a backslash doubled, all else as \xNN. */
export function escaped(bytes: Uint8Array): string {
  const text = utf8(bytes);
  if (text === undefined) {
    return Array.from(bytes, (byte) => {
      if (byte === 0x5c) return '\\\\';
      return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : hexEscape(byte);
    }).join('');
  }
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll(HIDDEN, (char) => Array.from(new TextEncoder().encode(char), hexEscape).join(''));
}

/** The bytes that a line as escaped() makes it stands for. An unfinished escape stands for itself. */
export function unescaped(line: string): Uint8Array {
  const encoder = new TextEncoder();
  const parts: number[] = [];
  for (const [, hex, literal] of line.matchAll(/\\x([0-9a-fA-F]{2})|(\\\\|[^\\]+|\\)/g)) {
    if (hex !== undefined) parts.push(parseInt(hex, 16));
    else if (literal === '\\\\') parts.push(0x5c);
    else for (const byte of encoder.encode(literal)) parts.push(byte);
  }
  return Uint8Array.from(parts);
}

/** Lines of 16 bytes: offset, bytes, characters. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Array.from(bytes.subarray(at, at + 16));
    const hex = row.map((byte, i) => hexByte(byte) + (i === 7 ? ' ' : '')).join(' ');
    const chars = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(48)}  ${chars}`);
  }
  return lines.join('\n');
}

/** Indented, if the text is a JSON object or array; numbers keep their digits. */
export function prettyJson(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  return indented(text);
}

/** Of valid JSON, token by token: parsing would round long numbers. */
function indented(json: string): string {
  let out = '';
  let depth = 0;
  const line = (): string => `\n${'  '.repeat(depth)}`;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g)) {
    if (token === '{' || token === '[') {
      depth++;
      out += token + line();
    } else if (token === '}' || token === ']') {
      depth--;
      out = /[[{]\s*$/.test(out) ? out.trimEnd() + token : out + line() + token;
    } else if (token === ',') out += token + line();
    else out += token === ':' ? ': ' : token;
  }
  return out;
}

function hexEscape(byte: number): string {
  return `\\x${hexByte(byte)}`;
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
