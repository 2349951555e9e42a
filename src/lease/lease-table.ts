/** Where leases are kept: rows of leasepb.Lease, byte for byte as in etcd's bucket of the same name. */

/** Writes are part of the same atomic commit as the log entry being applied. */
export interface LeaseTable {
  /** `record` is an encoded leasepb.Lease; the row's key is leaseTableKey(id). */
  put(id: bigint, record: Uint8Array): void;
  delete(id: bigint): void;
}

/** Which keys are attached to a lease. */
export interface LeaseKeys {
  /** In any order. */
  keysOf(id: bigint): Uint8Array[];
}

/** The id as 8 bytes, big endian, two's complement. */
export function leaseTableKey(id: bigint): Uint8Array {
  const out = new Uint8Array(8);
  let rest = BigInt.asUintN(64, id);
  for (let at = 7; at >= 0; at--) {
    out[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}
