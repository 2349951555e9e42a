/** A machine's database: MemoryBackend with a disk that takes its time and forgets at a crash what it may forget. */
import type { Random } from '../../../src/base/random.ts';
import type { Backend, BackendView, Batch } from '../../../src/mvcc/backend.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import type { FileSystem } from '../../../src/ports/file-system.ts';
import type { Machine } from './machine.ts';
import type { Marks } from './marks.ts';
import type { Scheduler } from './scheduler.ts';

export interface DatabaseTiming {
  commitMs: number;
}

export interface DatabaseParts {
  readonly scheduler: Scheduler;
  readonly machine: Machine;
  readonly random: Random;
  readonly marks: Marks;
  readonly commitMs: number;
  readonly visibleAtOnce: boolean;
}

export class SimDatabase {
  readonly timing: DatabaseTiming;
  /** The next commit or defragmentation fails. */
  failsNext = false;
  readonly #scheduler: Scheduler;
  readonly #machine: Machine;
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
  /** Which of the databases that there were in that place it is. */
  #generation = 0;
  /** Those whose files were removed: a removal that did not get to the disk brings one back. */
  readonly #removed = new Map<number, MemoryBackend>();

  constructor(parts: DatabaseParts) {
    const { scheduler, machine, random, marks, commitMs, visibleAtOnce } = parts;
    this.#scheduler = scheduler;
    this.#machine = machine;
    this.#random = random;
    this.#marks = marks;
    this.timing = { commitMs };
    this.#visible = visibleAtOnce ? 'atOnce' : 'whenDone';
  }

  /** For a process that starts. The file at `path` stands for the database: removed, it takes the database with it. */
  open(files: FileSystem, path: string, isAlive: () => boolean): Backend {
    this.#choose(files, path);
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
    const atMs = this.#machine.nowMs + this.timing.commitMs * (0.5 + this.#random.fraction());
    const end = (): void => {
      if (era !== this.#era) return;
      this.#pending = undefined;
      run();
    };
    this.#scheduler.at(atMs, 'commit', end, this.#machine);
  }

  #choose(files: FileSystem, path: string): void {
    if (files.exists(path)) {
      const file = files.open(path, 'read');
      const bytes = new Uint8Array(1);
      file.read(bytes, 0);
      file.close();
      const [generation = 0] = bytes;
      if (generation === this.#generation) return;
      this.#content = this.#removed.get(generation) as MemoryBackend;
      this.#generation = generation;
    } else {
      this.#removed.set(this.#generation, this.#content);
      this.#content = new MemoryBackend();
      this.#generation = Math.max(...this.#removed.keys()) + 1;
      const file = files.open(path, 'create');
      file.writeDurable(new Uint8Array([this.#generation]), 0);
      file.close();
      files.syncDir(path.slice(0, path.lastIndexOf('/')));
    }
    this.#older = undefined;
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

  commit(batch: Batch, done: (error: Error | undefined) => void): void {
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

  get isWriting(): boolean {
    return this.#content.isWriting;
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
