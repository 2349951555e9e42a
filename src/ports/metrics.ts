/** Metric instruments as the code uses them; the names and the text format belong to src/observability. */

export interface Counter {
  inc(by?: number): void;
}

export interface Gauge {
  set(value: number): void;
}

export interface Histogram {
  /** `value` in the metric's unit (seconds, unless its name says otherwise). */
  observe(value: number): void;
}
