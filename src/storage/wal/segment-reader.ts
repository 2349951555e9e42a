import { assert } from '../../base/assert.ts';
import { crc32cRange } from '../../base/crc32c.ts';
import { WireError } from '../../base/wire.ts';
import { decodeRecord } from '../../gen/walpb.ts';
import type { File } from '../../ports/file-system.ts';
import { WalCorruptError } from './errors.ts';
import { FRAME_HEADER_BYTES, RecordType, SECTOR_BYTES, paddingOf } from './format.ts';

const WINDOW_BYTES = 1 << 20;

/**
 * record: one was read. end: nothing but zeros, or nothing at all, follows the last record. torn: a record follows that a
 * crash cut short (only said of a log's last file).
 */
export type ReadResult = 'record' | 'end' | 'torn';

/**
 * Reads the records of one WAL file in order, through a window of the file. Checks the chain of checksums, and tells a write
 * that a crash tore from corruption the way etcd does: only in the last file, and only when the record passes the end of
 * the file or when one of the sectors it covers is all zeros. Anything else throws WalCorruptError.
 */
export class SegmentReader {
  /** Of the record read last. `data` is a view of the window: see retain(). */
  type = 0;
  data: Uint8Array = NO_DATA;
  /** Where the record read last begins. */
  offset = 0;
  /** Where the record read last ends: the file is good up to here. */
  end = 0;
  /** The chain of checksums after the record read last; undefined until the first file read has told where it begins. */
  crc: number | undefined;

  readonly #file: File;
  readonly #path: string;
  readonly #isLast: boolean;
  readonly #fileBytes: number;
  #window: Uint8Array = new Uint8Array(0);
  /** File offset of the window's first byte, and how many bytes of the window are filled. */
  #windowStart = 0;
  #windowBytes = 0;
  #retained = false;
  #varintEnd = 0;

  constructor(file: File, path: string, isLast: boolean, crc: number | undefined) {
    this.#file = file;
    this.#path = path;
    this.#isLast = isLast;
    this.#fileBytes = file.size();
    this.crc = crc;
  }

  next(): ReadResult {
    this.offset = this.end;
    const left = this.#fileBytes - this.offset;
    if (left === 0) return 'end';
    if (left < FRAME_HEADER_BYTES) return this.#tornOr('the file ends inside a frame header');

    const at = this.#load(this.offset, FRAME_HEADER_BYTES);
    const low = getUint32LE(this.#window, at);
    const high = getUint32LE(this.#window, at + 4);
    if (low === 0 && high === 0) return 'end';
    const size = (high & 0xff_ffff) * 0x1_0000_0000 + low;
    const top = high >>> 24;
    const padding = paddingOf(size);
    if (top !== (padding === 0 ? 0 : 0x80 | padding) || size === 0) {
      throw this.corrupt(`frame header with size ${size} and padding byte 0x${top.toString(16)}`);
    }
    const frameBytes = FRAME_HEADER_BYTES + size + padding;
    if (frameBytes > left) return this.#tornOr(`a record of ${size} bytes passes the end of the file`);

    const body = this.#load(this.offset, frameBytes) + FRAME_HEADER_BYTES;
    const problem = this.#decode(body, size);
    if (problem !== undefined) {
      if (this.#isLast && this.#hasZeroSector(body, size + padding)) return 'torn';
      throw this.corrupt(problem);
    }
    this.end = this.offset + frameBytes;
    return 'record';
  }

  /** The views handed out from the window stay valid after the next call of next(): the window is not used again. */
  retain(): void {
    this.#retained = true;
  }

  /** An error about the record read last, or the one that next() could not read. */
  corrupt(why: string): WalCorruptError {
    return new WalCorruptError(this.#path, this.offset, why);
  }

  #tornOr(problem: string): ReadResult {
    if (this.#isLast) return 'torn';
    throw this.corrupt(problem);
  }

  /** Takes the record apart and checks it; returns what is wrong with it, if anything. */
  #decode(body: number, size: number): string | undefined {
    let recordCrc: number;
    try {
      recordCrc = this.#decodeFields(body, body + size);
    } catch (error) {
      if (error instanceof WireError) return `undecodable record: ${error.message}`;
      throw error;
    }
    if (this.type === RecordType.crc) {
      if (this.crc !== undefined && this.crc !== recordCrc) return this.#crcProblem(recordCrc, this.crc);
      this.crc = recordCrc;
      return undefined;
    }
    if (this.crc === undefined) return `record of type ${this.type} where the file's crc record has to be`;
    const data = this.data;
    const computed = crc32cRange(this.crc, data, 0, data.length);
    if (computed !== recordCrc) return this.#crcProblem(recordCrc, computed);
    this.crc = computed;
    return undefined;
  }

  #crcProblem(recorded: number, computed: number): string {
    return `crc ${recorded.toString(16)} recorded, ${computed.toString(16)} computed`;
  }

  /** Sets type and data; returns the record's checksum. Fields come as etcd writes them, or in any order. */
  #decodeFields(start: number, end: number): number {
    const buf = this.#window;
    if (end - start >= 4 && buf[start] === 0x08 && (buf[start + 1] as number) < 0x80 && buf[start + 2] === 0x10) {
      const crc = this.#varint32(start + 3, end);
      let at = this.#varintEnd;
      if (at === end) return this.#decoded(buf[start + 1] as number, crc, NO_DATA);
      if (at > 0 && buf[at] === 0x1a) {
        const length = this.#varint32(at + 1, end);
        at = this.#varintEnd;
        if (at > 0 && at + length === end) {
          return this.#decoded(buf[start + 1] as number, crc, buf.subarray(at, end));
        }
      }
    }
    const record = decodeRecord(buf.subarray(start, end));
    return this.#decoded(record.type, record.crc, record.data);
  }

  #decoded(type: number, crc: number, data: Uint8Array): number {
    this.type = type;
    this.data = data;
    return crc;
  }

  /** Sets #varintEnd; 0 in it means that there was no varint of 32 bits. */
  #varint32(start: number, end: number): number {
    const buf = this.#window;
    let value = 0;
    let shift = 0;
    for (let at = start; at < end && shift < 35; at++, shift += 7) {
      const byte = buf[at] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#varintEnd = at + 1;
        return value >>> 0;
      }
    }
    this.#varintEnd = 0;
    return 0;
  }

  /** Whether one of the sectors that the record covers holds only zeros of it: it never reached the disk. */
  #hasZeroSector(body: number, bytes: number): boolean {
    const fileStart = this.offset + FRAME_HEADER_BYTES;
    for (let at = 0; at < bytes;) {
      const chunk = Math.min(SECTOR_BYTES - ((fileStart + at) % SECTOR_BYTES), bytes - at);
      if (isZero(this.#window, body + at, body + at + chunk)) return true;
      at += chunk;
    }
    return false;
  }

  /** Makes `bytes` from file offset `position` available; returns where in the window. They must lie in the file. */
  #load(position: number, bytes: number): number {
    const at = position - this.#windowStart;
    if (at + bytes <= this.#windowBytes) return at;
    const kept = this.#windowBytes - at;
    const old = this.#window;
    if (this.#retained || old.length < Math.max(bytes, Math.min(WINDOW_BYTES, this.#fileBytes - position))) {
      this.#window = new Uint8Array(Math.max(bytes, Math.min(WINDOW_BYTES, this.#fileBytes - position)));
      this.#retained = false;
    }
    this.#window.set(old.subarray(at, at + kept));
    this.#windowStart = position;
    this.#windowBytes = kept + this.#file.read(this.#window.subarray(kept), position + kept);
    assert(this.#windowBytes >= bytes, 'WAL file got shorter while it was read', { position, bytes });
    return 0;
  }
}

const NO_DATA = new Uint8Array(0);

function getUint32LE(buf: Uint8Array, at: number): number {
  return (
    ((buf[at] as number) |
      ((buf[at + 1] as number) << 8) |
      ((buf[at + 2] as number) << 16) |
      ((buf[at + 3] as number) << 24)) >>>
    0
  );
}

function isZero(buf: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buf[at] !== 0) return false;
  return true;
}
