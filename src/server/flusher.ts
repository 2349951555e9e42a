/**
 * Moves what was applied from the write buffer to the backend: once a second (ADR 5), or earlier when much has gathered. The
 * applied index goes into the same commit, so that a restart knows from where to replay the log.
 */
import { assert } from '../base/assert.ts';
import type { Backend } from '../mvcc/backend.ts';
import type { WriteBuffer } from '../mvcc/write-buffer.ts';
import type { Clock } from '../ports/clock.ts';
import type { Histogram } from '../ports/metrics.ts';

/** Between two looks whether the disk has room again. */
const ROOM_LOOK_MS = 500;

export interface FlusherOptions {
  readonly intervalMs: number;
  /** Pending bytes from which a flush does not wait for the interval. */
  readonly flushBytes: number;
  /** Pending bytes from which applying has to wait until a flush has ended: what bounds the buffer. */
  readonly pendingBytesMax: number;
}

export interface FlusherParts {
  readonly backend: Backend;
  readonly buffer: WriteBuffer;
  readonly clock: Clock;
  /** Writes the rows that must match what is flushed (applied index, term, conf state) into the buffer. */
  readonly stamp: () => { readonly appliedIndex: number };
  /** After each flush: everything up to this index is in the backend, durably. */
  readonly onFlushed: (appliedIndex: number) => void;
  /** The backend failed; nothing can be stored any more. */
  readonly onError: (error: Error) => void;
  readonly metrics: CommitMetrics;
  /** Whether a commit fits on the disk: if not, it waits. */
  readonly hasRoom?: (() => boolean) | undefined;
}

/** Seconds of each commit: the whole, and etcd's parts of it. LMDB writes; it has nothing to rebalance or spill first. */
export interface CommitMetrics {
  readonly backendCommitDuration: Histogram;
  readonly backendCommitWriteDuration: Histogram;
  readonly backendCommitRebalanceDuration: Histogram;
  readonly backendCommitSpillDuration: Histogram;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #parts: FlusherParts;
  readonly #waiting: (() => void)[] = [];
  #flushing = false;
  /** Defragmentation: commits wait until it is over. */
  #held = false;
  /** Waits to hold commits back, until the one under way has ended. */
  #holder: (() => void) | undefined;
  #again = false;
  #failed = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: FlusherOptions, parts: FlusherParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Whether applying has to pause; `resume` of onRoom tells when it may go on. */
  get isFull(): boolean {
    return this.#parts.buffer.bytes >= this.#options.pendingBytesMax;
  }

  /** After something was applied. */
  noteApplied(): void {
    if (this.#parts.buffer.bytes >= this.#options.flushBytes) this.#start();
    else this.#arm();
  }

  /** Calls `done` once everything applied so far is in the backend. */
  flush(done: () => void): void {
    this.#waiting.push(done);
    if (this.#flushing || this.#held) this.#again = true;
    else this.#start();
  }

  /** Keeps commits back until release; calls `ready` when none is under way. */
  hold(ready: () => void): void {
    assert(!this.#held && this.#holder === undefined, 'flusher held twice');
    if (this.#flushing) this.#holder = ready;
    else this.#beginHold(ready);
  }

  #beginHold(ready: () => void): void {
    this.#held = true;
    ready();
  }

  release(): void {
    assert(this.#held, 'flusher not held');
    this.#held = false;
    if (this.#again || this.#waiting.length > 0) this.#start();
    else this.#arm();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#failed = true;
  }

  #observe(seconds: number): void {
    const { metrics } = this.#parts;
    metrics.backendCommitDuration.observe(seconds);
    metrics.backendCommitWriteDuration.observe(seconds);
    metrics.backendCommitRebalanceDuration.observe(0);
    metrics.backendCommitSpillDuration.observe(0);
  }

  /** What waits for a flush goes on waiting. */
  #waitForRoom(): void {
    this.#cancelTimer ??= this.#parts.clock.after(ROOM_LOOK_MS, () => {
      this.#cancelTimer = undefined;
      this.#start();
    });
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined || this.#flushing || this.#held || this.#failed) return;
    this.#cancelTimer = this.#parts.clock.after(this.#options.intervalMs, () => {
      this.#cancelTimer = undefined;
      this.#start();
    });
  }

  #start(): void {
    if (this.#flushing || this.#held || this.#failed) {
      this.#again = true;
      return;
    }
    if (this.#parts.hasRoom?.() === false) {
      this.#waitForRoom();
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#again = false;
    const { appliedIndex } = this.#parts.stamp();
    const waiting = this.#waiting.splice(0);
    const batch = this.#parts.buffer.beginFlush();
    if (batch === undefined) {
      for (const done of waiting) done();
      return;
    }
    this.#flushing = true;
    const startMs = this.#parts.clock.monotonicMs();
    this.#parts.backend.commit(batch, (error) => {
      this.#flushing = false;
      if (error !== undefined) {
        this.#failed = true;
        this.#parts.onError(error);
        return;
      }
      this.#observe((this.#parts.clock.monotonicMs() - startMs) / 1000);
      this.#parts.buffer.endFlush();
      this.#parts.onFlushed(appliedIndex);
      for (const done of waiting) done();
      const holder = this.#holder;
      this.#holder = undefined;
      if (holder !== undefined) this.#beginHold(holder);
      if (this.#again) this.#start();
      else if (this.#parts.buffer.bytes > 0) this.#arm();
    });
  }
}
