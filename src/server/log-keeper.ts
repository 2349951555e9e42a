/** Keeps the log short: marks snapshots and lets go of what the database holds durably. */
import type { ConfState } from '../gen/raftpb.ts';
import type { Logger } from '../ports/logger.ts';
import type { Raft } from '../raft/raft.ts';
import type { DurableLog } from './durable-log.ts';

export interface LogKeeperOptions {
  /** Applied entries between two marks (snapshot-count). */
  readonly snapshotCount: number;
  /** Entries that stay in memory behind a mark, for followers that are a little behind. */
  readonly catchupEntries: number;
  /**
   * Bytes of entries in memory from which a mark is set early, and less is kept behind it. Up to there the leader keeps what
   * its slowest follower lacks.
   */
  readonly memoryBytesMax: number;
}

export interface LogKeeperParts {
  readonly raft: Raft;
  readonly log: DurableLog;
  readonly logger: Logger;
  /** The log cannot be written any more. */
  readonly onLogError: (error: Error) => void;
}

export class LogKeeper {
  readonly #options: LogKeeperOptions;
  readonly #raft: Raft;
  readonly #log: DurableLog;
  readonly #logger: Logger;
  readonly #onLogError: (error: Error) => void;
  #markedIndex: number;
  /** Everything up to here is forgotten at the next mark, whoever may lack it. */
  #unwantedIndex = 0;
  #marking = false;
  #stopped = false;

  constructor(options: LogKeeperOptions, parts: LogKeeperParts, markedIndex: number) {
    this.#options = options;
    this.#raft = parts.raft;
    this.#log = parts.log;
    this.#logger = parts.logger;
    this.#onLogError = parts.onLogError;
    this.#markedIndex = markedIndex;
  }

  /** Before the log is closed. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Nobody is to get what is committed by now as entries: who lacks them gets a snapshot. An etcd 3.5 that joins after a
   * downgrade ends itself when it comes upon the entry that had once made the cluster's version 3.6.
   */
  forgetCommitted(): void {
    this.#unwantedIndex = this.#raft.committed;
  }

  /** The database holds everything up to `index`, durably; `confState`: the members there. */
  flushed(index: number, confState: ConfState): void {
    const isHeavy = this.#raft.logBytes > this.#options.memoryBytesMax;
    const isUnwanted = this.#unwantedIndex > this.#markedIndex && index >= this.#unwantedIndex;
    const isDue = isUnwanted || index - this.#markedIndex >= this.#options.snapshotCount;
    if (this.#stopped || this.#marking || index <= this.#markedIndex || !(isDue || isHeavy)) return;
    const term = this.#raft.termAt(index);
    if (term === undefined) return;
    this.#marking = true;
    this.#log.markSnapshot({ index, term, confState }, (error) => {
      this.#marking = false;
      if (error !== undefined) {
        this.#onLogError(error);
        return;
      }
      this.#markedIndex = index;
      const through = Math.max(this.#compactable(index, isHeavy), isUnwanted ? this.#unwantedIndex : 0);
      this.#log.release(through);
      if (through >= this.#raft.firstIndex) this.#raft.compactLog(through);
      this.#logger.debug('marked a snapshot', { index, term });
    });
  }

  /** Up to where the log in memory can be forgotten once `index` is marked. */
  #compactable(index: number, isHeavy: boolean): number {
    const slowest = this.#slowestFollower(index);
    if (!isHeavy) return Math.max(0, Math.min(index - this.#options.catchupEntries, slowest));
    // A follower that lacks more than half of so much is given up on; half of it makes room for some time.
    const half = Math.floor((this.#raft.firstIndex + index) / 2);
    return slowest < index ? Math.max(slowest, half) : index;
  }

  /** What every follower has, as far as the leader knows; on other members, which serve nobody, `index`. */
  #slowestFollower(index: number): number {
    let slowest = index;
    for (const { match } of this.#raft.status().progress.values()) slowest = Math.min(slowest, match);
    return slowest;
  }
}
