/** Times reads: from when the request came in, and the reading alone, which begins when the state is recent enough. */
import type { Clock } from '../ports/clock.ts';

export type ReadKind = 'Range' | 'ReadonlyTxn';

export interface ReadDurations {
  request(kind: ReadKind, seconds: number, isAnswered: boolean): void;
  reading(kind: ReadKind, seconds: number, isAnswered: boolean): void;
}

export class MeasuredReads {
  readonly #clock: Clock;
  readonly #durations: ReadDurations | undefined;

  constructor(clock: Clock, durations: ReadDurations | undefined) {
    this.#clock = clock;
    this.#durations = durations;
  }

  /** For reads that take some microseconds: looking at the clock would be a tenth of that. They are counted as taking no time. */
  atOnce<T>(kind: ReadKind, read: () => T): T {
    let isAnswered = false;
    try {
      const answer = read();
      isAnswered = true;
      return answer;
    } finally {
      this.#durations?.request(kind, 0, isAnswered);
      this.#durations?.reading(kind, 0, isAnswered);
    }
  }

  /** Reads once `recent` (undefined: already); answers at once where that is possible. */
  run<T>(kind: ReadKind, recent: Promise<void> | undefined, read: () => T | Promise<T>): T | Promise<T> {
    const startMs = this.#clock.monotonicMs();
    if (recent === undefined) return this.#read(kind, startMs, startMs, read);
    return recent.then(
      () => this.#read(kind, startMs, this.#clock.monotonicMs(), read),
      (error: unknown) => {
        this.#durations?.request(kind, (this.#clock.monotonicMs() - startMs) / 1000, false);
        throw error;
      },
    );
  }

  #read<T>(kind: ReadKind, startMs: number, readMs: number, read: () => T | Promise<T>): T | Promise<T> {
    let answer: T | Promise<T>;
    try {
      answer = read();
    } catch (error) {
      this.#ended(kind, startMs, readMs, false);
      throw error;
    }
    if (answer instanceof Promise) return this.#later(answer, kind, startMs, readMs);
    this.#ended(kind, startMs, readMs, true);
    return answer;
  }

  async #later<T>(answer: Promise<T>, kind: ReadKind, startMs: number, readMs: number): Promise<T> {
    let isAnswered = false;
    try {
      const value = await answer;
      isAnswered = true;
      return value;
    } finally {
      this.#ended(kind, startMs, readMs, isAnswered);
    }
  }

  #ended(kind: ReadKind, startMs: number, readMs: number, isAnswered: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    this.#durations?.request(kind, (nowMs - startMs) / 1000, isAnswered);
    this.#durations?.reading(kind, (nowMs - readMs) / 1000, isAnswered);
  }
}
