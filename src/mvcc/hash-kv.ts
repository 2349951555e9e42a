/** HashKV: a checksum of the history up to a revision, equal on all members, etcd's included. Etcd behaviour 2.11. */
import { assert } from '../base/assert.ts';
import { etcdError } from '../base/etcd-error.ts';
import type { Job } from '../ports/job.ts';
import type { RangeSource } from './range.ts';
import { RevisionHasher } from './revision-hasher.ts';
import type { Snapshot } from './write-buffer.ts';

/** What was hashed when a compaction ran: the history from the compaction before up to it. */
export interface CompactionHash {
  readonly hash: number;
  /** The revision up to which was hashed. */
  readonly hashRevision: number;
  /** Hashes of members compare only where these are equal; -1 before the first compaction. */
  readonly compactRevision: number;
  /**
   * Another hash that is as right: where a compaction keeps tombstones and nothing else, it hashes less than is hashed without
   * one. Members with the same data answer with either, as they have compacted at hashRevision or not.
   */
  readonly twin?: number | undefined;
}

export interface HashKv extends CompactionHash {
  /** The store's current revision at that moment. */
  readonly revision: number;
}

/** Hashes in slices; fixed by its first step, which throws Compacted or FutureRev. */
export class HashKvJob implements Job<HashKv> {
  readonly #source: RangeSource;
  readonly #askedRevision: number;
  /** The hashes made by compactions: asked for such a revision, etcd answers with them. */
  readonly #compactions: readonly CompactionHash[];
  /** Set by the first step, unless the answer was there already. */
  #walk:
    { readonly hasher: RevisionHasher; readonly snapshot: Snapshot; readonly answer: Omit<HashKv, 'hash'> } | undefined;
  #result: HashKv | undefined;

  constructor(source: RangeSource, revision: number, compactions: readonly CompactionHash[]) {
    this.#source = source;
    this.#askedRevision = revision;
    this.#compactions = compactions;
  }

  step(units: number): boolean {
    if (this.#walk === undefined && this.#result === undefined) this.#start();
    if (this.#walk === undefined) return true;
    const { hasher, snapshot, answer } = this.#walk;
    hasher.work(snapshot, units);
    if (hasher.done) this.#result = { ...answer, hash: hasher.hash, twin: hasher.twin };
    return hasher.done;
  }

  result(): HashKv {
    assert(this.#result !== undefined, 'result of an unfinished hash');
    return this.#result;
  }

  close(): void {
    this.#walk?.snapshot.release();
    this.#walk = undefined;
  }

  #start(): void {
    const { currentRev: revision, compactRev: compactRevision } = this.#source;
    const asked = this.#askedRevision;
    const made = this.#compactions.find(({ hashRevision }) => hashRevision === asked);
    if (made !== undefined) {
      this.#result = { ...made, revision };
      return;
    }
    if (asked > 0 && asked < compactRevision) throw etcdError('Compacted');
    if (asked > revision) throw etcdError('FutureRev');
    const answer = { hashRevision: asked === 0 ? revision : asked, compactRevision, revision };
    const hasher = new RevisionHasher(answer, { tombstonesAreKept: false });
    this.#walk = { hasher, snapshot: this.#source.pin(), answer };
  }
}
