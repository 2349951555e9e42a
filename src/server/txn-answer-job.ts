/** A read-only txn: its comparisons and ranges, one after the other, in slices, all of the state at its first step. */
import { readQueries } from '../apply/kv.ts';
import { RangeComparison } from '../apply/compare.ts';
import { rangeOf } from '../apply/range-of.ts';
import { must } from '../base/assert.ts';
import { putFieldPrefix } from '../base/wire.ts';
import { encodeTxnResponse, type RangeRequest, type ResponseHeaderInit, type TxnRequest } from '../gen/rpc.ts';
import { PinnedSource } from '../mvcc/pinned-source.ts';
import { RangeJob } from '../mvcc/range.ts';
import type { MvccStore } from '../mvcc/store.ts';
import type { AnswerJob } from './large-reads.ts';
import { RangeAnswerJob } from './range-answer-job.ts';

export interface TxnAnswer {
  readonly succeeded: boolean;
  /** Of each operation's answer, in order: an encoded RangeResponse in pieces. */
  readonly ranges: readonly (readonly Uint8Array[])[];
  readonly revision: number;
}

export class TxnAnswerJob implements AnswerJob<TxnAnswer> {
  readonly #store: MvccStore;
  readonly #request: TxnRequest;
  #source: PinnedSource | undefined;
  /** The comparison under way, the one at #compared. */
  #comparison: { readonly comparison: RangeComparison; readonly job: RangeJob } | undefined;
  #compared = 0;
  /** Of the branch that was taken; undefined while comparing. */
  #branch: { readonly succeeded: boolean; readonly queries: readonly RangeRequest[] } | undefined;
  /** The range under way, the one after those in #answers. */
  #range: RangeAnswerJob | undefined;
  readonly #answers: (readonly Uint8Array[])[] = [];
  #answeredBytes = 0;

  constructor(store: MvccStore, request: TxnRequest) {
    this.#store = store;
    this.#request = request;
  }

  get heldBytes(): number {
    return this.#answeredBytes + (this.#range?.heldBytes ?? 0);
  }

  /** At most one comparison or range per step. */
  step(units: number): boolean {
    const source = (this.#source ??= new PinnedSource(this.#store));
    if (this.#branch === undefined) this.#compare(source, units);
    else this.#read(source, this.#branch.queries, units);
    if (this.#branch === undefined || this.#answers.length < this.#branch.queries.length) return false;
    this.#store.totals.addReads(this.#compared + this.#answers.length);
    return true;
  }

  result(): TxnAnswer {
    const { succeeded } = must(this.#branch, 'result of an unfinished txn');
    const { currentRev } = must(this.#source, 'state that a txn has read');
    return { succeeded, ranges: this.#answers, revision: currentRev };
  }

  close(): void {
    this.#comparison?.job.close();
    this.#range?.close();
    this.#source?.close();
  }

  /** The first that does not hold decides. */
  #compare(source: PinnedSource, units: number): void {
    const compare = this.#request.compare[this.#compared];
    if (compare === undefined) return this.#choose(source, true);
    if (this.#comparison === undefined) {
      const comparison = new RangeComparison(compare);
      const job = new RangeJob(source, rangeOf(compare.key, compare.rangeEnd), { borrower: comparison });
      this.#comparison = { comparison, job };
    }
    const { comparison, job } = this.#comparison;
    if (!job.step(units)) return;
    job.close();
    this.#comparison = undefined;
    this.#compared++;
    if (!comparison.holds) this.#choose(source, false);
  }

  #choose(source: PinnedSource, succeeded: boolean): void {
    this.#branch = { succeeded, queries: readQueries(source, this.#request, succeeded) };
  }

  #read(source: PinnedSource, queries: readonly RangeRequest[], units: number): void {
    const query = must(queries[this.#answers.length], 'a range that is not answered');
    this.#range ??= new RangeAnswerJob((borrower) => new RangeJob(source, query, { borrower }));
    if (!this.#range.step(units)) return;
    const { builder, count, more } = this.#range.result();
    this.#answeredBytes += builder.heldBytes;
    this.#answers.push(builder.finish({ revision: source.currentRev }, count, more));
    this.#range.close();
    this.#range = undefined;
  }
}

/** Tags of TxnResponse.responses and ResponseOp.response_range; each is followed by at most 5 bytes of length. */
const RESPONSES_TAG = 0x1a;
const RESPONSE_RANGE_TAG = 0x0a;
const PREFIX_BYTES_MAX = 12;

/** A TxnResponse in pieces, end to end. */
export function encodeTxnAnswer({ succeeded, ranges }: TxnAnswer, header: ResponseHeaderInit): Uint8Array[] {
  const pieces = [encodeTxnResponse({ header, succeeded })];
  for (const range of ranges) {
    pieces.push(beforeRange(range.reduce((sum, piece) => sum + piece.length, 0)));
    for (const piece of range) pieces.push(piece);
  }
  return pieces;
}

/** A ResponseOp up to the bytes of its RangeResponse. */
function beforeRange(rangeBytes: number): Uint8Array {
  const out = new Uint8Array(PREFIX_BYTES_MAX);
  const inner = new Uint8Array(PREFIX_BYTES_MAX);
  const innerBytes = putFieldPrefix(inner, 0, RESPONSE_RANGE_TAG, rangeBytes);
  const used = putFieldPrefix(out, 0, RESPONSES_TAG, innerBytes + rangeBytes);
  out.set(inner.subarray(0, innerBytes), used);
  return out.subarray(0, used + innerBytes);
}
