/** Proposals of this member that wait for their entry to be applied. */
import { assert } from '../base/assert.ts';
import { etcdError, type EtcdError } from '../base/etcd-error.ts';
import { Queue } from '../base/queue.ts';
import type { AnyResponse } from '../apply/applier.ts';
import type { Command } from '../apply/command.ts';

interface Waiting {
  readonly startMs: number;
  /** Decoded when the request came in; applying uses it instead of decoding the entry again. */
  readonly command: Command;
  /** What was proposed, encoded. */
  readonly data: Uint8Array;
  readonly resolve: (response: AnyResponse | undefined) => void;
  readonly reject: (error: Error) => void;
}

interface Deadline {
  readonly id: bigint;
  readonly startMs: number;
}

export class Proposals {
  readonly #waiting = new Map<bigint, Waiting>();
  /** In the order of their deadlines, because every proposal gets the same time. */
  readonly #deadlines = new Queue<Deadline>();
  #bytes = 0;
  #failures = 0;
  readonly #timeoutMs: number;
  readonly #timeoutError: (startMs: number) => EtcdError;

  /**
   * Told of every proposal that was applied, or given up on: what it was, when it was made, whether it was applied (what that
   * answered does not matter), and when that was, where it is known.
   */
  onEnded:
    ((kind: Command['kind'], startMs: number, isApplied: boolean, endMs: number | undefined) => void) | undefined;

  /** `timeoutError`: what to say of a proposal made at `startMs` whose time is up. */
  constructor(timeoutMs: number, timeoutError: (startMs: number) => EtcdError = () => etcdError('Timeout')) {
    this.#timeoutMs = timeoutMs;
    this.#timeoutError = timeoutError;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** How many deadlines are remembered: those of proposals under way, and of some that were settled. */
  get deadlines(): number {
    return this.#deadlines.size;
  }

  /** How many were not applied in time, or could not be made. */
  get failures(): number {
    return this.#failures;
  }

  /** Of what was proposed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The promise settles when the entry with this id was applied, or the time is up. */
  add(id: bigint, command: Command, nowMs: number, data: Uint8Array): Promise<AnyResponse | undefined> {
    assert(!this.#waiting.has(id), 'proposal id used twice', { id });
    this.#deadlines.push({ id, startMs: nowMs });
    this.#bytes += data.length;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { startMs: nowMs, command, data, resolve, reject });
    });
  }

  has(id: bigint): boolean {
    return this.#waiting.has(id);
  }

  /**
   * The command behind an entry that this member proposed, still waits for, and took into its own log. Told by the bytes
   * themselves: after a restart with a clock that was set back, an entry of the run before can have the same id.
   */
  commandOf(id: bigint, data: Uint8Array): Command | undefined {
    const waiting = this.#waiting.get(id);
    return waiting?.data === data ? waiting.command : undefined;
  }

  /** `nowMs`: for who has just looked at the clock. */
  settle(id: bigint, response: AnyResponse | undefined, error: EtcdError | undefined, nowMs?: number): void {
    const waiting = this.#take(id);
    if (waiting === undefined) return;
    this.onEnded?.(waiting.command.kind, waiting.startMs, true, nowMs);
    if (error === undefined) waiting.resolve(response);
    else waiting.reject(error);
  }

  fail(id: bigint, error: Error): void {
    const waiting = this.#take(id);
    if (waiting === undefined) return;
    this.#failures++;
    this.onEnded?.(waiting.command.kind, waiting.startMs, false, undefined);
    waiting.reject(error);
  }

  failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#deadlines.clear();
    this.#bytes = 0;
  }

  /**
   * Gives up on proposals whose time is up; their entries may still be applied later. Returns how many. Also forgets the
   * deadlines of those at the front that were settled: else there would be as many as come in until the first would be due.
   */
  expire(nowMs: number): number {
    let expired = 0;
    for (let next = this.#deadlines.peek(); next !== undefined; next = this.#deadlines.peek()) {
      const isWaiting = this.#waiting.has(next.id);
      if (isWaiting && next.startMs + this.#timeoutMs > nowMs) break;
      this.#deadlines.shift();
      if (!isWaiting) continue;
      expired++;
      this.fail(next.id, this.#timeoutError(next.startMs));
    }
    return expired;
  }

  #take(id: bigint): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    this.#bytes -= waiting.data.length;
    return waiting;
  }
}
