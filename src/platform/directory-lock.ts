/**
 * Keeps a second process out of a data directory.
 *
 * Node offers no flock or fcntl, but its SQLite does: an exclusive transaction holds fcntl locks on the database file. The
 * kernel drops them when the process ends, however it ends, and they hold across containers that share the directory. The
 * file stays, empty: nothing is ever written to it.
 *
 * A running etcd does not know of that file. It holds its database with flock, which only Linux tells others about.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

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

/**
 * Throws DirectoryInUseError when another process (quorate or, on Linux, etcd) or another lock of this one holds `dir`.
 * `dir` must exist; it is the one that etcd calls member.
 */
export function lockDirectory(dir: string): DirectoryLock {
  const holder = flockHolder(join(dir, 'snap', 'db'));
  if (holder !== undefined) {
    throw new DirectoryInUseError(`data directory ${dir} is in use by another process (etcd, pid ${holder})`);
  }
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

/** Process id of a holder of an flock on the file; undefined when there is none, or no way to tell. */
export function flockHolder(path: string): number | undefined {
  let locks: string;
  let file: { dev: number; ino: number };
  try {
    file = statSync(path);
    locks = readFileSync('/proc/locks', 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
  // A line: `12: FLOCK  ADVISORY  WRITE 3816 fe:00:9978027 0 EOF`.
  const inode = `${hex2(deviceMajor(file.dev))}:${hex2(deviceMinor(file.dev))}:${file.ino}`;
  for (const line of locks.split('\n')) {
    const [, kind, , , pid, where] = line.trim().split(/\s+/);
    if (kind === 'FLOCK' && where === inode) return Number(pid);
  }
  return undefined;
}

/** How Linux packs a device number: 12 bits of the major and 20 of the minor number, in three parts. */
function deviceMajor(dev: number): number {
  return Math.floor(dev / 0x100) & 0xfff;
}

function deviceMinor(dev: number): number {
  return (dev & 0xff) | ((Math.floor(dev / 0x1000) & 0xfff00) >>> 0);
}

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0');
}
