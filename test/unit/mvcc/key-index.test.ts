import { describe, expect, test } from 'vitest';
import { compareBytes, fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import {
  decodeHist,
  decodePointer,
  encodeHist,
  encodePointer,
  histAfterKey,
  histKey,
  histLowerBound,
  histMain,
  histSameKey,
  histSeekKey,
  histSub,
  histUserKey,
} from '../../../src/mvcc/key-index.ts';
import { KEYS } from '../../model/mvcc-rig.ts';

const REVISIONS: readonly (readonly [number, number])[] = [
  [Number.MAX_SAFE_INTEGER, 0xffff_ffff],
  [2 ** 32 + 1, 0],
  [2 ** 32, 7],
  [2 ** 32, 0],
  [2 ** 32 - 1, 0],
  [256, 1],
  [2, 300],
  [2, 0],
  [1, 0],
];

describe('key index', () => {
  test('history sorts by user key, then newest first', () => {
    const keys = [...KEYS].sort();
    const rows = keys.flatMap((key) => REVISIONS.map(([main, sub]) => histKey(fromBinaryString(key), main, sub)));
    for (let i = 1; i < rows.length; i++) expect(compareBytes(rows[i - 1]!, rows[i]!)).toBeLessThan(0);
  });

  test('a history row gives back its key and revision', () => {
    for (const key of KEYS) {
      for (const [main, sub] of REVISIONS) {
        const row = histKey(fromBinaryString(key), main, sub);
        expect([toBinaryString(histUserKey(row)), histMain(row), histSub(row)]).toEqual([key, main, sub]);
      }
    }
  });

  test('bounds lie between the rows of a key and those of its neighbours', () => {
    const keys = [...KEYS].sort();
    for (const [i, key] of keys.entries()) {
      const newest = histKey(fromBinaryString(key), Number.MAX_SAFE_INTEGER, 0);
      const oldest = histKey(fromBinaryString(key), 0, 0);
      expect(compareBytes(histLowerBound(fromBinaryString(key)), newest)).toBeLessThan(0);
      expect(compareBytes(histAfterKey(newest), oldest)).toBeGreaterThan(0);
      const next = keys[i + 1];
      if (next === undefined) continue;
      expect(compareBytes(oldest, histLowerBound(fromBinaryString(next)))).toBeLessThan(0);
      expect(compareBytes(histAfterKey(newest), histLowerBound(fromBinaryString(next)))).toBeLessThanOrEqual(0);
      expect(histSameKey(newest, histKey(fromBinaryString(next), 1, 1))).toBe(false);
      expect(histSameKey(newest, oldest)).toBe(true);
    }
  });

  test('seeking to a revision comes to the newest sub of it', () => {
    const key = fromBinaryString('k\0');
    const sought = histSeekKey(histKey(key, 9, 9), 5);
    expect(compareBytes(histKey(key, 6, 0), sought)).toBeLessThan(0);
    expect(compareBytes(sought, histKey(key, 5, 1000))).toBeLessThan(0);
  });

  test('versions keep all their fields', () => {
    for (const lease of [0n, 1n, 2n ** 32n, 2n ** 63n - 1n, -1n, -(2n ** 63n)]) {
      for (const [main, sub] of REVISIONS) {
        const version = { main, sub, createRevision: 2 ** 40 + 3, version: 2 ** 33, lease };
        expect(decodePointer(encodePointer(version))).toEqual(version);
        expect(decodeHist(histKey(fromBinaryString('k'), main, sub), encodeHist(version))).toEqual(version);
      }
    }
  });
});
