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
  /** Bytes in the write buffer. */
  readonly pendingBytes: () => number;
  readonly monotonicMs: () => number;
}

/**
 * What a compaction may add to the write buffer before it waits until that is in the database. Small commits: while a large one
 * is synced, the log's writes wait for the same disk, and the puts with them.
 */
const UNFLUSHED_BYTES_MAX = 1024 * 1024;

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
    const { jobs, logger, flusher, pendingBytes, monotonicMs } = this.#parts;
    const flushed = new FlushedJob(job, flusher, pendingBytes);
    const startMs = monotonicMs();
    try {
      await jobs.run(flushed, () => flushed.isFlushing);
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

/** Has what it adds to the write buffer flushed, so much at a time. */
class FlushedJob implements Job<undefined> {
  /** No step should be made before it is over. */
  isFlushing = false;
  readonly #job: Job<unknown>;
  readonly #flusher: Flusher;
  readonly #pendingBytes: () => number;
  /** Added since the last flush that this asked for. */
  #addedBytes = 0;

  constructor(job: Job<unknown>, flusher: Flusher, pendingBytes: () => number) {
    this.#job = job;
    this.#flusher = flusher;
    this.#pendingBytes = pendingBytes;
  }

  step(units: number): boolean {
    const before = this.#pendingBytes();
    const isOver = this.#job.step(units);
    this.#addedBytes += this.#pendingBytes() - before;
    if (this.#addedBytes < UNFLUSHED_BYTES_MAX) this.#flusher.noteApplied();
    else this.#flush();
    return isOver;
  }

  #flush(): void {
    this.#addedBytes = 0;
    this.isFlushing = true;
    this.#flusher.flush(() => {
      this.isFlushing = false;
    });
  }

  result(): undefined {}

  close(): void {
    this.#job.close();
  }
}
