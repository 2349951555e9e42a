/**
 * Header blocks to header fields (RFC 7541). Strings have one char per byte.
 *
 * A client that repeats a method sends the same few bytes each time once its dynamic table has settled, so the last blocks
 * that left the table unchanged are remembered with what they meant.
 */

import { DynamicTable, ENTRY_OVERHEAD_BYTES, STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './hpack-table.ts';
import { huffmanDecode, huffmanDecodedMax } from './huffman.ts';
import { ConnectionError, ErrorCode, HEADER_TABLE_BYTES } from './protocol.ts';
import { RequestHeaders } from './request-headers.ts';

/** SETTINGS_MAX_HEADER_LIST_SIZE: what a request's headers may add up to, as the RFC counts. */
export const HEADER_LIST_BYTES_MAX = 64 * 1024;

const INTEGER_MAX = 0x0fff_ffff;
const REMEMBERED = 16;
const REMEMBERED_BLOCK_BYTES_MAX = 192;

interface Remembered {
  readonly block: Buffer;
  readonly tableVersion: number;
  readonly headers: RequestHeaders;
}

export class HpackDecoder {
  readonly #table = new DynamicTable();
  readonly #remembered: (Remembered | undefined)[] = Array.from({ length: REMEMBERED });
  #scratch: Buffer = Buffer.alloc(0);
  #buf: Buffer = this.#scratch;
  #pos = 0;
  #end = 0;

  /** Throws ConnectionError (COMPRESSION_ERROR): after that the table is not the client's any more. */
  decode(buf: Buffer, start: number, end: number): RequestHeaders {
    const length = end - start;
    if (length > REMEMBERED_BLOCK_BYTES_MAX) return this.#decodeBlock(buf, start, end);
    const slot = hash(buf, start, end);
    const known = this.#remembered[slot];
    if (known !== undefined && known.tableVersion === this.#table.version && isSame(known.block, buf, start, end)) {
      return known.headers;
    }
    const tableVersion = this.#table.version;
    const headers = this.#decodeBlock(buf, start, end);
    if (this.#table.version === tableVersion) {
      this.#remembered[slot] = { block: Buffer.from(buf.subarray(start, end)), tableVersion, headers };
    }
    return headers;
  }

  #decodeBlock(buf: Buffer, start: number, end: number): RequestHeaders {
    this.#buf = buf;
    this.#pos = start;
    this.#end = end;
    const fields: string[] = [];
    let listBytes = 0;
    let mayResize = true;
    while (this.#pos < end) {
      const byte = buf[this.#pos] as number;
      if ((byte & 0xe0) === 0x20) {
        if (!mayResize) throw compressionError('a table size update after a field');
        this.#resize();
        continue;
      }
      mayResize = false;
      const before = fields.length;
      if (byte >= 0x80) this.#indexed(fields);
      else this.#literal(byte, fields);
      listBytes += (fields[before] as string).length + (fields[before + 1] as string).length + ENTRY_OVERHEAD_BYTES;
      // The table must stay in step with the client's, so the rest is decoded too, but not kept.
      if (listBytes > HEADER_LIST_BYTES_MAX) fields.length = 0;
    }
    return new RequestHeaders(fields, listBytes > HEADER_LIST_BYTES_MAX, listBytes);
  }

  #indexed(fields: string[]): void {
    const index = this.#integer(0x7f);
    fields.push(this.#nameAt(index), index <= STATIC_ENTRIES ? (STATIC_VALUES[index] as string) : this.#valueAt(index));
  }

  #literal(byte: number, fields: string[]): void {
    const isIndexing = (byte & 0x40) !== 0;
    const index = this.#integer(isIndexing ? 0x3f : 0x0f);
    const name = index === 0 ? this.#string() : this.#nameAt(index);
    const value = this.#string();
    if (isIndexing) this.#table.add(name, value);
    fields.push(name, value);
  }

  #resize(): void {
    const bytes = this.#integer(0x1f);
    if (bytes > HEADER_TABLE_BYTES) throw compressionError(`a table of ${bytes} bytes`);
    this.#table.resize(bytes);
  }

  #nameAt(index: number): string {
    if (index > 0 && index <= STATIC_ENTRIES) return STATIC_NAMES[index] as string;
    this.#check(index);
    return this.#table.nameAt(index - STATIC_ENTRIES - 1);
  }

  #valueAt(index: number): string {
    return this.#table.valueAt(index - STATIC_ENTRIES - 1);
  }

  #check(index: number): void {
    if (index === 0 || index - STATIC_ENTRIES > this.#table.count) throw compressionError(`no table entry ${index}`);
  }

  /** An integer whose first byte has room for `mask`. */
  #integer(mask: number): number {
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (value > INTEGER_MAX || shift > 28) throw compressionError('an integer out of range');
      if (byte < 0x80) return value;
    }
  }

  #byte(): number {
    if (this.#pos >= this.#end) throw compressionError('a header block ends within a field');
    return this.#buf[this.#pos++] as number;
  }

  #string(): string {
    const isHuffman = this.#pos < this.#end && (this.#buf[this.#pos] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#pos;
    if (length > this.#end - start) throw compressionError('a header block ends within a string');
    this.#pos += length;
    if (!isHuffman) return this.#buf.toString('latin1', start, this.#pos);
    const bytesMax = huffmanDecodedMax(length);
    if (this.#scratch.length < bytesMax) this.#scratch = Buffer.allocUnsafeSlow(Math.max(256, bytesMax));
    const decoded = huffmanDecode(this.#buf, start, this.#pos, this.#scratch);
    if (decoded < 0) throw compressionError('not a Huffman code');
    return this.#scratch.toString('latin1', 0, decoded);
  }
}

function compressionError(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.CompressionError, message);
}

function hash(buf: Buffer, start: number, end: number): number {
  let value = end - start;
  for (let i = start; i < end; i++) value = (Math.imul(value, 31) + (buf[i] as number)) | 0;
  return (value ^ (value >>> 8) ^ (value >>> 16)) & (REMEMBERED - 1);
}

function isSame(block: Buffer, buf: Buffer, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let i = 0; i < block.length; i++) if (block[i] !== buf[start + i]) return false;
  return true;
}
