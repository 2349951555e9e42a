import { EMPTY, getUint64BE, putUint64BE } from '../base/bytes.ts';
import { Queue } from '../base/queue.ts';

/** A linearizable read waiting for the leader to prove that it still leads. */
export interface PendingRead {
  /** Who asked: this member or a follower. */
  readonly from: bigint;
  /** The asker's own name for the read, returned to it as it is. */
  readonly context: Uint8Array;
  /** The commit index when the read came in: what it must see. */
  readonly index: number;
}

/**
 * Confirms reads by rounds of heartbeats (dissertation §6.4). All reads that come in between two rounds share the next
 * one; its number travels in the heartbeats' context and back. Once a quorum has answered round n, the leader was still
 * the leader when round n began, so every read of round n or before may be served.
 */
export class ReadOnly {
  readonly #queue = new Queue<PendingRead & { round: number }>();
  /** The last round begun; 0 before the first. */
  #round = 0;
  /** Reads came in that no round covers yet. */
  #due = false;
  /** The highest round that each member answered. */
  readonly #answered = new Map<bigint, number>();

  get round(): number {
    return this.#round;
  }

  get size(): number {
    return this.#queue.size;
  }

  /** A new round should begin. */
  get due(): boolean {
    return this.#due;
  }

  add(read: PendingRead): void {
    this.#queue.push({ ...read, round: this.#round + 1 });
    this.#due = true;
  }

  /** Begins the next round, answered by `self`. Its heartbeats carry context(). */
  begin(self: bigint): void {
    this.#round++;
    this.#due = false;
    this.#answered.set(self, this.#round);
  }

  /** For every heartbeat while reads wait (or `always`), so that a lost one is made up for by the next. */
  context(always: boolean): Uint8Array {
    if (this.#queue.size === 0 && !always) return EMPTY;
    const context = new Uint8Array(8);
    putUint64BE(context, 0, this.#round);
    return context;
  }

  answer(id: bigint, context: Uint8Array): void {
    if (context.length !== 8) return;
    const round = getUint64BE(context, 0);
    if (round <= this.#round && round > this.answeredRound(id)) this.#answered.set(id, round);
  }

  answeredRound(id: bigint): number {
    return this.#answered.get(id) ?? 0;
  }

  /** Takes out the reads that `round` confirms. */
  take(round: number): PendingRead[] {
    const confirmed: PendingRead[] = [];
    for (let read = this.#queue.peek(); read !== undefined && read.round <= round; read = this.#queue.peek()) {
      confirmed.push(read);
      this.#queue.shift();
    }
    return confirmed;
  }

  clear(): void {
    this.#queue.clear();
    this.#answered.clear();
    this.#round = 0;
    this.#due = false;
  }
}
