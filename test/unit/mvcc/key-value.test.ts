import { describe, expect, test } from 'vitest';
import { fromBinaryString, toBinaryString, toHex } from '../../../src/base/bytes.ts';
import { encodeKeyValue as encodeGenerated } from '../../../src/gen/mvccpb.ts';
import {
  decodeKeyValue,
  encodeDeleted,
  encodeKeyValue,
  encodeTombstone,
  keyOf,
  valueOf,
} from '../../../src/mvcc/key-value.ts';

const NUMBERS = [0, 1, 127, 128, 300, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 35 + 1, Number.MAX_SAFE_INTEGER];
const LEASES = [0n, 1n, 128n, 2n ** 32n, 2n ** 63n - 1n, -1n];
const KEYS = ['k', '\0\xff', 'x'.repeat(127), 'x'.repeat(128), 'x'.repeat(5000)];
const VALUES = ['', 'v', 'y'.repeat(127), 'y'.repeat(128), 'y'.repeat(20_000)];

describe('KeyValue bytes', () => {
  test('are those of the generated codec', () => {
    let cases = 0;
    for (const number of NUMBERS) {
      for (const lease of LEASES) {
        for (const [i, text] of KEYS.entries()) {
          const key = fromBinaryString(text);
          const value = fromBinaryString(VALUES[(i + cases) % VALUES.length]!);
          const fields = { key, createRevision: number, modRevision: number, version: number, value, lease };
          const kv = encodeKeyValue(key, number, number, number, value, lease);
          expect(toHex(kv)).toBe(toHex(encodeGenerated(fields)));
          expect(decodeKeyValue(kv)).toEqual(fields);
          expect(toBinaryString(keyOf(kv))).toBe(text);
          expect(toHex(valueOf(kv))).toBe(toHex(value));
          cases++;
        }
      }
    }
    expect(cases).toBe(300);
  });

  test('of a tombstone hold the key alone, of a delete event the revision too', () => {
    const key = fromBinaryString('gone');
    expect(toHex(encodeTombstone(key))).toBe('0a04676f6e65');
    expect(toHex(encodeDeleted(key, 5))).toBe('0a04676f6e651805');
  });
});
