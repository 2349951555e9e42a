import { describe, expect, test } from 'vitest';
import { bytes, count, duration, percent, seconds, short } from '../../../src/ui/format.ts';
import { History } from '../../../src/ui/history.ts';

describe('figures', () => {
  test.each([
    [0, '0'],
    [0.004, '0.004'],
    [0.123, '0.12'],
    [1.5, '1.5'],
    [99.97, '100'],
    [999, '999'],
    [999.7, '1k'],
    [12_345, '12.3k'],
    [4_560_000, '4.56M'],
    [2e9, '2G'],
    [undefined, '–'],
  ])('short %s', (value, text) => expect(short(value)).toBe(text));

  test.each([
    [0, '0 B'],
    [512.4, '512 B'],
    [1023.9, '1.00 KiB'],
    [1536, '1.50 KiB'],
    [20 * 1024 ** 2, '20.0 MiB'],
    [300 * 1024 ** 3, '300 GiB'],
    [5 * 1024 ** 4, '5.00 TiB'],
    [undefined, '–'],
  ])('bytes %s', (value, text) => expect(bytes(value)).toBe(text));

  test.each([
    [0, '0 ms'],
    [0.000_053, '53 µs'],
    [0.001, '1 ms'],
    [0.0105, '10.5 ms'],
    [1.25, '1.25 s'],
    [125, '2 min 5 s'],
    [undefined, '–'],
  ])('seconds %s', (value, text) => expect(seconds(value)).toBe(text));

  test.each([
    [0.5, '0 s'],
    [59, '59 s'],
    [3600, '1 h'],
    [3 * 86_400 + 4 * 3600 + 59, '3 d 4 h'],
  ])('duration %s', (value, text) => expect(duration(value)).toBe(text));

  test('counts and percentages', () => {
    expect(count(1_234_567)).toBe('1,234,567');
    expect(percent(7.26)).toBe('7.26 %');
  });
});

describe('history', () => {
  test('keeps the last rows, with gaps where a figure is missing', () => {
    const history = new History(3);
    for (let i = 1; i <= 5; i++) history.add(i, i === 4 ? { a: i } : { a: i, b: -i });
    expect(history.columns(['a', 'b'])).toEqual([
      [3, 4, 5],
      [3, 4, 5],
      [-3, null, -5],
    ]);
    expect(history.length).toBe(3);
    expect(history.latest).toEqual({ a: 5, b: -5 });
  });
});
