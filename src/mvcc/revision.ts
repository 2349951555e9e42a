/**
 * A revision is (main, sub): main counts the write transactions of the store, sub the changes within one, in execution
 * order. Its key in table `rev` is etcd's: main as 8 bytes big endian, '_', sub likewise, and 't' for a tombstone.
 */
import { assert } from '../base/assert.ts';
import { getUint64BE, putUint64BE } from '../base/bytes.ts';
import { ROWS } from './row-bytes.ts';

const UNDERSCORE = 0x5f;
const TOMBSTONE = 0x74;

export const REVISION_BYTES = 17;
const TOMBSTONE_BYTES = 18;

export function encodeRevision(main: number, sub: number, tombstone = false): Uint8Array {
  const out = ROWS.take(tombstone ? TOMBSTONE_BYTES : REVISION_BYTES);
  putUint64BE(out, 0, main);
  out[8] = UNDERSCORE;
  putUint64BE(out, 9, sub);
  if (tombstone) out[REVISION_BYTES] = TOMBSTONE;
  return out;
}

export function revisionMain(key: Uint8Array): number {
  assert(key.length === REVISION_BYTES || key.length === TOMBSTONE_BYTES, 'not a revision key', { length: key.length });
  return getUint64BE(key, 0);
}

export function revisionSub(key: Uint8Array): number {
  return getUint64BE(key, 9);
}

export function revisionIsTombstone(key: Uint8Array): boolean {
  return key.length === TOMBSTONE_BYTES;
}
