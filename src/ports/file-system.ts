/**
 * The file system as the WAL and the snapshot store use it. Two implementations: the machine's, and one in memory that can
 * lose what was not synced, tear a write at a crash, fail, or be slow.
 *
 * Every error is thrown (or rejected) as an Error with `code` as in POSIX: ENOENT, EEXIST, ENOSPC, EIO...
 */
export interface FileSystem {
  /** Names in a directory, in no particular order. */
  list(dir: string): string[];
  exists(path: string): boolean;
  /** Creates the directory and its parents; `mode` applies to what it creates. */
  makeDir(path: string, mode: number): void;
  open(path: string, how: OpenMode): File;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** As `remove`, off the caller's thread: giving back what a large file took is slow. Nobody has it open. */
  removeAsync(path: string, done: IoDone): void;
  sizeOf(path: string): number;
  /** Makes renames, creations and removals in `dir` durable. */
  syncDir(dir: string): void;
  /** As `syncDir`, off the caller's thread. */
  syncDirAsync(dir: string, done: IoDone): void;
}

/** How an operation off the caller's thread ended. Never called from inside the call that started it. */
export type IoDone = (error: Error | undefined) => void;

/** read: must exist. write: must exist, read and write. create: must not exist, read and write. */
export type OpenMode = 'read' | 'write' | 'create';

export interface File {
  /** Reads up to `into.length` bytes at `position`; returns how many were there. */
  read(into: Uint8Array, position: number): number;
  write(bytes: Uint8Array, position: number): void;
  /** Sets the length; new bytes read as zero. */
  truncate(lengthBytes: number): void;
  size(): number;
  /** Returns when all that was written is on disk (fdatasync). */
  sync(): void;
  /** As `sync`, off the caller's thread; `done` gets the error, if any. Writes may go on meanwhile; those are not covered. */
  syncAsync(done: IoDone): void;
  /**
   * Writes and returns once these bytes, and the length if they extended the file, are on disk. Says nothing about what
   * `write` wrote before. After an error, part of the bytes may be there.
   */
  writeDurable(bytes: Uint8Array, position: number): void;
  /** As `writeDurable`, off the caller's thread. `bytes` must not change until `done`. */
  writeDurableAsync(bytes: Uint8Array, position: number, done: IoDone): void;

  /** Operations under way finish first, and their `done` is still called. */
  close(): void;
}
