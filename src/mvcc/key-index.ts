/**
 * The key index: where the versions of a user key are.
 *
 *   cur   user key -> pointer to its newest version; no row when that is a tombstone
 *   hist  escaped user key, 00 01, ~main (8), ~sub (4) -> one row per version, newest first
 *
 * Escaping (00 becomes 00 ff) and the terminator 00 01 keep the order of user keys whatever bytes they hold, and the
 * inverted revision makes "the newest version at or before r" one forward seek.
 */
import { assert } from '../base/assert.ts';
import { encodeRevision } from './revision.ts';
import { ROWS } from './row-bytes.ts';
import { getUint32BE, getUint64BE, putUint32BE, putUint64BE } from '../base/bytes.ts';

/** A version of a key: everything a KeyValue says except the value. */
export interface KeyVersion {
  readonly main: number;
  readonly sub: number;
  readonly createRevision: number;
  readonly version: number;
  /** int64; 0n is none. */
  readonly lease: bigint;
}

const POINTER_BYTES = 36;
const TERMINATOR_BYTES = 2;
const INVERTED_BYTES = 12;
const SUFFIX_BYTES = TERMINATOR_BYTES + INVERTED_BYTES;
const UINT32_MAX = 0xffff_ffff;

const HIST_TOMBSTONE = new Uint8Array([1]);
const HIST_BYTES = 17;
const HIST_LEASE_BYTES = 25;

export function encodePointer(version: KeyVersion): Uint8Array {
  const out = ROWS.take(POINTER_BYTES);
  putUint64BE(out, 0, version.main);
  putUint32BE(out, 8, version.sub);
  putUint64BE(out, 12, version.createRevision);
  putUint64BE(out, 20, version.version);
  if (version.lease !== 0n) putLeaseId(out, 28, version.lease);
  return out;
}

export function decodePointer(row: Uint8Array): KeyVersion {
  assert(row.length === POINTER_BYTES, 'not a key pointer', { length: row.length });
  return {
    main: getUint64BE(row, 0),
    sub: getUint32BE(row, 8),
    createRevision: getUint64BE(row, 12),
    version: getUint64BE(row, 20),
    lease: getLeaseId(row, 28),
  };
}

/** The row of `rev` that the pointer at `bytes[at]` is to, without decoding the rest of it. */
export function pointerRevisionKey(bytes: Uint8Array, at: number): Uint8Array {
  return encodeRevision(getUint64BE(bytes, at), getUint32BE(bytes, at + 8));
}

/** A lease id, an int64, as 8 bytes big endian. */
export function putLeaseId(out: Uint8Array, at: number, lease: bigint): void {
  putUint32BE(out, at, Number(BigInt.asUintN(32, lease >> 32n)));
  putUint32BE(out, at + 4, Number(BigInt.asUintN(32, lease)));
}

export function getLeaseId(bytes: Uint8Array, at: number): bigint {
  const high = getUint32BE(bytes, at);
  const low = getUint32BE(bytes, at + 4);
  if (high === 0) return low === 0 ? 0n : BigInt(low);
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
}

/** The row of one version. Seeking to it finds the newest version of `key` at or before (main, sub), if the key matches. */
export function histKey(key: Uint8Array, main: number, sub: number): Uint8Array {
  const out = escapeWithRoom(key, SUFFIX_BYTES);
  const at = out.length - SUFFIX_BYTES;
  out[at + 1] = 1;
  putInverted(out, at + TERMINATOR_BYTES, main, sub);
  return out;
}

/** Sorts at or before every row of `key` and of greater keys, and after every row of smaller ones. */
export function histLowerBound(key: Uint8Array): Uint8Array {
  const out = escapeWithRoom(key, TERMINATOR_BYTES);
  out[out.length - 1] = 1;
  return out;
}

/** From a row of hist: sorts after every row of its user key, and before those of the next. */
export function histAfterKey(row: Uint8Array): Uint8Array {
  const out = row.slice(0, row.length - INVERTED_BYTES);
  out[out.length - 1] = 2;
  return out;
}

/** From a row of hist: where the newest version of its user key at or before main revision `main` would be. */
export function histSeekKey(row: Uint8Array, main: number): Uint8Array {
  const out = row.slice();
  putInverted(out, row.length - INVERTED_BYTES, main, UINT32_MAX);
  return out;
}

/** Whether two rows of hist are of the same user key. */
export function histSameKey(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = a.length - INVERTED_BYTES - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}

export function histMain(row: Uint8Array): number {
  const at = row.length - INVERTED_BYTES;
  return (UINT32_MAX - getUint32BE(row, at)) * 0x1_0000_0000 + (UINT32_MAX - getUint32BE(row, at + 4));
}

export function histSub(row: Uint8Array): number {
  return UINT32_MAX - getUint32BE(row, row.length - 4);
}

export function histUserKey(row: Uint8Array): Uint8Array {
  const end = row.length - SUFFIX_BYTES;
  let zeros = 0;
  for (let i = 0; i < end; i++) if (row[i] === 0) zeros++;
  if (zeros === 0) return row.subarray(0, end);
  const out = new Uint8Array(end - zeros);
  for (let from = 0, to = 0; from < end; from++) {
    out[to++] = row[from] as number;
    if (row[from] === 0) from++;
  }
  return out;
}

export function encodeHist(version: KeyVersion): Uint8Array {
  const out = ROWS.take(version.lease === 0n ? HIST_BYTES : HIST_LEASE_BYTES);
  putUint64BE(out, 1, version.createRevision);
  putUint64BE(out, 9, version.version);
  if (version.lease !== 0n) putLeaseId(out, HIST_BYTES, version.lease);
  return out;
}

export function encodeHistTombstone(): Uint8Array {
  return HIST_TOMBSTONE;
}

export function histIsTombstone(value: Uint8Array): boolean {
  return value[0] === 1;
}

/** Of a row that is not a tombstone. */
export function decodeHist(row: Uint8Array, value: Uint8Array): KeyVersion {
  assert(value.length >= HIST_BYTES, 'not a version row', { length: value.length });
  return {
    main: histMain(row),
    sub: histSub(row),
    createRevision: getUint64BE(value, 1),
    version: getUint64BE(value, 9),
    lease: value.length === HIST_LEASE_BYTES ? getLeaseId(value, HIST_BYTES) : 0n,
  };
}

function putInverted(out: Uint8Array, at: number, main: number, sub: number): void {
  putUint32BE(out, at, UINT32_MAX - Math.floor(main / 0x1_0000_0000));
  putUint32BE(out, at + 4, UINT32_MAX - (main >>> 0));
  putUint32BE(out, at + 8, UINT32_MAX - sub);
}

/** The escaped key followed by `room` zero bytes. */
function escapeWithRoom(key: Uint8Array, room: number): Uint8Array {
  let zeros = 0;
  for (let i = 0; i < key.length; i++) if (key[i] === 0) zeros++;
  const out = ROWS.take(key.length + zeros + room);
  if (zeros === 0) {
    out.set(key);
    return out;
  }
  let to = 0;
  for (let i = 0; i < key.length; i++) {
    out[to++] = key[i] as number;
    if (key[i] === 0) out[to++] = 0xff;
  }
  return out;
}
