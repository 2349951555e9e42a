/** Time as the code above sees it: the simulator brings its own. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when the machine's clock is set. */
  wallMs(): number;
  /** Milliseconds from an arbitrary start; never goes back. May have a fraction. */
  monotonicMs(): number;
  /** Calls `run` once, `delayMs` from now or later. The returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
  /** Calls `run` soon, after what is already due: how a long job lets others go first. */
  soon(run: () => void): void;
}
