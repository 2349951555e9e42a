/** A set of keys as disjoint intervals: what the roles of a user permit, taken together. */
import { compareBytes } from '../base/bytes.ts';
import { compareEnd, isOpenEnd, type KeyInterval } from './key-interval.ts';
import { RangeTree } from './range-tree.ts';

export class KeyRanges {
  /** In key order; a gap between any two. */
  readonly #intervals: readonly KeyInterval[];
  /** As they were given; and for the rare questions that need it, in a tree. */
  readonly #given: readonly KeyInterval[];
  #tree: RangeTree | undefined;

  /** Overlapping and touching intervals become one; empty ones count for nothing. */
  constructor(intervals: Iterable<KeyInterval>) {
    this.#given = [...intervals];
    const sorted = this.#given
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

  /** Whether every key of the range is in the set. Of ranges that end before they begin see RangeTree. */
  covers(key: Uint8Array, rangeEnd: Uint8Array): boolean {
    if (rangeEnd.length > 0 && !isOpenEnd(rangeEnd) && compareBytes(rangeEnd, key) <= 0) {
      this.#tree ??= new RangeTree(this.#given);
      return this.#tree.covers({ begin: key, end: rangeEnd });
    }
    const interval = this.#intervalAt(key);
    if (interval === undefined) return false;
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

function laterEnd(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return undefined;
  return compareBytes(a, b) >= 0 ? a : b;
}
