/** One open LMDB data file: its tables, its read transactions, its writer. */
import { assert } from '../../base/assert.ts';
import { TABLES } from '../../mvcc/backend.ts';
import type { Table } from '../../mvcc/backend.ts';
import {
  DBI_CREATE,
  ENV_NO_SUBDIR,
  ENV_NO_SYNC,
  KEY_TYPE_BINARY,
  TXN_READ_ONLY,
  TXN_SYNCHRONOUS_COMMIT,
  describeNativeError,
  keyBuffer,
  native,
  nativeError,
} from './native.ts';
import type { NativeDbi, NativeEnv, NativeStat, NativeTxn } from './native.ts';

/** Where the parts of keys that are too long for LMDB live; see long-keys.ts. */
export const LONG_KEYS = 'longKeys';
export type StoredTable = Table | typeof LONG_KEYS;
const STORED_TABLES: readonly StoredTable[] = [...TABLES, LONG_KEYS];

const FILE_MODE = 0o600;
/** Read transactions open at once, in all threads of the process. */
const READERS_MAX = 1024;
/** Ended read transactions kept for reuse: a tenth of the cost of a new one. */
const IDLE_TXNS_MAX = 16;
const META_PAGES = 2;

export interface EnvironmentOptions {
  /** Of the data file; the lock file is `<path>-lock`. */
  readonly path: string;
  /**
   * Address space reserved for the file. It grows beyond that by itself, but keeps every smaller mapping until the file
   * is closed.
   */
  readonly mapSizeBytes: number;
  /** Commits are not synced: for tests and for files that are synced as a whole afterwards. */
  readonly noSync: boolean;
}

export class Environment {
  readonly #env: NativeEnv;
  readonly #tables = new Map<StoredTable, NativeDbi>();
  /** Reset: they see nothing and pin nothing. */
  readonly #idleTxns: NativeTxn[] = [];
  #activeTxns = 0;

  constructor(options: EnvironmentOptions) {
    this.#env = new native.Env();
    try {
      this.#open(options);
    } catch (error) {
      const reason = describeNativeError(error);
      throw new Error(`cannot open the database file ${options.path}: ${reason.message}`, { cause: error });
    }
  }

  table(table: StoredTable): NativeDbi {
    return this.#tables.get(table) as NativeDbi;
  }

  get activeTxns(): number {
    return this.#activeTxns;
  }

  /** Sees the newest commit until endTxn. */
  beginTxn(): NativeTxn {
    const idle = this.#idleTxns.pop();
    idle?.renew();
    const txn = idle ?? new native.Txn(this.#env, TXN_READ_ONLY);
    this.#activeTxns++;
    return txn;
  }

  /** After all its cursors are closed. */
  endTxn(txn: NativeTxn): void {
    this.#activeTxns--;
    if (this.#idleTxns.length < IDLE_TXNS_MAX) {
      native.resetTxn(txn.address);
      this.#idleTxns.push(txn);
    } else {
      txn.abort();
    }
  }

  /** `instructions`: what WriteInstructions.finish returned. One at a time. */
  write(instructions: number, done: (error: Error | undefined) => void): void {
    this.#env.startWriting(instructions, (status) => done(status === 0 ? undefined : nativeError(status)));
  }

  /** Writes a copy without free pages to `path`, which must not exist, off this thread; unsynced. */
  copyCompact(path: string, done: (error: Error | undefined) => void): void {
    this.#env.copy(path, true, (error) => done(error === undefined ? undefined : describeNativeError(error)));
  }

  /** Of all pages that the newest commit can reach; about 30 µs. */
  bytesInUse(): number {
    // Statistics read through the transaction created last, which must be no pooled one.
    const txn = new native.Txn(this.#env, TXN_READ_ONLY);
    try {
      const root = this.#env.stat();
      let pages = META_PAGES + pagesOf(root) + pagesOf(this.#env.freeStat());
      for (const table of this.#tables.values()) pages += pagesOf(table.stat());
      return pages * root.pageSize;
    } finally {
      txn.abort();
    }
  }

  /**
   * Makes the table of free pages non-empty, once, in a file that is new or newly copied. When it is empty and a commit
   * frees some hundred pages, LMDB as the package has it reads from an empty page and crashes. Once it has a row it always
   * will, since each commit adds one that only a later commit may take away.
   */
  primeFreePages(): void {
    let table: NativeDbi | undefined;
    this.#change(() => {
      table = new native.Dbi(this.#env, DBI_CREATE, 'temporary', KEY_TYPE_BINARY);
    });
    this.#change(() => table?.drop());
  }

  close(): void {
    assert(this.#activeTxns === 0, 'database file closed under open views', { activeTxns: this.#activeTxns });
    for (const txn of this.#idleTxns) txn.abort();
    this.#idleTxns.length = 0;
    this.#env.close();
  }

  #open(options: EnvironmentOptions): void {
    const native = {
      path: options.path,
      keyBytes: Buffer.from(keyBuffer.buffer),
      maxDbs: STORED_TABLES.length + 1,
      maxReaders: READERS_MAX,
      mapSize: options.mapSizeBytes,
      permissionsMode: FILE_MODE,
    };
    this.#env.open(native, ENV_NO_SUBDIR | (options.noSync ? ENV_NO_SYNC : 0), 0);
    try {
      this.#openTables();
    } catch (error) {
      this.#env.close();
      throw error;
    }
  }

  #openTables(): void {
    this.#change(() => {
      for (const table of STORED_TABLES) {
        this.#tables.set(table, new native.Dbi(this.#env, DBI_CREATE, table, KEY_TYPE_BINARY));
      }
    });
  }

  /** Runs `change` in a write transaction on this thread, and waits for the disk. */
  #change(change: () => void): void {
    this.#env.beginTxn(TXN_SYNCHRONOUS_COMMIT);
    try {
      change();
    } catch (error) {
      this.#env.abortTxn();
      throw error;
    }
    this.#env.commitTxn();
  }
}

function pagesOf(stat: NativeStat): number {
  return stat.treeBranchPageCount + stat.treeLeafPageCount + stat.overflowPages;
}
