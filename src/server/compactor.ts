/** Deletes what compactions made unreachable, in slices, one compaction at a time. */
import type { Job } from '../ports/job.ts';
import type { Logger } from '../ports/logger.ts';
import type { Flusher } from './flusher.ts';
import type { JobRunner } from './job-runner.ts';

export interface CompactorParts {
  readonly jobs: JobRunner;
  readonly logger: Logger;
  /** The work that the newest accepted compaction leaves; undefined when there is none. */
  readonly nextJob: () => Job<unknown> | undefined;
  /** What the compaction deletes gathers in the write buffer, which this empties. */
  readonly flusher: Flusher;
  readonly monotonicMs: () => number;
}

export class Compactor {
  readonly #parts: CompactorParts;
  #waiting: (() => void)[] = [];
  #running = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** After a compaction was accepted, and at the start, when one may be unfinished. */
  kick(): void {
    if (this.#running) return;
    const job = this.#parts.nextJob();
    if (job === undefined) {
      this.#settle();
      return;
    }
    this.#running = true;
    void this.#run(job);
  }

  /** Resolves when no compaction is unfinished and that is on disk. */
  whenDone(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.kick();
    });
  }

  async #run(job: Job<unknown>): Promise<void> {
    const { jobs, logger, flusher, monotonicMs } = this.#parts;
    const startMs = monotonicMs();
    try {
      await jobs.run(new FlushedJob(job, flusher), () => flusher.isBehind);
      logger.info('finished scheduled compaction', { took: `${Math.round(monotonicMs() - startMs)}ms` });
    } catch (error) {
      // The next start goes on with it.
      if (jobs.isStopped) return;
      logger.error('compaction failed', { error: String(error) });
      throw error;
    } finally {
      this.#running = false;
    }
    this.kick();
  }

  #settle(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#parts.flusher.flush(() => {
      for (const done of waiting) done();
    });
  }
}

/** Tells the flusher after each step that there is something to write. */
class FlushedJob<T> implements Job<T> {
  readonly #job: Job<T>;
  readonly #flusher: Flusher;

  constructor(job: Job<T>, flusher: Flusher) {
    this.#job = job;
    this.#flusher = flusher;
  }

  step(units: number): boolean {
    const isOver = this.#job.step(units);
    this.#flusher.noteApplied();
    return isOver;
  }

  result(): T {
    return this.#job.result();
  }

  close(): void {
    this.#job.close();
  }
}
