import { assert } from '../base/assert.ts';
import type { HardState } from '../gen/raftpb.ts';
import type { RaftLog } from './raft-log.ts';

interface Write {
  readonly sequence: number;
  /** The first index it writes, and with it replaces all that was behind; 0 for a hard state alone. */
  readonly firstIndex: number;
  /** Term and commit index in the hard state once it is done. */
  readonly term: number;
  readonly commit: number;
}

/**
 * What of the log, of the term and of the commit index is on stable storage, given that writes are done in order and acknowledged late.
 *
 * An entry is durable when its write was acknowledged and no write still under way replaces it. Going by acknowledged
 * (index, term) would not do: an entry can be written, be overwritten by another leader's, and be written again.
 */
export class Durability {
  readonly #log: RaftLog;
  /** In the order of their sequence. The caller bounds how many there are. */
  #underWay: Write[] = [];
  #term: number;
  #commitStarted: number;

  constructor(log: RaftLog, term: number, commit: number) {
    this.#log = log;
    this.#term = term;
    this.#commitStarted = commit;
  }

  /** The term that survives a crash. */
  get term(): number {
    return this.#term;
  }

  /** A commit index that will survive a crash once all writes under way are done. */
  get commitStarted(): number {
    return this.#commitStarted;
  }

  started(sequence: number, firstIndex: number, { term, commit }: Pick<HardState, 'term' | 'commit'>): void {
    this.#underWay.push({ sequence, firstIndex, term, commit });
    this.#commitStarted = commit;
  }

  /** Every write up to `sequence` is done. */
  acknowledged(sequence: number): void {
    for (const { term, commit } of this.#underWay.filter((write) => write.sequence <= sequence)) {
      assert(term >= this.#term, 'terms written out of order', { term, durable: this.#term });
      this.#term = term;
      this.#log.setDurableCommit(commit);
    }
    this.#underWay = this.#underWay.filter((write) => write.sequence > sequence);
    let durable = this.#log.offeredToPersist;
    for (const { firstIndex } of this.#underWay) {
      if (firstIndex > 0) durable = Math.min(durable, firstIndex - 1);
    }
    this.#log.setDurable(durable);
  }
}
