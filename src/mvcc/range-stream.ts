/**
 * A range read in chunks, between which any amount of time may pass: nothing is pinned, every chunk reads at the revision of
 * the first, and fails with Compacted if that is compacted meanwhile. Etcd behaviour 2.3, RangeStream.
 */
import { assert, must } from '../base/assert.ts';
import { successor } from '../base/bytes.ts';
import type { Job } from '../ports/job.ts';
import { keyOf } from './key-value.ts';
import { RangeJob, type RangeQuery, type RangeSource } from './range.ts';

export interface RangeChunk {
  readonly kvs: Uint8Array[];
  /** Whether it is the last: only then `count` and `more` mean anything. */
  readonly last: boolean;
  /** Live keys in the whole range. */
  readonly count: number;
  readonly more: boolean;
  /** The store's current revision at the first chunk. */
  readonly revision: number;
}

/** For a query without order and filters. */
export class RangeStream {
  readonly #source: RangeSource;
  readonly #query: RangeQuery;
  #nextKey: Uint8Array;
  /** Set by the first chunk. */
  #revision: number | undefined;
  #sent = 0;
  #ended = false;

  constructor(source: RangeSource, query: RangeQuery) {
    this.#source = source;
    this.#query = query;
    this.#nextKey = query.key;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Reads up to `keysMax` more keys. One at a time, and not after the last. Its first step may throw Compacted. */
  next(keysMax: number): Job<RangeChunk> {
    assert(!this.#ended, 'range stream read on after its end');
    const { limit, countOnly, revision } = this.#query;
    const left = limit > 0 ? limit - this.#sent : Infinity;
    const query: RangeQuery = {
      ...this.#query,
      key: this.#nextKey,
      limit: countOnly ? 0 : Math.min(keysMax, left),
      revision: this.#revision === undefined || revision > 0 ? revision : this.#revision,
    };
    const isLast = countOnly || keysMax >= left;
    const job = new RangeJob(this.#source, query, { countRest: isLast });
    let chunk: RangeChunk | undefined;
    return {
      step: (units) => {
        if (chunk === undefined && job.step(units)) chunk = this.#chunk(job, isLast);
        return chunk !== undefined;
      },
      result: () => must(chunk, 'result of an unfinished chunk'),
      close: () => job.close(),
    };
  }

  #chunk(job: RangeJob, isLast: boolean): RangeChunk {
    const { kvs, count, more, revision } = job.result();
    this.#revision ??= revision;
    const last = isLast || !more;
    const total = this.#sent + count;
    this.#sent += kvs.length;
    this.#ended = last;
    const lastKv = kvs.at(-1);
    if (lastKv !== undefined) this.#nextKey = successor(keyOf(lastKv));
    return { kvs, last, count: total, more: last && more, revision: this.#revision };
  }
}
