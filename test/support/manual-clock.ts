import { Heap } from '../../src/base/heap.ts';
import type { Clock } from '../../src/ports/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** A clock that moves only when told to. What is due runs in the order of its time, then of its request. */
export class ManualClock implements Clock {
  nowMs = 0;
  /** Added to the time by each look at it: work that takes time. */
  costMs = 0;
  readonly #timers = new Heap<Timer>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
  #order = 0;

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    this.nowMs += this.costMs;
    return this.nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      timer.run = undefined;
    };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  /** Runs what comes due until then. */
  advance(byMs: number): void {
    const untilMs = this.nowMs + byMs;
    for (;;) {
      const next = this.#timers.peek();
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.pop();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run?.();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }
}
