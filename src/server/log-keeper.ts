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
  /** Bytes of entries in memory from which a mark is set early, and nothing is kept behind it. */
  readonly memoryBytesMax: number;
}

export interface LogKeeperParts {
  readonly raft: Raft;
  readonly log: DurableLog;
  readonly logger: Logger;
  readonly confState: () => ConfState;
  /** The log cannot be written any more. */
  readonly onLogError: (error: Error) => void;
}

export class LogKeeper {
  readonly #options: LogKeeperOptions;
  readonly #raft: Raft;
  readonly #log: DurableLog;
  readonly #logger: Logger;
  readonly #confState: () => ConfState;
  readonly #onLogError: (error: Error) => void;
  #markedIndex: number;
  #marking = false;
  #stopped = false;

  constructor(options: LogKeeperOptions, parts: LogKeeperParts, markedIndex: number) {
    this.#options = options;
    this.#raft = parts.raft;
    this.#log = parts.log;
    this.#logger = parts.logger;
    this.#confState = parts.confState;
    this.#onLogError = parts.onLogError;
    this.#markedIndex = markedIndex;
  }

  /** Before the log is closed. */
  stop(): void {
    this.#stopped = true;
  }

  /** The database holds everything up to `index`, durably. */
  flushed(index: number): void {
    const isHeavy = this.#raft.logBytes > this.#options.memoryBytesMax;
    const isDue = index - this.#markedIndex >= this.#options.snapshotCount;
    if (this.#stopped || this.#marking || index <= this.#markedIndex || !(isDue || isHeavy)) return;
    const term = this.#raft.termAt(index);
    if (term === undefined) return;
    this.#marking = true;
    this.#log.markSnapshot({ index, term, confState: this.#confState() }, (error) => {
      this.#marking = false;
      if (error !== undefined) {
        this.#onLogError(error);
        return;
      }
      this.#markedIndex = index;
      this.#log.release(index);
      const kept = isHeavy ? 0 : this.#options.catchupEntries;
      if (index - kept >= this.#raft.firstIndex) this.#raft.compactLog(index - kept);
      this.#logger.debug('marked a snapshot', { index, term });
    });
  }
}
