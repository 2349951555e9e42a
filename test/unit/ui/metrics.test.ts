import { describe, expect, test } from 'vitest';
import { buckets, parseMetrics, total } from '../../../src/ui/metrics-text.ts';
import { increase, quantile, rate } from '../../../src/ui/rates.ts';

describe('the text format of metrics', () => {
  test('is read: labels with escapes, exponents, infinities, time stamps', () => {
    const metrics = parseMetrics(
      [
        '# HELP a_total An example.',
        '# TYPE a_total counter',
        'a_total 3',
        'b{x="1",y="a\\"b\\\\c\\nd"} 1.5e+06',
        'b{x="2",y=""} +Inf 1700000000000',
        'c{le="+Inf"} NaN',
        '',
        'not a metric',
        'd{x="}"} -7',
      ].join('\n'),
    );
    expect(metrics.get('a_total')).toEqual([{ labels: {}, value: 3 }]);
    expect(metrics.get('b')).toEqual([
      { labels: { x: '1', y: 'a"b\\c\nd' }, value: 1_500_000 },
      { labels: { x: '2', y: '' }, value: Infinity },
    ]);
    expect(metrics.get('c')?.[0]?.value).toBeNaN();
    expect(metrics.get('d')).toEqual([{ labels: { x: '}' }, value: -7 }]);
    expect([...metrics.keys()]).toEqual(['a_total', 'b', 'c', 'd']);
  });

  test('is summed over the samples that are asked for', () => {
    const metrics = parseMetrics('a{m="Put"} 2\na{m="Range"} 3\na{m="Put"} 5');
    expect(total(metrics, 'a')).toBe(10);
    expect(total(metrics, 'a', ({ m }) => m === 'Put')).toBe(7);
    expect(total(metrics, 'a', ({ m }) => m === 'Txn')).toBeUndefined();
    expect(total(metrics, 'b')).toBeUndefined();
  });

  test('of a histogram gives its buckets, of all its samples together', () => {
    const metrics = parseMetrics(
      ['h_bucket{t="a",le="0.1"} 1', 'h_bucket{t="a",le="+Inf"} 4', 'h_bucket{t="b",le="0.1"} 2', 'h_count 7'].join(
        '\n',
      ),
    );
    expect([...buckets(metrics, 'h')]).toEqual([
      [0.1, 3],
      [Infinity, 4],
    ]);
    expect([...buckets(metrics, 'h', ({ t }) => t === 'b')]).toEqual([[0.1, 2]]);
  });
});

describe('rates', () => {
  test('are per second', () => {
    expect(rate(10, 30, 2)).toBe(10);
    expect(rate(10, 10, 2)).toBe(0);
  });

  test('begin anew where the server did', () => {
    expect(rate(1000, 8, 2)).toBe(4);
  });

  test('are unknown without two readings', () => {
    expect(rate(undefined, 30, 2)).toBeUndefined();
    expect(rate(10, undefined, 2)).toBeUndefined();
    expect(rate(10, 30, 0)).toBeUndefined();
  });
});

describe('quantiles', () => {
  const histogram = (rows: [number, number][]): Map<number, number> => new Map(rows);

  test('lie within their bucket as the rank does', () => {
    const counted = histogram([
      [0.1, 10],
      [0.2, 30],
      [Infinity, 30],
    ]);
    expect(quantile(0.5, counted)).toBeCloseTo(0.125);
    expect(quantile(1, counted)).toBeCloseTo(0.2);
    // The first bucket begins at zero.
    expect(quantile(0.1, counted)).toBeCloseTo(0.03);
  });

  test('beyond the last bound are that bound', () => {
    const counted = histogram([
      [0.1, 1],
      [0.2, 1],
      [Infinity, 10],
    ]);
    expect(quantile(0.99, counted)).toBe(0.2);
  });

  test('skip empty buckets, in whatever order they come', () => {
    const counted = histogram([
      [Infinity, 4],
      [0.4, 4],
      [0.1, 0],
      [0.2, 0],
    ]);
    expect(quantile(0.5, counted)).toBeCloseTo(0.3);
  });

  test('of nothing are unknown', () => {
    expect(quantile(0.5, histogram([]))).toBeUndefined();
    expect(quantile(0.5, histogram([[Infinity, 0]]))).toBeUndefined();
  });

  test('agree with a slow count over many values', () => {
    const bounds = Array.from({ length: 100 }, (_, i) => (i + 1) / 100);
    const values = Array.from({ length: 5000 }, (_, i) => ((i * 7919) % 5000) / 5000);
    const counted = histogram([
      ...bounds.map((bound): [number, number] => [bound, values.filter((value) => value <= bound).length]),
      [Infinity, values.length],
    ]);
    const sorted = values.toSorted((a, b) => a - b);
    for (const q of [0.01, 0.25, 0.5, 0.9, 0.99]) {
      expect(quantile(q, counted)).toBeCloseTo(sorted[Math.floor(q * values.length)] ?? 0, 2);
    }
  });

  test('between two readings count only what came in between, all of it after a restart', () => {
    const before = histogram([
      [0.1, 100],
      [Infinity, 100],
    ]);
    const now = histogram([
      [0.1, 100],
      [0.2, 120],
      [Infinity, 120],
    ]);
    expect([...increase(before, now)]).toEqual([
      [0.1, 0],
      [0.2, 120],
      [Infinity, 20],
    ]);
    const restarted = histogram([
      [0.1, 1],
      [Infinity, 3],
    ]);
    expect(increase(before, restarted)).toBe(restarted);
  });
});
