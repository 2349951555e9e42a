import type { Random } from '../../../src/base/random.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Machine } from './machine.ts';
import type { Scheduler } from './scheduler.ts';

/** Some day in 2027. */
const EPOCH_MS = 1_800_000_000_000;
/** Timers are late by up to this; so is what runs `soon`. */
const TIMER_LATE_MS = 1;
const SOON_LATE_MS = 0.05;

/** The clock of one process: its monotonic time starts with it, and its timers end with it. */
export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #machine: Machine;
  readonly #label: string;
  readonly #isAlive: () => boolean;
  readonly #startMs: number;
  /** What is to run soon runs in order. */
  #soonMs = 0;

  constructor(scheduler: Scheduler, random: Random, machine: Machine, label: string, isAlive: () => boolean) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#machine = machine;
    this.#label = label;
    this.#isAlive = isAlive;
    this.#startMs = scheduler.nowMs - random.fraction() * 1000;
  }

  wallMs(): number {
    return Math.floor(EPOCH_MS + this.#machine.nowMs + this.#machine.wallOffsetMs);
  }

  monotonicMs(): number {
    this.#machine.spend(this.#machine.lookCostMs * this.#random.fraction());
    return this.monotonicOf(this.#machine.nowMs);
  }

  /** What the monotonic time of this process is at a moment of virtual time. */
  monotonicOf(nowMs: number): number {
    return nowMs - this.#startMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const lateMs = TIMER_LATE_MS * this.#random.fraction();
    return this.#schedule(this.#machine.nowMs + delayMs + lateMs, 'timer', run);
  }

  soon(run: () => void): void {
    this.#soonMs = Math.max(this.#soonMs, this.#machine.nowMs + SOON_LATE_MS * this.#random.fraction());
    this.#schedule(this.#soonMs, 'soon', run);
  }

  #schedule(atMs: number, what: string, run: () => void): () => void {
    const inTime = (): void => {
      if (this.#isAlive()) run();
    };
    return this.#scheduler.at(atMs, `${this.#label} ${what}`, inTime, this.#machine);
  }
}
