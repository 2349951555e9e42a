import type { EntryInit } from '../../gen/raftpb.ts';
import { crc32cRange } from '../../base/crc32c.ts';
import { FRAME_HEADER_BYTES, RecordType, paddingOf } from './format.ts';

const INITIAL_BYTES = 64 << 10;
/** A buffer that once held a huge group is not kept for ever. */
const RETAINED_BYTES_MAX = 4 << 20;
/** Record type and its tag, tag and longest value of the crc, tag and longest length of the data, padding. */
const OVERHEAD_BYTES_MAX = FRAME_HEADER_BYTES + 2 + 6 + 11 + 7;
const CRC_VARINT_BYTES_MAX = 5;
/** The four fields of an entry with their longest values, without the data itself. */
const ENTRY_HEADER_BYTES_MAX = 2 + 11 + 11 + 11;
/** Below this many bytes a loop beats TypedArray.set. */
const COPY_LOOP_BYTES = 24;

const TAG_RECORD_TYPE = 0x08;
const TAG_RECORD_CRC = 0x10;
const TAG_RECORD_DATA = 0x1a;
const TAG_ENTRY_TYPE = 0x08;
const TAG_ENTRY_TERM = 0x10;
const TAG_ENTRY_INDEX = 0x18;
const TAG_ENTRY_DATA = 0x22;

/**
 * Lays records one after the other into a buffer that is then written with one call. An entry takes a single pass: frame,
 * record and entry are written in place, then the checksum over them.
 */
export class RecordEncoder {
  /** Checksum over the data of every record so far, in this and all earlier files. */
  #crc: number;
  #buf: Uint8Array = new Uint8Array(INITIAL_BYTES);
  #length = 0;
  /** A buffer whose bytes are on disk, for the next take(). */
  #spare: Uint8Array | undefined;

  /** `crc`: where the chain of the last file ends; 0 for a new log. */
  constructor(crc: number) {
    this.#crc = crc;
  }

  /** Checksum of the chain up to what was encoded last. */
  get crc(): number {
    return this.#crc;
  }

  /** Bytes encoded since take(). */
  get length(): number {
    return this.#length;
  }

  /** The first record of a file: carries the chain over from the file before. */
  crcRecord(): void {
    this.record(RecordType.crc, NO_DATA);
  }

  record(type: number, data: Uint8Array): void {
    this.#reserve(OVERHEAD_BYTES_MAX + data.length);
    const start = this.#length;
    const dataStart = this.#openRecord(type, data.length);
    this.#buf.set(data, dataStart);
    this.#closeRecord(start, dataStart, dataStart + data.length);
  }

  entry(entry: EntryInit): void {
    const type = entry.type ?? 0;
    const term = entry.term ?? 0;
    const index = entry.index ?? 0;
    const data = entry.data ?? NO_DATA;
    this.#reserve(OVERHEAD_BYTES_MAX + ENTRY_HEADER_BYTES_MAX + data.length);
    const dataField = data.length === 0 ? 0 : 1 + varintBytes(data.length) + data.length;
    const entryBytes = 2 + (1 + varintBytes(term)) + (1 + varintBytes(index)) + dataField;

    const start = this.#length;
    const dataStart = this.#openRecord(RecordType.entry, entryBytes);
    const buf = this.#buf;
    let at = dataStart;
    buf[at++] = TAG_ENTRY_TYPE;
    buf[at++] = type;
    buf[at++] = TAG_ENTRY_TERM;
    at = putVarint(buf, at, term);
    buf[at++] = TAG_ENTRY_INDEX;
    at = putVarint(buf, at, index);
    if (data.length !== 0) {
      buf[at++] = TAG_ENTRY_DATA;
      at = putVarint(buf, at, data.length);
      if (data.length < COPY_LOOP_BYTES) for (let i = 0; i < data.length; i++) buf[at + i] = data[i] as number;
      else buf.set(data, at);
      at += data.length;
    }
    this.#closeRecord(start, dataStart, at);
  }

  /** What was encoded since the last take(), to be handed to recycle() once it is written. */
  take(): Uint8Array {
    const bytes = this.#buf.subarray(0, this.#length);
    this.#buf = this.#spare ?? new Uint8Array(INITIAL_BYTES);
    this.#spare = undefined;
    this.#length = 0;
    return bytes;
  }

  recycle(bytes: Uint8Array): void {
    const whole = new Uint8Array(bytes.buffer);
    if (whole.length <= RETAINED_BYTES_MAX) this.#spare = whole;
  }

  /**
   * Writes the record's fields up to its data, with room for the longest checksum, which is only known later; returns
   * where the data goes.
   */
  #openRecord(type: number, dataBytes: number): number {
    const buf = this.#buf;
    let at = this.#length + FRAME_HEADER_BYTES;
    buf[at++] = TAG_RECORD_TYPE;
    buf[at++] = type;
    buf[at++] = TAG_RECORD_CRC;
    at += CRC_VARINT_BYTES_MAX;
    if (dataBytes === 0) return at;
    buf[at++] = TAG_RECORD_DATA;
    return putVarint(buf, at, dataBytes);
  }

  #closeRecord(start: number, dataStart: number, dataEnd: number): void {
    const buf = this.#buf;
    const crc = crc32cRange(this.#crc, buf, dataStart, dataEnd);
    this.#crc = crc;
    const crcStart = start + FRAME_HEADER_BYTES + 3;
    const crcEnd = putVarint(buf, crcStart, crc);
    // One checksum in sixteen is shorter than the room kept for it.
    const surplus = crcStart + CRC_VARINT_BYTES_MAX - crcEnd;
    if (surplus !== 0) buf.copyWithin(crcEnd, crcEnd + surplus, dataEnd);
    const end = dataEnd - surplus;

    const size = end - start - FRAME_HEADER_BYTES;
    const padding = paddingOf(size);
    buf[start] = size;
    buf[start + 1] = size >>> 8;
    buf[start + 2] = size >>> 16;
    buf[start + 3] = size >>> 24;
    buf[start + 4] = 0;
    buf[start + 5] = 0;
    buf[start + 6] = 0;
    buf[start + 7] = padding === 0 ? 0 : 0x80 | padding;
    for (let i = 0; i < padding; i++) buf[end + i] = 0;
    this.#length = end + padding;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buf.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buf.length * 2));
    grown.set(this.#buf.subarray(0, this.#length));
    this.#buf = grown;
  }
}

const NO_DATA = new Uint8Array(0);

/** `value`: an integer from 0 up to 2^53 - 1. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function putVarint(buf: Uint8Array, at: number, value: number): number {
  let to = at;
  let rest = value;
  // Bit operations see 32 bits only.
  while (rest > 0xffff_ffff) {
    buf[to++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest > 0x7f) {
    buf[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buf[to++] = rest;
  return to;
}
