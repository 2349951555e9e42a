/**
 * UTF-8, both ways, without TextEncoder/TextDecoder (the core has only the language's own library).
 * Decoding is strict: overlong forms, surrogates, values above U+10FFFF and truncated sequences are refused.
 */

/** Below this many bytes, appending characters beats one call of String.fromCharCode over a view. */
const SHORT_BYTES = 24;
/** String.fromCharCode takes its input as call arguments: bounded to stay far from the stack's limit. */
const CHUNK_BYTES = 4096;
const REPLACEMENT = 0xfffd;

function asciiPrefixEnd(buf: Uint8Array, start: number, end: number): number {
  let pos = start;
  while (pos < end && (buf[pos] as number) < 0x80) pos++;
  return pos;
}

function asciiToString(buf: Uint8Array, start: number, end: number): string {
  let text = '';
  if (end - start < SHORT_BYTES) {
    for (let i = start; i < end; i++) text += String.fromCharCode(buf[i] as number);
    return text;
  }
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const chunk = buf.subarray(at, Math.min(at + CHUNK_BYTES, end));
    text += String.fromCharCode.apply(null, chunk as unknown as number[]);
  }
  return text;
}

function continuation(buf: Uint8Array, pos: number, end: number): number {
  if (pos >= end) return -1;
  const byte = buf[pos] as number;
  return (byte & 0xc0) === 0x80 ? byte & 0x3f : -1;
}

/** The number of bytes in the sequence this lead byte opens, or 0 for a byte that opens none. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

const LEAST_BY_LENGTH = [0, 0, 0x80, 0x800, 0x10000];

/** The code point at `pos`, or -1 when the bytes there are not valid UTF-8. */
function codePointAt(buf: Uint8Array, pos: number, end: number, length: number): number {
  const lead = buf[pos] as number;
  if (length === 1) return lead;
  let code = lead & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const low = continuation(buf, pos + i, end);
    if (low < 0) return -1;
    code = (code << 6) | low;
  }
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  return code < (LEAST_BY_LENGTH[length] as number) || code > 0x10ffff || isSurrogate ? -1 : code;
}

/** Decodes buf[start, end). Returns undefined when those bytes are not valid UTF-8. */
export function utf8Decode(buf: Uint8Array, start = 0, end = buf.length): string | undefined {
  let pos = asciiPrefixEnd(buf, start, end);
  let text = asciiToString(buf, start, pos);
  while (pos < end) {
    const length = sequenceLength(buf[pos] as number);
    if (length === 0) return undefined;
    const code = codePointAt(buf, pos, end, length);
    if (code < 0) return undefined;
    text += String.fromCodePoint(code);
    pos += length;
  }
  return text;
}

/** Whether buf[start, end) is valid UTF-8. */
export function utf8IsValid(buf: Uint8Array, start = 0, end = buf.length): boolean {
  let pos = asciiPrefixEnd(buf, start, end);
  while (pos < end) {
    const length = sequenceLength(buf[pos] as number);
    if (length === 0 || codePointAt(buf, pos, end, length) < 0) return false;
    pos += length;
  }
  return true;
}

/** The code point at UTF-16 index `i`; a lone surrogate reads as U+FFFD, as TextEncoder has it. */
function scalarAt(text: string, i: number): number {
  const code = text.codePointAt(i) as number;
  return code >= 0xd800 && code <= 0xdfff ? REPLACEMENT : code;
}

/** The number of bytes `text` takes in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = scalarAt(text, i);
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else if (code < 0x10000) bytes += 3;
    else {
      bytes += 4;
      i++;
    }
  }
  return bytes;
}

/** Writes `text` at `at` and returns the position after it. The caller has made room (see utf8Length). */
export function utf8Write(text: string, out: Uint8Array, at: number): number {
  let pos = at;
  for (let i = 0; i < text.length; i++) {
    const code = scalarAt(text, i);
    if (code < 0x80) {
      out[pos++] = code;
    } else if (code < 0x800) {
      out[pos++] = 0xc0 | (code >> 6);
      out[pos++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      out[pos++] = 0xe0 | (code >> 12);
      out[pos++] = 0x80 | ((code >> 6) & 0x3f);
      out[pos++] = 0x80 | (code & 0x3f);
    } else {
      out[pos++] = 0xf0 | (code >> 18);
      out[pos++] = 0x80 | ((code >> 12) & 0x3f);
      out[pos++] = 0x80 | ((code >> 6) & 0x3f);
      out[pos++] = 0x80 | (code & 0x3f);
      i++;
    }
  }
  return pos;
}

/** Encodes `text`; lone surrogates become U+FFFD. */
export function utf8Encode(text: string): Uint8Array {
  const out = new Uint8Array(utf8Length(text));
  utf8Write(text, out, 0);
  return out;
}
