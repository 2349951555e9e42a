import { Slab } from '../base/slab.ts';

/** Rows wait for the next flush in memory, a dozen small arrays for each put: in slabs they cost half. */
const ROWS = new Slab(16_384, 256);

/** Zeroed bytes for the key or the value of a row. */
export function rowBytes(length: number): Uint8Array {
  return ROWS.take(length);
}
