/** The comparisons that guard a txn. */
import { compareBytes } from '../base/bytes.ts';
import { decodeKeyValue } from '../gen/mvccpb.ts';
import { CompareResult, CompareTarget, type Compare, type RangeRequest } from '../gen/rpc.ts';
import type { Borrower } from '../mvcc/backend.ts';
import type { KeyVersion } from '../mvcc/key-index.ts';
import { rangeOf } from './range-of.ts';

/** Reads the state as it was before the txn. */
export interface CompareReader {
  range(query: RangeRequest): { readonly kvs: readonly Uint8Array[] };
  /** Everything but the value of a live key. Counts as a range. */
  versionOf(key: Uint8Array): KeyVersion | undefined;
}

/** What a comparison looks at: one key's version, revisions, lease and value. */
interface Subject {
  readonly version: number;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly lease: bigint;
  readonly value: Uint8Array;
}

const ABSENT: Subject = { version: 0, createRevision: 0, modRevision: 0, lease: 0n, value: new Uint8Array(0) };

/** All comparisons hold; an empty list does. */
export function allHold(compares: readonly Compare[], reader: CompareReader): boolean {
  return compares.every((compare) => holds(compare, reader));
}

/** Every key in the range must satisfy it. */
function holds(compare: Compare, reader: CompareReader): boolean {
  if (compare.rangeEnd.length === 0 && compare.target !== CompareTarget.VALUE) {
    const found = reader.versionOf(compare.key);
    return subjectHolds(compare, found === undefined ? ABSENT : subjectOf(found));
  }
  const { kvs } = reader.range(rangeOf(compare.key, compare.rangeEnd));
  const comparison = new RangeComparison(compare);
  for (const kv of kvs) comparison.take(kv, 0, kv.length);
  return comparison.holds;
}

/** A comparison that is shown the keys of its range, one by one. */
export class RangeComparison implements Borrower {
  readonly #compare: Compare;
  #keys = 0;
  #allHold = true;

  constructor(compare: Compare) {
    this.#compare = compare;
  }

  /** An encoded KeyValue. */
  take(bytes: Uint8Array, start: number, end: number): void {
    this.#keys++;
    this.#allHold &&= subjectHolds(this.#compare, decodeKeyValue(bytes.subarray(start, end)));
  }

  /** After the last key. No key at all compares as zeroes, and never satisfies a comparison of values. */
  get holds(): boolean {
    if (this.#keys > 0) return this.#allHold;
    return this.#compare.target !== CompareTarget.VALUE && subjectHolds(this.#compare, ABSENT);
  }
}

/** The value is not looked at. */
function subjectOf({ version, createRevision, main, lease }: KeyVersion): Subject {
  return { version, createRevision, modRevision: main, lease, value: ABSENT.value };
}

/** A target outside of the enum compares as equal; a result outside of it always holds. */
function subjectHolds(compare: Compare, subject: Subject): boolean {
  const order = targetOrder(compare, subject);
  switch (compare.result) {
    case CompareResult.EQUAL:
      return order === 0;
    case CompareResult.NOT_EQUAL:
      return order !== 0;
    case CompareResult.GREATER:
      return order > 0;
    case CompareResult.LESS:
      return order < 0;
    default:
      return true;
  }
}

/** Negative, zero or positive as the subject is below, at or above the operand; an operand not given is zero or empty. */
function targetOrder(compare: Compare, subject: Subject): number {
  switch (compare.target) {
    case CompareTarget.VERSION:
      return subject.version - (compare.version ?? 0);
    case CompareTarget.CREATE:
      return subject.createRevision - (compare.createRevision ?? 0);
    case CompareTarget.MOD:
      return subject.modRevision - (compare.modRevision ?? 0);
    case CompareTarget.VALUE:
      return compareBytes(subject.value, compare.value ?? ABSENT.value);
    case CompareTarget.LEASE: {
      const operand = compare.lease ?? 0n;
      return subject.lease < operand ? -1 : subject.lease > operand ? 1 : 0;
    }
    default:
      return 0;
  }
}
