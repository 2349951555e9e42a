import { describe, expect, test } from 'vitest';
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { SortedMap } from '../../../src/base/sorted-map.ts';

function randomKey(random: SeededRandom): string {
  const length = random.below(5);
  return Array.from({ length }, () => 'ab\0\xff'[random.below(4)]).join('') + String(random.below(300));
}

function entries(map: SortedMap<number>): [string, number][] {
  const out: [string, number][] = [];
  map.forEach((key, value) => out.push([toBinaryString(key), value]));
  return out;
}

function walk(map: SortedMap<number>, from: string): [string, number][] {
  const out: [string, number][] = [];
  const cursor = map.cursor();
  for (let live = cursor.seek(fromBinaryString(from)); live; live = cursor.next()) {
    out.push([toBinaryString(cursor.key), cursor.value]);
  }
  expect(cursor.live).toBe(false);
  return out;
}

describe('SortedMap', () => {
  test.each([1, 2, 3, 4, 5, 6])('equals a sorted list of entries, seed %i', (seed) => {
    const random = new SeededRandom(seed);
    const map = new SortedMap<number>();
    const model = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      const key = randomKey(random);
      const deletes = random.below(4) === 0;
      const before = deletes ? model.has(key) : model.get(key);
      expect(deletes ? map.delete(fromBinaryString(key)) : map.set(fromBinaryString(key), i)).toBe(before);
      if (deletes) model.delete(key);
      else model.set(key, i);
      const other = randomKey(random);
      expect(map.get(fromBinaryString(other))).toBe(model.get(other));
      expect(map.size).toBe(model.size);
      if (i % 200 !== 0) continue;
      const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
      expect(entries(map)).toEqual(sorted);
      expect(walk(map, other)).toEqual(sorted.filter(([k]) => k >= other));
      const last = map.last(fromBinaryString(other));
      expect(last && [toBinaryString(last.key), last.value]).toEqual(sorted.findLast(([k]) => k < other));
    }
    const last = map.last();
    expect(last && toBinaryString(last.key)).toBe([...model.keys()].sort().at(-1));
  });

  test('keeps ascending, descending and interleaved inserts in order', () => {
    for (const order of [(i: number) => i, (i: number) => 999 - i, (i: number) => (i * 7) % 1000]) {
      const map = new SortedMap<number>();
      for (let i = 0; i < 1000; i++) map.set(new Uint8Array([order(i) >> 8, order(i) & 255]), order(i));
      expect(entries(map).map(([, value]) => value)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    }
  });

  test('is empty at first and after clear', () => {
    const map = new SortedMap<number>();
    expect([map.size, map.last(), map.get(new Uint8Array([1])), map.delete(new Uint8Array([1]))]).toEqual([
      0,
      undefined,
      undefined,
      false,
    ]);
    expect(map.cursor().seek(new Uint8Array(0))).toBe(false);
    map.set(new Uint8Array(0), 1);
    expect(entries(map)).toEqual([['', 1]]);
    map.clear();
    expect([map.size, entries(map)]).toEqual([0, []]);
  });
});
