/** A machine's file system with a disk that takes its time. What it forgets at a crash is MemoryFileSystem's. */
import type { Random } from '../../../src/base/random.ts';
import { MemoryFileSystem } from '../../support/memory-file-system.ts';
import type { Machine } from './machine.ts';
import type { Marks } from './marks.ts';
import type { Scheduler } from './scheduler.ts';

/** One sync in so many takes this much longer. */
const SPIKE_EVERY = 50;
const SPIKE_FACTOR = 20;
const SPIKE_MS_MAX = 50;

export class SimDisk {
  readonly files: MemoryFileSystem;
  /** How long a sync usually takes. */
  syncMs: number;
  /** Nothing ends before. */
  stuckUntilMs = 0;
  readonly #scheduler: Scheduler;
  readonly #machine: Machine;
  readonly #random: Random;
  readonly #marks: Marks;
  /** Within an operation off the caller's thread: its time has passed already. */
  #inBackground = false;

  constructor(scheduler: Scheduler, machine: Machine, random: Random, marks: Marks, seed: number, syncMs: number) {
    this.#scheduler = scheduler;
    this.#machine = machine;
    this.#random = random;
    this.#marks = marks;
    this.syncMs = syncMs;
    this.files = new MemoryFileSystem({ seed, defer: (run) => this.#defer(run) });
    this.files.faults.onSync = () => {
      if (this.#inBackground) return;
      this.#marks.hit('inlineSync');
      this.#machine.spend(this.#durationMs());
    };
  }

  /** Whether an operation on it may fail just now. */
  get faulty(): boolean {
    const { write, sync, create } = this.files.faults;
    return write !== undefined || sync !== undefined || create !== undefined;
  }

  repair(): void {
    Object.assign(this.files.faults, { write: undefined, sync: undefined, create: undefined });
  }

  #defer(run: () => void): void {
    const work = (): void => {
      this.#inBackground = true;
      try {
        run();
      } finally {
        this.#inBackground = false;
      }
    };
    this.#scheduler.at(this.#machine.nowMs + this.#durationMs(), 'disk', work, this.#machine);
  }

  #durationMs(): number {
    const spike = this.#random.below(SPIKE_EVERY) === 0 ? SPIKE_FACTOR : 1;
    const usualMs = this.syncMs * (0.5 + this.#random.fraction());
    const spikeMs = Math.min(usualMs * spike, Math.max(usualMs, SPIKE_MS_MAX));
    return Math.max(spikeMs, this.stuckUntilMs - this.#machine.nowMs);
  }
}
