import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { geometricMean, median, percentile, sorted, spread, timesBetter } from '../../../bench/statistics.ts';

describe('median', () => {
  test('is the middle of an odd number of values, and the mean of the middle two of an even one', () => {
    expect(median([3])).toBe(3);
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test('sorts by size, not as text', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  test('refuses no values, and values that are none', () => {
    expect(() => median([])).toThrow('no values');
    expect(() => median([1, Number.NaN])).toThrow('not all finite');
    expect(() => median([1, Number.POSITIVE_INFINITY])).toThrow('not all finite');
  });

  test('has as many values below as above, and does not change its input', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
        const before = [...values];
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
        expect(values).toEqual(before);
      }),
    );
  });
});

describe('percentile', () => {
  test('is the smallest value that enough values do not exceed', () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(percentile(values, 50)).toBe(50);
    expect(percentile(values, 99)).toBe(99);
    expect(percentile(values, 99.1)).toBe(100);
    expect(percentile(values, 100)).toBe(100);
    expect(percentile(values, 0)).toBe(1);
    expect(percentile([7], 99)).toBe(7);
  });

  test('agrees with counting', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer(), { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 0, max: 100 }),
        (numbers, percent) => {
          const values = sorted(numbers);
          const slow = values.find(
            (value) => values.filter((other) => other <= value).length * 100 >= percent * values.length,
          );
          expect(percentile(values, percent)).toBe(slow);
        },
      ),
    );
  });

  test('refuses no values, and percentages that are none', () => {
    expect(() => percentile([], 50)).toThrow('no values');
    expect(() => percentile([1], 101)).toThrow('101');
    expect(() => percentile([1], Number.NaN)).toThrow('NaN');
  });
});

test('spread tells median, smallest and largest', () => {
  expect(spread([30, 10, 20])).toEqual({ median: 20, min: 10, max: 30 });
});

test('timesBetter is above 1 when the own figure is the better one', () => {
  expect(timesBetter(200, 100, 'more')).toBe(2);
  expect(timesBetter(50, 100, 'more')).toBe(0.5);
  expect(timesBetter(50, 100, 'less')).toBe(2);
  expect(timesBetter(200, 100, 'less')).toBe(0.5);
});

test('geometricMean of ratios: twice better and twice worse is neither', () => {
  expect(geometricMean([2, 0.5])).toBeCloseTo(1);
  expect(geometricMean([1, 10, 100])).toBeCloseTo(10);
  expect(() => geometricMean([1, 0])).toThrow('not positive');
});
