/**
 * Keeps a second process out of a data directory.
 *
 * Node offers no flock or fcntl, but its SQLite does: an exclusive transaction holds fcntl locks on the database file. The
 * kernel drops them when the process ends, however it ends, and they hold across containers that share the directory. The
 * file stays, empty: nothing is ever written to it.
 */
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';

export const LOCK_FILE = 'lock';

const SQLITE_BUSY = 5;

export interface DirectoryLock {
  release(): void;
}

export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError';
}

/** Keeps the databases from being collected, which would close them, when a caller holds a lock until its process ends. */
const held = new Set<DatabaseSync>();

/** Throws DirectoryInUseError when another process, or another lock of this one, holds `dir`. `dir` must exist. */
export function lockDirectory(dir: string): DirectoryLock {
  const path = join(dir, LOCK_FILE);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    // A journal in memory: the default would put a file beside the lock for as long as it is held.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw new DirectoryInUseError(`data directory ${dir} is in use by another process`);
    throw new Error(`cannot lock data directory ${dir}: ${path}: ${String(error)}`, { cause: error });
  }
  const locked = database;
  held.add(locked);
  return {
    release() {
      if (held.delete(locked)) locked.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}
