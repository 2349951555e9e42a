/** From counters that are read now and then to what happened in between. */
import type { Buckets } from './metrics-text.ts';

/** Per second; undefined where one of the two is not known. A counter that went back has started anew from zero. */
export function rate(before: number | undefined, now: number | undefined, seconds: number): number | undefined {
  if (before === undefined || now === undefined || seconds <= 0) return undefined;
  return (now >= before ? now - before : now) / seconds;
}

/** What was counted between two readings of a histogram. */
export function increase(before: Buckets, now: Buckets): Buckets {
  const isNew = Array.from(now).some(([bound, count]) => count < (before.get(bound) ?? 0));
  if (isNew) return now;
  return new Map(Array.from(now, ([bound, count]) => [bound, count - (before.get(bound) ?? 0)]));
}

/**
 * The quantile `q` (0 to 1) as Prometheus estimates it: values are taken to be spread evenly within their bucket, from 0 in the
 * first. In the last, which has no upper bound, it is the highest bound below. Undefined when nothing was counted.
 */
export function quantile(q: number, counted: Buckets): number | undefined {
  const rows = Array.from(counted).sort(([a], [b]) => a - b);
  const all = rows.at(-1)?.[1] ?? 0;
  if (all <= 0) return undefined;
  const rank = q * all;
  let lower = 0;
  let below = 0;
  for (const [bound, count] of rows) {
    if (count >= rank && count > below) {
      if (bound === Infinity) return lower;
      return lower + (bound - lower) * ((rank - below) / (count - below));
    }
    if (bound !== Infinity) lower = bound;
    below = Math.max(below, count);
  }
  return lower;
}
