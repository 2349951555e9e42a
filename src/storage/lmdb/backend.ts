/** The Backend port on LMDB: one data file, one named database per table. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { assert, must } from '../../base/assert.ts';
import type { Backend, BackendView, Batch } from '../../mvcc/backend.ts';
import { Committer } from './commit.ts';
import type { Environment } from './environment.ts';
import { DiskUse } from '../disk-use.ts';
import { LmdbView } from './view.ts';
import { WarmUp } from './warm-up.ts';
import { fileBytes, openDataFile, rewriteDataFile } from './data-file.ts';
import type { DataFileOptions, RewrittenFile } from './data-file.ts';

/** Address space; nothing is allocated. Far above any sensible quota, so the file is hardly ever mapped anew. */
const DEFAULT_MAP_SIZE_BYTES = 64 * 1024 ** 3;

export interface LmdbBackendOptions {
  /** Of the data file. Its directory is created if need be; the lock file and temporary files stand next to it. */
  readonly path: string;
  readonly mapSizeBytes?: number;
  /** Commits are reported before they are durable: for tests. */
  readonly noSync?: boolean;
}

/** Creates the file if there is none. Throws an Error that names the path if it is damaged or not a database. */
export function openLmdbBackend(options: LmdbBackendOptions): LmdbBackend {
  return new LmdbBackend({
    path: options.path,
    mapSizeBytes: options.mapSizeBytes ?? DEFAULT_MAP_SIZE_BYTES,
    noSync: options.noSync ?? false,
  });
}

type State = 'ready' | 'committing' | 'defragmenting' | 'failed' | 'closed';

export class LmdbBackend implements Backend {
  readonly #options: DataFileOptions;
  #environment: Environment;
  #committer: Committer;
  readonly #diskUse = new DiskUse(() => performance.now());
  #state: State = 'ready';
  #failure: Error | undefined;
  /** In the order they were opened. Those from before a defragmentation hold the former environment. */
  readonly #views = new Map<LmdbView, number>();
  /** Replaced by a defragmentation, but with open views; and the file that replaced each. */
  readonly #formers = new Map<Environment, RewrittenFile>();
  /** Of the file that the last defragmentation made. */
  #warmUp: WarmUp | undefined;
  /** undefined: to be read again. */
  #sizeBytes: number | undefined;
  #sizeInUseBytes: number | undefined;

  constructor(options: DataFileOptions) {
    this.#options = options;
    this.#environment = openDataFile(options);
    this.#committer = new Committer(this.#environment);
  }

  /** May see the commit in flight already; then all of it. */
  view(): BackendView {
    this.#assertUsable();
    const view = new LmdbView(this.#environment, (closed) => this.#viewClosed(closed));
    this.#views.set(view, performance.now());
    return view;
  }

  /** The batch and its bytes must not change until `done`. */
  commit(batch: Batch, done: (error: Error | undefined) => void): void {
    this.#start('committing');
    this.#diskUse.begin();
    this.#committer.commit(batch, (error) => {
      this.#diskUse.end();
      this.#forgetSizes();
      if (error === undefined) {
        this.#state = 'ready';
        done(undefined);
      } else {
        this.#state = 'failed';
        this.#failure = commitFailure(this.#options.path, error);
        done(this.#failure);
      }
    });
  }

  /** An error leaves the backend as it was, and usable. */
  defragment(done: (error: Error | undefined) => void): void {
    this.#start('defragmenting');
    this.#diskUse.begin();
    rewriteDataFile(this.#environment, this.#options, (error, rewritten) => {
      this.#state = 'ready';
      this.#diskUse.end();
      if (rewritten !== undefined) this.#replaceEnvironment(rewritten);
      done(error);
    });
  }

  get isWriting(): boolean {
    return this.#diskUse.isBusy;
  }

  sizeBytes(): number {
    return (this.#sizeBytes ??= fileBytes(this.#options.path));
  }

  /** Costs some 30 µs once per commit. */
  sizeInUseBytes(): number {
    this.#assertUsable();
    return (this.#sizeInUseBytes ??= this.#environment.bytesInUse());
  }

  openViews(): number {
    return this.#views.size;
  }

  /** How long the oldest open view has been pinning old pages, in ms; 0 without views. */
  oldestViewMs(): number {
    for (const openedMs of this.#views.values()) return performance.now() - openedMs;
    return 0;
  }

  close(): void {
    this.#warmUp?.stop();
    assert(this.#views.size === 0, 'backend closed under open views', { views: this.#views.size });
    assert(this.#state === 'ready' || this.#state === 'failed', `backend closed while ${this.#state}`);
    // After a failure the writer may still hold LMDB's lock, and closing would wait for it for ever.
    if (this.#state === 'ready') this.#environment.close();
    this.#state = 'closed';
  }

  #start(state: State): void {
    this.#assertUsable();
    assert(this.#state === 'ready', `${state} while ${this.#state}`);
    this.#state = state;
  }

  #assertUsable(): void {
    assert(this.#state !== 'closed', 'backend used after close');
    if (this.#failure !== undefined) throw new Error('backend unusable after an error', { cause: this.#failure });
  }

  #replaceEnvironment(rewritten: RewrittenFile): void {
    const former = this.#environment;
    this.#environment = rewritten.environment;
    this.#committer = new Committer(rewritten.environment);
    this.#forgetSizes();
    this.#warmUp?.stop();
    // What is cached of the former file goes when that is freed; beyond half of what there is, others would have to make room.
    this.#warmUp = new WarmUp(this.#options.path, process.availableMemory() / 2);
    if (former.activeTxns === 0) this.#retire(rewritten, former);
    else this.#formers.set(former, rewritten);
  }

  #viewClosed(view: LmdbView): void {
    this.#views.delete(view);
    const former = view.environment;
    if (former === this.#environment || former.activeTxns > 0) return;
    this.#retire(must(this.#formers.get(former), 'environment of a closed view'), former);
    this.#formers.delete(former);
  }

  /** A truncation of hundreds of megabytes holds up the file system's journal, and with it the log's syncs. */
  #retire(rewritten: RewrittenFile, former: Environment): void {
    this.#diskUse.begin();
    rewritten.retire(former, () => this.#diskUse.end());
  }

  #forgetSizes(): void {
    this.#sizeBytes = undefined;
    this.#sizeInUseBytes = undefined;
  }
}

/** The system reports a full disk as a short write, which LMDB turns into EIO. */
function commitFailure(path: string, error: Error): Error {
  const reason = isDiskFull(path) ? 'no space left on device' : error.message;
  return new Error(`commit to ${path} failed: ${reason}`, { cause: error });
}

const FULL_DISK_BYTES_MAX = 64 * 1024;

function isDiskFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize <= FULL_DISK_BYTES_MAX;
  } catch {
    return false;
  }
}
