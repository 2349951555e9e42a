import type { Inflights } from './inflights.ts';
import type { ProgressState } from './types.ts';

/**
 * The leader's view of one member's log.
 *
 * probe: the follower's log is unknown; one MsgApp at a time, until it answers.
 * replicate: the follower accepts; MsgApps are pipelined and `next` runs ahead of the answers.
 * snapshot: the follower needs what the log no longer has; nothing is sent until the snapshot is in.
 *
 * Invariant: 0 <= match < next.
 */
export class Progress {
  /** The highest index known to be durable in the member's log. Never falls within a term. */
  match = 0;
  /** The first index of the next MsgApp. */
  next: number;
  state: ProgressState = 'probe';
  /** In state snapshot: the index it stands for. */
  pendingSnapshot = 0;
  /** Whether the member was heard from since the last quorum check. */
  recentActive = false;
  /** In probe: a MsgApp is out. In replicate: the window was full. An answer or a heartbeat answer lifts it. */
  flowPaused = false;
  /** The highest commit index sent in a MsgApp that the member can act on. */
  sentCommit = 0;
  /** The last entry that this member forwarded: it answers its client when it has applied that. */
  awaited = 0;
  /** Of a leader that hands over because it is no voter any more: the first heartbeat round that told all of the commit. */
  commitRound = 0;
  readonly inflights: Inflights;

  constructor(next: number, inflights: Inflights) {
    this.next = next;
    this.inflights = inflights;
  }

  get paused(): boolean {
    return this.state === 'snapshot' || this.flowPaused;
  }

  /** At the start of a term: nothing is known, except that the logs probably agree up to the last entry. */
  reset(lastIndex: number): void {
    this.#enter('probe');
    this.match = 0;
    this.next = lastIndex + 1;
    this.recentActive = false;
    this.sentCommit = 0;
    this.awaited = 0;
    this.commitRound = 0;
  }

  /** From state snapshot, probing goes on after the snapshot, which may have arrived without its answer. */
  becomeProbe(): void {
    const from = this.state === 'snapshot' ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.#enter('probe');
    this.next = from + 1;
    this.#capSentCommit();
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** Notes a MsgApp of `entryCount` entries from `next` on that carried the commit index `commit`. */
  sent(entryCount: number, bytes: number, commit: number): void {
    if (this.state === 'replicate') {
      if (entryCount > 0) {
        this.next += entryCount;
        this.inflights.add(this.next - 1, bytes);
      }
      this.flowPaused = this.inflights.full;
    } else {
      // An empty probe needs no pause: it is only sent in answer to a heartbeat, which paces it already.
      if (entryCount > 0) this.flowPaused = true;
    }
    this.sentCommit = commit;
  }

  /** Whether an empty MsgApp would let the member commit more than it was told of. */
  canLearnCommit(committed: number): boolean {
    return committed > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** Whether a client of the member waits for the news that the member was not told. */
  get awaitsCommit(): boolean {
    return this.sentCommit < this.awaited;
  }

  /** The member holds everything up to `index`. False if that was known. */
  update(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    if (this.next <= index) this.next = index + 1;
    this.flowPaused = false;
    return true;
  }

  /**
   * The member refused a MsgApp whose previous entry was `rejected`; `hint` is the highest index that may match. Steps
   * `next` back; false if the answer is stale.
   */
  stepBack(rejected: number, hint: number): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      // A probe waits for one answer: any other index is from an earlier exchange.
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.flowPaused = false;
    }
    this.#capSentCommit();
    return true;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.inflights.clear();
  }

  #capSentCommit(): void {
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }
}
