import type { Scheduler } from './scheduler.ts';

/**
 * What a member runs on: one processor, and a clock that is set now and then. Work takes its time here, and whatever is due
 * on this machine meanwhile is late; other machines go on.
 */
export class Machine {
  readonly name: string;
  /** How far the wall clock is from the truth. */
  wallOffsetMs = 0;
  /** A look at the clock costs up to this: stands for the work between two looks. */
  lookCostMs: number;
  readonly #scheduler: Scheduler;
  #busyUntilMs = 0;

  constructor(scheduler: Scheduler, name: string, lookCostMs: number) {
    this.#scheduler = scheduler;
    this.name = name;
    this.lookCostMs = lookCostMs;
  }

  /** Until then nothing else is done here. */
  get busyUntilMs(): number {
    return this.#busyUntilMs;
  }

  /** Where the work at hand has come to. */
  get nowMs(): number {
    return Math.max(this.#busyUntilMs, this.#scheduler.nowMs);
  }

  spend(costMs: number): void {
    this.#busyUntilMs = this.nowMs + costMs;
  }

  /** A new process finds an idle processor. */
  reset(): void {
    this.#busyUntilMs = 0;
  }
}
