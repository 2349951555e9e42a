/** Proposals of this member that wait for their entry to be applied. */
import { assert } from '../base/assert.ts';
import { etcdError, type EtcdError } from '../base/etcd-error.ts';
import { Queue } from '../base/queue.ts';
import type { AnyResponse } from '../apply/applier.ts';
import type { Command } from '../apply/command.ts';

interface Waiting {
  /** Decoded when the request came in; applying uses it instead of decoding the entry again. */
  readonly command: Command;
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
  readonly #timeoutMs: number;
  readonly #timeoutError: (startMs: number) => EtcdError;

  /** `timeoutError`: what to say of a proposal made at `startMs` whose time is up. */
  constructor(timeoutMs: number, timeoutError: (startMs: number) => EtcdError = () => etcdError('Timeout')) {
    this.#timeoutMs = timeoutMs;
    this.#timeoutError = timeoutError;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** The promise settles when the entry with this id was applied, or the time is up. */
  add(id: bigint, command: Command, nowMs: number): Promise<AnyResponse | undefined> {
    assert(!this.#waiting.has(id), 'proposal id used twice', { id });
    this.#deadlines.push({ id, startMs: nowMs });
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { command, resolve, reject });
    });
  }

  has(id: bigint): boolean {
    return this.#waiting.has(id);
  }

  /** The command behind an entry that this member proposed and still waits for. */
  commandOf(id: bigint): Command | undefined {
    return this.#waiting.get(id)?.command;
  }

  settle(id: bigint, response: AnyResponse | undefined, error: EtcdError | undefined): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(response);
    else waiting.reject(error);
  }

  fail(id: bigint, error: Error): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.reject(error);
  }

  failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#deadlines.clear();
  }

  /** Gives up on proposals whose time is up; their entries may still be applied later. Returns how many. */
  expire(nowMs: number): number {
    let expired = 0;
    for (;;) {
      const next = this.#deadlines.peek();
      if (next === undefined || next.startMs + this.#timeoutMs > nowMs) return expired;
      this.#deadlines.shift();
      if (!this.#waiting.has(next.id)) continue;
      expired++;
      this.fail(next.id, this.#timeoutError(next.startMs));
    }
  }
}
