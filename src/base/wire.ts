/**
 * The protobuf wire format: the reader and the writer under the generated codecs of src/gen.
 *
 * 64-bit integers come in two flavours. `number` is exact up to 2^53 and rounds beyond it: for revisions, indexes,
 * terms, counts and sizes. `bigint` is always exact: for ids.
 *
 * One departure from the protobuf rules: a singular message field that occurs twice is not merged, the last one wins.
 * No encoder writes such input.
 */
import { EMPTY } from './bytes.ts';
import { utf8Decode, utf8Length, utf8Write } from './utf8.ts';

/** Malformed or truncated input, or a value the wire format cannot carry. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** How deep messages and groups may nest in decoded input: bounds the stack that hostile input can use. */
export const WIRE_DEPTH_MAX = 100;

const TWO_32 = 0x1_0000_0000;
const TWO_63 = 2 ** 63;
const TWO_64 = 2 ** 64;
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * Reads one encoded message. No read passes the end of the innermost message, whatever the lengths in the input say.
 * Fields the codecs do not know, or know under another wire type, are passed over.
 */
export class WireReader {
  private readonly buf: Uint8Array;
  private pos: number;
  /** End of the innermost message being read; pos <= end <= buf.length always. */
  private end: number;
  private depth = 0;
  /** The halves of the last varint that varint64() read; bit patterns, so either may be negative. */
  private lo = 0;
  private hi = 0;

  constructor(buf: Uint8Array) {
    this.buf = buf;
    this.pos = 0;
    this.end = buf.length;
  }

  /** Whether the current message has another field. */
  more(): boolean {
    return this.pos < this.end;
  }

  /** The next field's tag: field number << 3 | wire type. */
  tag(): number {
    const pos = this.pos;
    if (pos < this.end) {
      const byte = this.buf[pos] as number;
      if (byte < 0x80 && byte > 0x07) {
        this.pos = pos + 1;
        return byte;
      }
    }
    this.varint64();
    const tag = this.lo >>> 0;
    if (this.hi !== 0 || tag < 8) throw new WireError(`invalid field tag at byte ${pos}`);
    return tag;
  }

  uint32(): number {
    const pos = this.pos;
    if (pos < this.end) {
      const byte = this.buf[pos] as number;
      if (byte < 0x80) {
        this.pos = pos + 1;
        return byte;
      }
    }
    this.varint64();
    return this.lo >>> 0;
  }

  /** int32 and enums. */
  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    const pos = this.pos;
    if (pos < this.end) {
      const byte = this.buf[pos] as number;
      if (byte < 0x80) {
        this.pos = pos + 1;
        return byte !== 0;
      }
    }
    this.varint64();
    return this.lo !== 0 || this.hi !== 0;
  }

  uint64(): number {
    const pos = this.pos;
    if (pos < this.end) {
      const byte = this.buf[pos] as number;
      if (byte < 0x80) {
        this.pos = pos + 1;
        return byte;
      }
    }
    this.varint64();
    return this.hi === 0 ? this.lo >>> 0 : (this.hi >>> 0) * TWO_32 + (this.lo >>> 0);
  }

  int64(): number {
    const pos = this.pos;
    if (pos < this.end) {
      const byte = this.buf[pos] as number;
      if (byte < 0x80) {
        this.pos = pos + 1;
        return byte;
      }
    }
    this.varint64();
    return this.hi === 0 ? this.lo >>> 0 : (this.hi | 0) * TWO_32 + (this.lo >>> 0);
  }

  uint64Big(): bigint {
    this.varint64();
    if (this.hi === 0) return BigInt(this.lo >>> 0);
    return (BigInt(this.hi >>> 0) << 32n) | BigInt(this.lo >>> 0);
  }

  int64Big(): bigint {
    this.varint64();
    if (this.hi === 0) return BigInt(this.lo >>> 0);
    return (BigInt(this.hi | 0) << 32n) | BigInt(this.lo >>> 0);
  }

  /** A view into the input, not a copy: the input must not be overwritten while the message is in use. */
  bytes(): Uint8Array {
    const length = this.length();
    if (length === 0) return EMPTY;
    const start = this.pos;
    this.pos = start + length;
    return new Uint8Array(this.buf.buffer, this.buf.byteOffset + start, length);
  }

  string(): string {
    const length = this.length();
    if (length === 0) return '';
    const start = this.pos;
    const text = utf8Decode(this.buf, start, start + length);
    if (text === undefined) throw new WireError(`invalid UTF-8 in the string at byte ${start}`);
    this.pos = start + length;
    return text;
  }

  /** Narrows the reader to the message whose length comes next. Returns the mark to give to leave(). */
  enter(): number {
    if (++this.depth > WIRE_DEPTH_MAX) throw new WireError(`messages nest deeper than ${WIRE_DEPTH_MAX}`);
    return this.enterPacked();
  }

  leave(mark: number): void {
    this.depth--;
    this.end = mark;
  }

  /** As enter() and leave(), for a packed repeated field, which cannot nest. */
  enterPacked(): number {
    const length = this.length();
    const outer = this.end;
    this.end = this.pos + length;
    return outer;
  }

  leavePacked(mark: number): void {
    this.end = mark;
  }

  /** Passes over the value of a field that is unknown, or known under another wire type. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint64();
        return;
      case 1:
        this.advance(8);
        return;
      case 2:
        this.advance(this.length());
        return;
      case 3:
        this.skipGroup(tag);
        return;
      case 5:
        this.advance(4);
        return;
      default:
        throw new WireError(`invalid wire type ${tag & 7} before byte ${this.pos}`);
    }
  }

  /** Passes over a field that none of `known` is; a known field under a foreign wire type is malformed, as it is to etcd. */
  skipUnknown(tag: number, known: readonly number[]): void {
    const field = tag >>> 3;
    if (known.includes(field)) throw new WireError(`proto: wrong wireType = ${tag & 7} for field ${field}`);
    this.skip(tag);
  }

  private skipGroup(startTag: number): void {
    if (++this.depth > WIRE_DEPTH_MAX) throw new WireError(`groups nest deeper than ${WIRE_DEPTH_MAX}`);
    const endTag = startTag + 1;
    for (;;) {
      const tag = this.tag();
      if (tag === endTag) break;
      this.skip(tag);
    }
    this.depth--;
  }

  private advance(bytes: number): void {
    if (bytes > this.end - this.pos) throw this.truncated();
    this.pos += bytes;
  }

  /** A length prefix, proved to lie inside the current message. */
  private length(): number {
    const length = this.uint64();
    if (length > this.end - this.pos) throw this.truncated();
    return length;
  }

  private truncated(): WireError {
    return new WireError(`truncated: field runs past byte ${this.end}, read at byte ${this.pos}`);
  }

  private byte(): number {
    if (this.pos >= this.end) throw this.truncated();
    return this.buf[this.pos++] as number;
  }

  /** Reads a varint of up to ten bytes into lo and hi. */
  private varint64(): void {
    let lo = 0;
    let hi = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      lo |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.lo = lo;
        this.hi = 0;
        return;
      }
    }
    let byte = this.byte();
    lo |= (byte & 0x7f) << 28;
    hi = (byte & 0x7f) >> 4;
    for (let shift = 3; byte >= 0x80; shift += 7) {
      byte = this.byte();
      if (shift === 31 && byte > 1) throw new WireError(`varint longer than 64 bits before byte ${this.pos}`);
      hi |= (byte & 0x7f) << shift;
    }
    this.lo = lo;
    this.hi = hi;
  }
}

const INITIAL_BYTES = 1024;
/** A writer that once held something large gives the memory back instead of keeping it for ever. */
const RETAINED_BYTES_MAX = 4 << 20;
/** Below this many bytes a loop beats TypedArray.set. */
const COPY_LOOP_BYTES = 24;

/**
 * Writes fields forward into a growable buffer. A nested message is written after one byte kept for its length; when
 * the length turns out to need more, the body moves up: messages under 128 bytes, by far the most, never move.
 */
export class WireWriter {
  private buf: Uint8Array = new Uint8Array(INITIAL_BYTES);
  private pos = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.pos;
  }

  reset(): void {
    this.pos = 0;
  }

  /** What was written, without a copy: valid until the writer is used again. */
  view(): Uint8Array {
    return this.buf.subarray(0, this.pos);
  }

  /** A copy of what was written; the writer is empty again afterwards. */
  finish(): Uint8Array {
    const out = this.pos === 0 ? EMPTY : this.buf.slice(0, this.pos);
    this.pos = 0;
    if (this.buf.length > RETAINED_BYTES_MAX) this.buf = new Uint8Array(INITIAL_BYTES);
    return out;
  }

  bool(tag: number, value: boolean): void {
    this.reserve(6);
    this.varint32(tag);
    this.buf[this.pos++] = value ? 1 : 0;
  }

  /** int32 and enums: negative values take ten bytes. */
  int32(tag: number, value: number): void {
    this.int64(tag, value);
  }

  uint32(tag: number, value: number): void {
    this.uint64(tag, value);
  }

  /** A number that decoding rounded up to 2^63 is written as the largest int64 and does not change its sign. */
  int64(tag: number, value: number): void {
    this.reserve(15);
    this.varint32(tag);
    if (value >= TWO_63) this.varintHalves(0xffff_ffff, 0x7fff_ffff);
    else this.varint(value);
  }

  /** As int64(), with 2^64 as the bound. */
  uint64(tag: number, value: number): void {
    this.reserve(15);
    this.varint32(tag);
    if (value >= TWO_64) this.varintHalves(0xffff_ffff, 0xffff_ffff);
    else this.varint(value);
  }

  /** int64 and uint64: a negative value is written as its two's complement. */
  bigint64(tag: number, value: bigint): void {
    this.reserve(15);
    this.varint32(tag);
    this.varintBig(value);
  }

  /** Bytes, or an already encoded message. */
  bytes(tag: number, value: Uint8Array): void {
    const length = value.length;
    this.reserve(10 + length);
    this.varint32(tag);
    this.varint(length);
    const buf = this.buf;
    const pos = this.pos;
    if (length < COPY_LOOP_BYTES) for (let i = 0; i < length; i++) buf[pos + i] = value[i] as number;
    else buf.set(value, pos);
    this.pos = pos + length;
  }

  string(tag: number, value: string): void {
    const length = utf8Length(value);
    this.reserve(10 + length);
    this.varint32(tag);
    this.varint(length);
    this.pos = utf8Write(value, this.buf, this.pos);
  }

  /** Opens a nested message or a packed field. Returns the mark to give to end(). */
  begin(tag: number): number {
    this.reserve(6);
    this.varint32(tag);
    return this.pos++;
  }

  end(mark: number): void {
    const body = mark + 1;
    const length = this.pos - body;
    if (length < 0x80) {
      this.buf[mark] = length;
      return;
    }
    const prefix = varintLength(length);
    this.reserve(prefix);
    this.buf.copyWithin(mark + prefix, body, this.pos);
    this.pos = mark;
    this.varint(length);
    this.pos += length;
  }

  /** An element of a packed field: a varint without a tag. */
  packed(value: number): void {
    this.reserve(10);
    this.varint(value);
  }

  packedBig(value: bigint): void {
    this.reserve(10);
    this.varintBig(value);
  }

  private reserve(bytes: number): void {
    const needed = this.pos + bytes;
    if (needed <= this.buf.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buf.length * 2));
    grown.set(this.buf.subarray(0, this.pos));
    this.buf = grown;
  }

  private varint32(value: number): void {
    const buf = this.buf;
    let pos = this.pos;
    let rest = value;
    while (rest > 0x7f) {
      buf[pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buf[pos++] = rest;
    this.pos = pos;
  }

  private varint(value: number): void {
    if (value >>> 0 === value) {
      this.varint32(value);
      return;
    }
    if (!Number.isInteger(value) || value < -TWO_63) throw new WireError(`not a 64-bit integer: ${value}`);
    this.varintHalves(value >>> 0, Math.floor(value / TWO_32) >>> 0);
  }

  private varintBig(value: bigint): void {
    if (value < INT64_MIN || value > UINT64_MAX) throw new WireError(`not a 64-bit integer: ${value}`);
    this.varintHalves(Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n)));
  }

  private varintHalves(low: number, high: number): void {
    if (high === 0) {
      this.varint32(low);
      return;
    }
    const buf = this.buf;
    let pos = this.pos;
    for (let i = 0, rest = low; i < 4; i++, rest >>>= 7) buf[pos++] = (rest & 0x7f) | 0x80;
    const rest = high >>> 3;
    buf[pos++] = (low >>> 28) | ((high & 7) << 4) | (rest === 0 ? 0 : 0x80);
    this.pos = pos;
    if (rest !== 0) this.varint32(rest);
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let bound = 0x80; value >= bound; bound *= 0x80) length++;
  return length;
}

/** What comes before the bytes of a field: its tag of one byte and their length, at most 5. Returns where they begin. */
export function putFieldPrefix(out: Uint8Array, start: number, tag: number, bytes: number): number {
  let at = start;
  let length = bytes;
  out[at++] = tag;
  for (; length > 0x7f; length >>>= 7) out[at++] = (length & 0x7f) | 0x80;
  out[at++] = length;
  return at;
}

const shared = new WireWriter();

/** The writer that all encode functions share: encoding is synchronous and never nests, so one is enough. */
export function sharedWriter(): WireWriter {
  shared.reset();
  return shared;
}

/** With one more at its end: `list` itself, or a new one in its place. An empty array that grows makes room for 17. */
export function append<T>(list: T[], value: T): T[] {
  if (list.length === 0) return [value];
  list.push(value);
  return list;
}
