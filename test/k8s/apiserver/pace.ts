import { setTimeout as sleep } from 'node:timers/promises';

/** Hands out permissions at a rate, evenly; those who come late find no more than a short burst saved up. */
export class Pace {
  readonly #intervalMs: number;
  #nextMs = performance.now();

  /** Infinity: as fast as it goes. */
  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  async take(): Promise<void> {
    if (this.#intervalMs === 0) return;
    const nowMs = performance.now();
    this.#nextMs = Math.max(this.#nextMs + this.#intervalMs, nowMs - BURST_MS);
    const waitMs = this.#nextMs - nowMs;
    if (waitMs > 1) await sleep(waitMs);
  }
}

const BURST_MS = 100;
