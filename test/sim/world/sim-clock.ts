import type { Random } from '../../../src/base/random.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Scheduler } from './scheduler.ts';

/** Some day in 2027. */
const EPOCH_MS = 1_800_000_000_000;
/** Timers are late by up to this; so is what runs `soon`. */
const TIMER_LATE_MS = 1;
const SOON_LATE_MS = 0.05;

/** What a machine's clock depends on; changed by faults. */
export interface TimeKeeping {
  /** How far the wall clock is from the truth. */
  wallOffsetMs: number;
  /** A look at the clock costs up to this: stands for the work between two looks. */
  lookCostMs: number;
}

/** The clock of one process: its monotonic time starts with it, and its timers end with it. */
export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #time: TimeKeeping;
  readonly #label: string;
  readonly #isAlive: () => boolean;
  readonly #startMs: number;
  /** What is to run soon runs in order. */
  #soonMs = 0;

  constructor(scheduler: Scheduler, random: Random, time: TimeKeeping, label: string, isAlive: () => boolean) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#time = time;
    this.#label = label;
    this.#isAlive = isAlive;
    this.#startMs = scheduler.nowMs - random.fraction() * 1000;
  }

  wallMs(): number {
    return Math.floor(EPOCH_MS + this.#scheduler.nowMs + this.#time.wallOffsetMs);
  }

  monotonicMs(): number {
    this.#scheduler.spend(this.#time.lookCostMs * this.#random.fraction());
    return this.#scheduler.nowMs - this.#startMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const lateMs = TIMER_LATE_MS * this.#random.fraction();
    return this.#schedule(this.#scheduler.nowMs + delayMs + lateMs, 'timer', run);
  }

  soon(run: () => void): void {
    this.#soonMs = Math.max(this.#soonMs, this.#scheduler.nowMs + SOON_LATE_MS * this.#random.fraction());
    this.#schedule(this.#soonMs, 'soon', run);
  }

  #schedule(atMs: number, what: string, run: () => void): () => void {
    return this.#scheduler.at(atMs, `${this.#label} ${what}`, () => {
      if (this.#isAlive()) run();
    });
  }
}
