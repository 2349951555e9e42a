/** A machine's database: MemoryBackend with a disk that takes its time and forgets at a crash what it may forget. */
import type { Random } from '../../../src/base/random.ts';
import type { Backend, BackendView, WriteBatch } from '../../../src/mvcc/backend.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import type { Marks } from './marks.ts';
import type { Scheduler } from './scheduler.ts';

export interface DatabaseTiming {
  commitMs: number;
}

export class SimDatabase {
  readonly timing: DatabaseTiming;
  /** The next commit or defragmentation fails. */
  failsNext = false;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #marks: Marks;
  readonly #visible: 'whenDone' | 'atOnce';
  /** What the running process uses, or the last one did. */
  #content = new MemoryBackend();
  /** What a power loss may go back to: the kernel has a commit that the disk may not have. */
  #older: MemoryBackend | undefined;
  /** Ends the commit or defragmentation under way. */
  #pending: (() => void) | undefined;
  #era = 0;

  constructor(scheduler: Scheduler, random: Random, marks: Marks, commitMs: number, visibleAtOnce: boolean) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#marks = marks;
    this.timing = { commitMs };
    this.#visible = visibleAtOnce ? 'atOnce' : 'whenDone';
  }

  /** For a process that starts. */
  open(isAlive: () => boolean): Backend {
    const content = this.#content.afterCrash({
      visible: this.#visible,
      later: (run) => this.#later(run),
    });
    this.#content = content;
    return new ProcessBackend(content, {
      isAlive,
      failure: () => {
        const fails = this.failsNext;
        this.failsNext = false;
        return fails ? Object.assign(new Error('EIO: database'), { code: 'EIO' }) : undefined;
      },
      committed: () => {
        this.#older = undefined;
      },
    });
  }

  /** The process is gone, and with `powerLoss` what only the kernel knew. */
  crash(powerLoss: boolean): void {
    this.#era++;
    this.failsNext = false;
    const pending = this.#pending;
    this.#pending = undefined;
    if (powerLoss && this.#older !== undefined && this.#random.below(2) === 0) {
      this.#content = this.#older;
      this.#older = undefined;
      this.#marks.hit('commitKeptByKernelLost');
      return;
    }
    if (powerLoss) this.#older = undefined;
    if (pending === undefined) return;
    const fate = this.#random.below(3);
    if (fate === 0) {
      this.#marks.hit('commitInFlightLost');
      return;
    }
    this.#marks.hit('commitInFlightKept');
    // Its last sync is what is missing: whatever was committed before is on disk.
    this.#older = !powerLoss && fate === 2 ? this.#content.afterCrash() : undefined;
    pending();
  }

  #later(run: () => void): void {
    const era = this.#era;
    this.#pending = run;
    const delayMs = this.timing.commitMs * (0.5 + this.#random.fraction());
    this.#scheduler.after(delayMs, 'commit', () => {
      if (era !== this.#era) return;
      this.#pending = undefined;
      run();
    });
  }
}

interface ProcessEvents {
  isAlive(): boolean;
  /** What the commit or defragmentation that begins now will fail with. */
  failure(): Error | undefined;
  committed(): void;
}

/** The database as one process sees it: deaf and dumb once the process is dead. */
class ProcessBackend implements Backend {
  readonly #content: MemoryBackend;
  readonly #process: ProcessEvents;

  constructor(content: MemoryBackend, process: ProcessEvents) {
    this.#content = content;
    this.#process = process;
  }

  view(): BackendView {
    return this.#content.view();
  }

  commit(batch: WriteBatch, done: (error: Error | undefined) => void): void {
    if (!this.#process.isAlive()) return;
    const failure = this.#process.failure();
    if (failure !== undefined) this.#content.failNextCommit(failure);
    this.#content.commit(batch, (error) => {
      if (!this.#process.isAlive()) return;
      if (error === undefined) this.#process.committed();
      done(error);
    });
  }

  defragment(done: (error: Error | undefined) => void): void {
    if (!this.#process.isAlive()) return;
    // Unlike a commit that fails, it leaves everything as it was.
    const failure = this.#process.failure();
    this.#content.defragment(() => {
      if (this.#process.isAlive()) done(failure);
    });
  }

  sizeBytes(): number {
    return this.#content.sizeBytes();
  }

  sizeInUseBytes(): number {
    return this.#content.sizeInUseBytes();
  }

  close(): void {
    this.#content.close();
  }
}
