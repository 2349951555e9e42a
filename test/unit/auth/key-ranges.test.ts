import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { intervalOf } from '../../../src/auth/key-interval.ts';
import { RangeTree } from '../../../src/auth/range-tree.ts';
import { KeyRanges } from '../../../src/auth/key-ranges.ts';
import { compareBytes } from '../../../src/base/bytes.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const OPEN_END = '\0';

/** [key, range end], as in a permission. */
type Range = readonly [string, string];

const rangesOf = (ranges: readonly Range[]): KeyRanges =>
  new KeyRanges(ranges.map(([key, end]) => intervalOf(bytes(key), bytes(end))));

const covers = (ranges: readonly Range[], [key, end]: Range): boolean =>
  rangesOf(ranges).covers(bytes(key), bytes(end));

describe('a set of ranges', () => {
  test.each<[Range[], Range, boolean]>([
    [[], ['a', ''], false],
    [[['a', '']], ['a', ''], true],
    [[['a', '']], ['a\0', ''], false],
    [[['a', '']], ['a', 'a\0'], true],
    [[['a', '']], ['a', 'b'], false],
    [[['a', 'c']], ['a', 'c'], true],
    [[['a', 'c']], ['c', ''], false],
    [[['a', 'c']], ['a', OPEN_END], false],
    [[['a', OPEN_END]], ['b', OPEN_END], true],
    [[['b', OPEN_END]], ['a', OPEN_END], false],
    [[['a', OPEN_END]], ['\u00ff\u00ff', ''], true],
    [[['\0', OPEN_END]], ['\0', OPEN_END], true],
    // Touching, overlapping, one in the other; and a gap of one key.
    [[['a', 'b'], ['b', 'c']], ['a', 'c'], true], // prettier-ignore
    [[['a', 'd'], ['b', 'c']], ['a', 'd'], true], // prettier-ignore
    [[['a', ''], ['a\0', 'c']], ['a', 'c'], true], // prettier-ignore
    [[['a', ''], ['a\0\0', 'c']], ['a', 'c'], false], // prettier-ignore
    // Ranges that end before they begin: what etcd answers.
    [[['b', 'd']], ['c', 'a'], true],
    [[['b', 'd']], ['e', 'c'], false],
    [[['a', 'c'], ['d', ''], ['a', 'c'], ['f', OPEN_END]], ['f', 'b'], false], // prettier-ignore
    [[['a', 'c'], ['b', 'c'], ['c', 'd'], ['e', OPEN_END]], ['e', 'c'], false], // prettier-ignore
    [[], ['d', 'd'], false],
  ])('%j covers %j: %s', (ranges, asked, expected) => expect(covers(ranges, asked)).toBe(expected));

  test('keeps disjoint intervals only, in order', () => {
    const merged = rangesOf([['m', 'p'], ['a', 'c'], ['b', 'e'], ['o', OPEN_END], ['z', '']]).intervals; // prettier-ignore
    expect(merged.map(({ begin, end }) => [Buffer.from(begin).toString(), end && Buffer.from(end).toString()])).toEqual(
      [
        ['a', 'e'],
        ['m', undefined],
      ],
    );
  });
});

/** All keys of up to two letters of an alphabet of four: small enough to look at each. */
const LETTERS = ['\0', 'a', 'b', '\u00ff'];
const KEYS = [...LETTERS, ...LETTERS.flatMap((one) => LETTERS.map((two) => one + two))];

/** Key by key; and no key beyond the last one, unless the range has no end. */
function modelCovers(ranges: readonly Range[], [key, end]: Range): boolean {
  const includes = ([from, to]: Range, probe: string): boolean => {
    const below = compareBytes(bytes(from), bytes(probe)) <= 0;
    if (to === '') return from === probe;
    return below && (to === OPEN_END || compareBytes(bytes(probe), bytes(to)) < 0);
  };
  const asked = [...KEYS, BEYOND].filter((probe) => probe === key || includes([key, end], probe));
  return asked.every((probe) => ranges.some((range) => includes(range, probe)));
}
const BEYOND = '\u00ff\u00ff\u00ff\u00ff\u00ff';

describe('against a set of single keys', () => {
  const key = fc.constantFrom(...KEYS);
  const end = fc.oneof(fc.constantFrom('', OPEN_END), key);
  const range = fc.tuple(key, end);

  test('covers every key that it is asked for, and never says so otherwise', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 6 }), range, (ranges, asked) => {
        const granted = ranges.filter(([from, to]) => to === '' || to === OPEN_END || from < to);
        const found = covers(granted, asked);
        // Between two keys of the alphabet are others that only the real thing knows of.
        if (found) expect(modelCovers(granted, asked)).toBe(true);
        if (asked[1] === '') expect(found).toBe(modelCovers(granted, asked));
      }),
      { numRuns: 2000 },
    );
  });

  test('ranges that share their borders are exact', () => {
    const borders = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const border = fc.constantFrom(...borders);
    const interval = fc
      .tuple(border, fc.oneof(border, fc.constant(OPEN_END)))
      .filter(([a, b]) => b === OPEN_END || a < b);
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 6 }), interval, (ranges, [from, to]) => {
        // One probe for each piece between two borders stands for all of its keys.
        const wanted = borders.filter((probe) => probe >= from && (to === OPEN_END || probe < to));
        const model = wanted.every((probe) => ranges.some(([a, b]) => probe >= a && (b === OPEN_END || probe < b)));
        expect(covers(ranges, [from, to])).toBe(model && (to !== OPEN_END || ranges.some(([, b]) => b === OPEN_END)));
      }),
      { numRuns: 2000 },
    );
  });

  test('the tree answers the same of ranges that hold keys', () => {
    const proper = range.filter(
      ([from, to]) => to === '' || to === OPEN_END || compareBytes(bytes(from), bytes(to)) < 0,
    );
    fc.assert(
      fc.property(fc.array(proper, { maxLength: 12 }), proper, (ranges, [from, to]) => {
        const intervals = ranges.map(([begin, rangeEnd]) => intervalOf(bytes(begin), bytes(rangeEnd)));
        expect(new RangeTree(intervals).covers(intervalOf(bytes(from), bytes(to)))).toBe(covers(ranges, [from, to]));
      }),
      { numRuns: 5000 },
    );
  });
});
