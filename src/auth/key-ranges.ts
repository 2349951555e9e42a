/** A set of keys as disjoint intervals: what the roles of a user permit, taken together. */
import { compareBytes, successor } from '../base/bytes.ts';

/** Half open; `end` undefined: there is none. */
export interface KeyInterval {
  readonly begin: Uint8Array;
  readonly end: Uint8Array | undefined;
}

/** The interval that a key and a range end stand for (etcd-behaviour §2.2). */
export function intervalOf(key: Uint8Array, rangeEnd: Uint8Array): KeyInterval {
  if (rangeEnd.length === 0) return { begin: key, end: successor(key) };
  return { begin: key, end: isOpenEnd(rangeEnd) ? undefined : rangeEnd };
}

/** One zero byte: all keys from the first on. */
export function isOpenEnd(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

export class KeyRanges {
  /** In key order; a gap between any two. */
  readonly #intervals: readonly KeyInterval[];

  /** Overlapping and touching intervals become one; empty ones count for nothing. */
  constructor(intervals: Iterable<KeyInterval>) {
    const sorted = [...intervals]
      .filter(({ begin, end }) => compareEnd(begin, end) < 0)
      .sort((a, b) => compareBytes(a.begin, b.begin));
    const merged: KeyInterval[] = [];
    for (const interval of sorted) {
      const last = merged.at(-1);
      if (last === undefined || compareEnd(interval.begin, last.end) > 0) merged.push(interval);
      else merged[merged.length - 1] = { begin: last.begin, end: laterEnd(last.end, interval.end) };
    }
    this.#intervals = merged;
  }

  get intervals(): readonly KeyInterval[] {
    return this.#intervals;
  }

  /** Whether every key of the range is in the set. Of a range that ends before it begins, its first key counts, as in etcd. */
  covers(key: Uint8Array, rangeEnd: Uint8Array): boolean {
    const interval = this.#intervalAt(key);
    if (interval === undefined) return false;
    // The key alone is inside; and so is a range that ends before it.
    if (rangeEnd.length === 0) return true;
    if (isOpenEnd(rangeEnd)) return interval.end === undefined;
    return compareEnd(rangeEnd, interval.end) <= 0;
  }

  /** The interval that `key` is in. */
  #intervalAt(key: Uint8Array): KeyInterval | undefined {
    let low = 0;
    let high = this.#intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { begin } = this.#intervals[middle] as KeyInterval;
      if (compareBytes(begin, key) <= 0) low = middle + 1;
      else high = middle;
    }
    const interval = this.#intervals[low - 1];
    return interval !== undefined && compareEnd(key, interval.end) < 0 ? interval : undefined;
  }
}

/** As compareBytes, against an end that may be none. */
function compareEnd(key: Uint8Array, end: Uint8Array | undefined): number {
  return end === undefined ? -1 : compareBytes(key, end);
}

function laterEnd(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return undefined;
  return compareBytes(a, b) >= 0 ? a : b;
}
