/**
 * A long piece of pure work cut into steps, so that whoever runs it can let others go in between. The runner measures time;
 * the job measures its own work.
 */
export interface Job<T> {
  /** Does about `units` of work (rows visited); returns whether the job is finished. Throws what the work throws. */
  step(units: number): boolean;
  /** Only after step returned true. */
  result(): T;
  /** Frees what the job holds; called exactly once, finished or not. */
  close(): void;
}
