/**
 * Lets a leader tell followers of a commit with the next entries, where those come soon anyway. One put at a time, that is two
 * messages and two answers to each of them instead of four, and on a busy machine a put takes as long as its messages. Where
 * writes are further apart, followers are told at once.
 */
import type { Clock } from '../ports/clock.ts';
import type { Raft } from '../raft/raft.ts';

/** How long a commit may be kept from followers; also, how soon entries have to follow a commit to count as soon. */
const HOLD_MS = 1;
/** Of the share of commits that entries followed soon. */
const EWMA_WEIGHT = 1 / 16;
const SHARE_MIN = 0.5;

export interface CommitPaceParts {
  readonly raft: Pick<Raft, 'commitHeld' | 'tellCommit' | 'holdsCommits'>;
  readonly clock: Clock;
  /** Messages may have come to be. */
  readonly onChange: () => void;
}

export class CommitPace {
  readonly #parts: CommitPaceParts;
  /** Since when a commit was followed by no entries; undefined if entries came last. */
  #committedAtMs: number | undefined;
  #soonShare = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(parts: CommitPaceParts) {
    this.#parts = parts;
  }

  /** After each Ready of a leader. */
  note(hasEntries: boolean, hasCommitted: boolean): void {
    const { clock, raft } = this.#parts;
    if (hasEntries && this.#committedAtMs !== undefined) {
      const isSoon = clock.monotonicMs() - this.#committedAtMs <= HOLD_MS;
      this.#soonShare += ((isSoon ? 1 : 0) - this.#soonShare) * EWMA_WEIGHT;
      raft.holdsCommits = this.#soonShare >= SHARE_MIN;
      this.#committedAtMs = undefined;
    }
    if (hasCommitted) this.#committedAtMs ??= clock.monotonicMs();
    if (raft.commitHeld > 0 && this.#cancelTimer === undefined) this.#arm(raft.commitHeld);
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  #arm(commit: number): void {
    const { clock, raft, onChange } = this.#parts;
    this.#cancelTimer = clock.after(HOLD_MS, () => {
      this.#cancelTimer = undefined;
      if (raft.commitHeld === 0) return;
      // A later one is not overdue yet.
      if (raft.commitHeld > commit) return this.#arm(raft.commitHeld);
      raft.tellCommit();
      onChange();
    });
  }
}
