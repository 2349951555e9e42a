/** Table `leaseKeys`: which keys are attached to which lease. Rows are 8-byte lease id + key, without a value. */
import { startsWithBytes } from '../base/bytes.ts';
import { putLeaseId } from './key-index.ts';
import type { ScanReader } from './overlay.ts';

const LEASE_ID_BYTES = 8;

export function leaseKeyRow(lease: bigint, key: Uint8Array): Uint8Array {
  const out = new Uint8Array(LEASE_ID_BYTES + key.length);
  putLeaseId(out, 0, lease);
  out.set(key, LEASE_ID_BYTES);
  return out;
}

/** The keys attached to `lease`, in key order. */
export function keysOfLease(reader: ScanReader, lease: bigint): Uint8Array[] {
  const prefix = new Uint8Array(LEASE_ID_BYTES);
  putLeaseId(prefix, 0, lease);
  const keys: Uint8Array[] = [];
  const cursor = reader.cursor('leaseKeys');
  for (let found = cursor.seek(prefix); found && startsWithBytes(cursor.key, prefix); found = cursor.next()) {
    keys.push(cursor.key.subarray(LEASE_ID_BYTES));
  }
  cursor.close();
  return keys;
}
