/** Deletes what compactions made unreachable, in slices, one compaction at a time. */
import type { Job } from '../ports/job.ts';
import type { Logger } from '../ports/logger.ts';
import type { Histogram } from '../ports/metrics.ts';
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
  readonly metrics?: CompactionMetrics | undefined;
  /** Besides giving way to requests, as it always does. */
  readonly pauses?: CompactionPauses | undefined;
}

/** --compaction-batch-limit and --compaction-sleep-interval: a pause after so many revisions. */
export interface CompactionPauses {
  readonly batchRevisions: number;
  readonly sleepMs: number;
}

export interface CompactionMetrics {
  /** Milliseconds that one slice held up everything else. */
  readonly pauseMs: Histogram;
  readonly totalMs: Histogram;
  readonly finished: () => void;
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
    const { jobs, logger, monotonicMs, metrics } = this.#parts;
    const flushed = new FlushedJob(job, this.#parts);
    const startMs = monotonicMs();
    try {
      await jobs.run(flushed, () => flushed.mustWait);
      const tookMs = monotonicMs() - startMs;
      metrics?.totalMs.observe(tookMs);
      metrics?.finished();
      logger.info('finished scheduled compaction', { took: `${Math.round(tookMs)}ms` });
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
  #isFlushing = false;
  /** Until when it pauses, and how many revisions may be looked at before the next pause. */
  #pausedUntilMs = 0;
  #batchLeft: number;
  readonly #job: Job<unknown>;
  readonly #parts: CompactorParts;
  /** Added since the last flush that this asked for. */
  #addedBytes = 0;

  constructor(job: Job<unknown>, parts: CompactorParts) {
    this.#job = job;
    this.#parts = parts;
    this.#batchLeft = parts.pauses?.batchRevisions ?? Infinity;
  }

  /** No step should be made just now. */
  get mustWait(): boolean {
    return this.#isFlushing || (this.#pausedUntilMs > 0 && this.#parts.monotonicMs() < this.#pausedUntilMs);
  }

  step(units: number): boolean {
    const { pendingBytes, monotonicMs, flusher, metrics } = this.#parts;
    const before = pendingBytes();
    const startMs = monotonicMs();
    const batch = Math.min(units, this.#batchLeft);
    const isOver = this.#job.step(batch);
    this.#count(batch);
    metrics?.pauseMs.observe(monotonicMs() - startMs);
    this.#addedBytes += pendingBytes() - before;
    if (this.#addedBytes < UNFLUSHED_BYTES_MAX) flusher.noteApplied();
    else this.#flush();
    return isOver;
  }

  #count(revisions: number): void {
    const { pauses, monotonicMs } = this.#parts;
    this.#batchLeft -= revisions;
    if (pauses === undefined || this.#batchLeft > 0) return;
    this.#batchLeft = pauses.batchRevisions;
    this.#pausedUntilMs = monotonicMs() + pauses.sleepMs;
  }

  #flush(): void {
    this.#addedBytes = 0;
    this.#isFlushing = true;
    this.#parts.flusher.flush(() => {
      this.#isFlushing = false;
    });
  }

  result(): undefined {}

  close(): void {
    this.#job.close();
  }
}
