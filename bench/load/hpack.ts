/**
 * The little of HPACK (RFC 7541) that a load generator needs. Requests use the dynamic table, as real clients do: after the
 * first request of a path a header is one byte. Responses may not use one (the client announces a table of 0 bytes), so
 * that a block can be read without its predecessors, and only for grpc-status.
 */

const STATIC_ENTRIES = 61;
const METHOD_POST = 0x83;
const SCHEME_HTTP = 0x86;
/** Static names by their index. */
const NAME = { authority: 1, path: 4, contentType: 31, userAgent: 58 } as const;
const LITERAL_INDEXED = 0x40;
const LENGTH_MAX = 126;

/** The header blocks of one connection; what it returns must be sent in the order of the calls. */
export class HeaderEncoder {
  readonly #authority: string;
  /** Headers in the peer's dynamic table, oldest first. Few and small enough never to be evicted from 4,096 bytes. */
  readonly #table: string[] = [];

  constructor(authority: string) {
    this.#authority = authority;
  }

  block(path: string): Uint8Array {
    const out = [METHOD_POST, SCHEME_HTTP];
    this.#header(out, ':path', path, NAME.path);
    this.#header(out, ':authority', this.#authority, NAME.authority);
    this.#header(out, 'content-type', 'application/grpc', NAME.contentType);
    this.#header(out, 'te', 'trailers', undefined);
    this.#header(out, 'user-agent', 'quorate-bench', NAME.userAgent);
    return Uint8Array.from(out);
  }

  #header(out: number[], name: string, value: string, nameIndex: number | undefined): void {
    const line = `${name}: ${value}`;
    const at = this.#table.indexOf(line);
    if (at >= 0) {
      out.push(0x80 | (STATIC_ENTRIES + this.#table.length - at));
      return;
    }
    this.#table.push(line);
    out.push(LITERAL_INDEXED | (nameIndex ?? 0));
    if (nameIndex === undefined) pushString(out, name);
    pushString(out, value);
  }
}

function pushString(out: number[], text: string): void {
  if (text.length > LENGTH_MAX) throw new Error(`header text of ${text.length} bytes, at most ${LENGTH_MAX}`);
  out.push(text.length, ...Buffer.from(text, 'latin1'));
}

/** The name as a literal: with its length, raw, and in the Huffman code of RFC 7541 (which is shorter, so servers use it). */
const STATUS_NAMES = [
  Buffer.concat([Buffer.of(11), Buffer.from('grpc-status')]),
  Buffer.of(0x88, 0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f),
];

/** A block that holds no status that can be read. */
export const STATUS_UNKNOWN = -1;

/** The value of grpc-status in a block made without a dynamic table; undefined when it has no such header. */
export function grpcStatusOf(block: Uint8Array): number | undefined {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  for (const name of STATUS_NAMES) {
    const at = bytes.indexOf(name);
    if (at < 0) continue;
    const length = bytes[at + name.length] ?? 0;
    // One or two digits: their Huffman code is not shorter, so no server uses it.
    if (length !== 1 && length !== 2) return STATUS_UNKNOWN;
    const digits = bytes.toString('latin1', at + name.length + 1, at + name.length + 1 + length);
    return /^\d+$/.test(digits) ? Number(digits) : STATUS_UNKNOWN;
  }
  return undefined;
}
