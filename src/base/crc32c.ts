/** CRC-32C (Castagnoli), the checksum of etcd's WAL, snapshot files and HashKV. */

const POLYNOMIAL = 0x82f63b78;

/** Slicing-by-8: TABLES[k] advances a byte that stands k places before the end of an 8-byte block. */
const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const first = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[i] = crc >>> 0;
  }
  const tables = [first];
  for (let k = 1; k < 8; k++) {
    const previous = tables[k - 1] as Uint32Array;
    const table = new Uint32Array(256);
    for (let i = 0; i < 256; i++) {
      const crc = previous[i] as number;
      table[i] = (crc >>> 8) ^ (first[crc & 0xff] as number);
    }
    tables.push(table);
  }
  return tables;
}

const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/**
 * Continues `crc` (0 at the start, or a value returned before) over `bytes`. Feeding parts one after the other gives the
 * checksum of their concatenation.
 */
export function crc32c(crc: number, bytes: Uint8Array): number {
  return crc32cRange(crc, bytes, 0, bytes.length);
}

/** As crc32c, over `bytes` from `start` up to `end`: saves the view where checksums are many and short. */
export function crc32cRange(crc: number, bytes: Uint8Array, start: number, end: number): number {
  let c = ~crc;
  let i = start;
  const blocksEnd = end - 7;
  for (; i < blocksEnd; i += 8) {
    c ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    c =
      (T7[c & 0xff] as number) ^
      (T6[(c >>> 8) & 0xff] as number) ^
      (T5[(c >>> 16) & 0xff] as number) ^
      (T4[c >>> 24] as number) ^
      (T3[bytes[i + 4] as number] as number) ^
      (T2[bytes[i + 5] as number] as number) ^
      (T1[bytes[i + 6] as number] as number) ^
      (T0[bytes[i + 7] as number] as number);
  }
  for (; i < end; i++) c = (c >>> 8) ^ (T0[(c ^ (bytes[i] as number)) & 0xff] as number);
  return ~c >>> 0;
}
