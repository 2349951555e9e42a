import { SeededRandom, type Random } from '../../src/base/random.ts';
import type { Clock } from '../../src/ports/clock.ts';

/** An event loop by hand: what is deferred runs when a test says so, in order or in an order that comes from a seed. */
export class ManualLoop implements Clock {
  nowMs = 0;
  readonly #random: Random | undefined;
  readonly #tasks: (() => void)[] = [];

  /** With a seed, run() picks any task; without, the oldest. */
  constructor(seed?: number) {
    this.#random = seed === undefined ? undefined : new SeededRandom(seed);
  }

  get size(): number {
    return this.#tasks.length;
  }

  readonly defer = (run: () => void): void => {
    this.#tasks.push(run);
  };

  /** Runs one task; false when there is none. */
  run(): boolean {
    const at = this.#random === undefined ? 0 : this.#random.below(Math.max(this.#tasks.length, 1));
    const [task] = this.#tasks.splice(at, 1);
    task?.();
    return task !== undefined;
  }

  runAll(): void {
    while (this.run());
  }

  /** Forgets what waits: the process is gone. */
  clear(): void {
    this.#tasks.length = 0;
  }

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  after(_delayMs: number, run: () => void): () => void {
    this.defer(run);
    return () => {
      const at = this.#tasks.indexOf(run);
      if (at !== -1) this.#tasks.splice(at, 1);
    };
  }

  soon(run: () => void): void {
    this.defer(run);
  }
}
