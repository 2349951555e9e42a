/** Metric instruments whose hot path is an addition to a field; text is made only when somebody asks. */

import type { Counter, Gauge, Histogram } from '../ports/metrics.ts';

export class CounterCell implements Counter {
  value = 0;
  #collect: (() => number) | undefined;

  inc(by = 1): void {
    this.value += by;
  }

  /** From now on the value is what `read` returns at each scrape; it must never fall. */
  collect(read: () => number): void {
    this.#collect = read;
  }

  read(): number {
    return this.#collect === undefined ? this.value : this.#collect();
  }
}

export class GaugeCell implements Gauge {
  value = 0;
  #collect: (() => number) | undefined;

  set(value: number): void {
    this.value = value;
  }

  /** `by` may be negative. */
  add(by: number): void {
    this.value += by;
  }

  /** From now on the value is what `read` returns at each scrape. */
  collect(read: () => number): void {
    this.#collect = read;
  }

  read(): number {
    return this.#collect === undefined ? this.value : this.#collect();
  }
}

export class HistogramCell implements Histogram {
  /** Upper bounds, ascending, without +Inf. */
  readonly bounds: Float64Array;
  /** Observations per bucket, not cumulative; one more than bounds, for +Inf. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: Float64Array) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let i = 0;
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    this.counts[i] = (this.counts[i] as number) + 1;
    this.sum += value;
  }
}

/** `count` bounds, each `factor` times the one before. */
export function exponentialBuckets(start: number, factor: number, count: number): Float64Array {
  const bounds = new Float64Array(count);
  let bound = start;
  for (let i = 0; i < count; i++) {
    bounds[i] = bound;
    bound *= factor;
  }
  return bounds;
}
