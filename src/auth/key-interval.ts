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

/** As compareBytes, against an end that may be none. */
export function compareEnd(key: Uint8Array, end: Uint8Array | undefined): number {
  return end === undefined ? -1 : compareBytes(key, end);
}

export function intervalHolds({ begin, end }: KeyInterval, key: Uint8Array): boolean {
  return compareBytes(key, begin) >= 0 && compareEnd(key, end) < 0;
}
