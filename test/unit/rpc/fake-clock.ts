import type { Clock } from '../../../src/ports/clock.ts';

/** Time that stands still until told; timers run in order of their time. */
export class FakeClock implements Clock {
  #nowMs = 1000;
  #timers: { atMs: number; run: () => void }[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  get timers(): number {
    return this.#timers.length;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = endMs;
  }

  /** Time passes, but the loop was held up: timers run late, all at the end. */
  stall(ms: number): void {
    this.#nowMs += ms;
    this.advance(0);
  }
}
