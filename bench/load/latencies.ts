import { createHistogram } from 'node:perf_hooks';

const US_MAX = 600_000_000;

/** Latencies of any number of requests in bounded memory, exact to three digits. */
export class Latencies {
  readonly #histogram = createHistogram({ lowest: 1, highest: US_MAX, figures: 3 });

  get count(): number {
    return this.#histogram.count;
  }

  recordMs(ms: number): void {
    this.#histogram.record(Math.min(US_MAX, Math.max(1, Math.round(ms * 1000))));
  }

  /** In milliseconds. Throws when nothing was recorded: no measurement is not a fast one. */
  percentileMs(percent: number): number {
    this.#assertAny();
    return this.#histogram.percentile(percent) / 1000;
  }

  get maxMs(): number {
    this.#assertAny();
    return this.#histogram.max / 1000;
  }

  get meanMs(): number {
    this.#assertAny();
    return this.#histogram.mean / 1000;
  }

  #assertAny(): void {
    if (this.count === 0) throw new Error('no request was answered in the measured time');
  }
}
