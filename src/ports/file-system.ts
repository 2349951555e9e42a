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
  sizeOf(path: string): number;
  /** Makes renames, creations and removals in `dir` durable. */
  syncDir(dir: string): void;
}

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
  syncAsync(done: (error: Error | undefined) => void): void;

  close(): void;
}
