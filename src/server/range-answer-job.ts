/** A range read into the message that answers it, in slices. */
import { must } from '../base/assert.ts';
import type { RangeResult } from '../mvcc/range.ts';
import type { Job } from '../ports/job.ts';
import type { AnswerJob } from './large-reads.ts';
import { AppendJob, RangeResponseBuilder } from './range-response-builder.ts';

export interface RangeAnswer {
  /** Holds the KeyValues. */
  readonly builder: RangeResponseBuilder;
  readonly revision: number;
  readonly count: number;
  readonly more: boolean;
}

export class RangeAnswerJob implements AnswerJob<RangeAnswer> {
  readonly #builder = new RangeResponseBuilder();
  readonly #range: Job<RangeResult>;
  #read: RangeResult | undefined;
  /** Those that were read in another order than that of keys, and so not into the message. */
  #append: AppendJob | undefined;

  /** `read`: begins the range, which shows its KeyValues to the builder. */
  constructor(read: (builder: RangeResponseBuilder) => Job<RangeResult>) {
    this.#range = read(this.#builder);
  }

  get heldBytes(): number {
    return this.#builder.heldBytes;
  }

  step(units: number): boolean {
    if (this.#append !== undefined) return this.#append.step(units);
    if (!this.#range.step(units)) return false;
    this.#read = this.#range.result();
    if (this.#read.kvs.length === 0) return true;
    this.#append = new AppendJob(this.#builder, this.#read.kvs);
    return false;
  }

  result(): RangeAnswer {
    const { revision, count, more } = must(this.#read, 'result of an unfinished range');
    return { builder: this.#builder, revision, count, more };
  }

  close(): void {
    this.#range.close();
  }
}
