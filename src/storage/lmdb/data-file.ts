/**
 * Opens, creates and rewrites the data file. A file under its final name is always a whole database: a new one is made and
 * synced under a temporary name, then renamed.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsync,
  fsyncSync,
  ftruncate,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { checkDataFile } from './file-header.ts';
import { Environment } from './environment.ts';
import type { EnvironmentOptions } from './environment.ts';
import { warmUpEnds } from './warm-up.ts';

export type DataFileOptions = EnvironmentOptions;

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** LMDB's own rule for a file that is not in a directory of its own. */
function lockPath(path: string): string {
  return `${path}-lock`;
}

function temporaryPath(path: string): string {
  return `${path}.tmp`;
}

export function openDataFile(options: DataFileOptions): Environment {
  const { path } = options;
  mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
  removeTemporary(path);
  if (existsSync(path)) {
    checkDataFile(path);
    return new Environment(options);
  }
  const environment = new Environment({ ...options, path: temporaryPath(path) });
  environment.primeFreePages();
  installTemporary(path);
  syncDirectorySync(path);
  return environment;
}

export function fileBytes(path: string): number {
  return statSync(path).size;
}

/**
 * Makes a copy without free pages and puts it in the place of the file, which stays readable through `environment` until
 * that is given to `retire`.
 */
export function rewriteDataFile(
  environment: Environment,
  options: DataFileOptions,
  done: (error: Error | undefined, rewritten?: RewrittenFile) => void,
): void {
  const { path } = options;
  const temporary = temporaryPath(path);
  const fail = (error: unknown): void => {
    removeTemporary(path);
    const reason = error instanceof Error ? error : new Error(String(error));
    done(new Error(`cannot rewrite ${path}: ${reason.message}`, { cause: reason }));
  };
  environment.copyCompact(temporary, (error) => {
    if (error !== undefined) return fail(error);
    warmUpEnds(temporary, () => {
      try {
        primeCopy({ ...options, path: temporary });
      } catch (error) {
        return fail(error);
      }
      syncFile(temporary, (error) => {
        if (error !== undefined) return fail(error);
        let rewritten: RewrittenFile;
        try {
          rewritten = installCopy(options);
        } catch (error) {
          return fail(error);
        }
        // From here on the new file counts, even should this sync fail: the next commit would then fail as well.
        syncFile(dirname(path), (error) => done(error, rewritten));
      });
    });
  });
}

export interface RewrittenFile {
  readonly environment: Environment;
  /** Ends the former environment and frees its file; when nobody reads it any more. */
  retire(former: Environment, done: () => void): void;
}

/** Unsynced: the file is synced as a whole afterwards, off this thread. */
function primeCopy(options: DataFileOptions): void {
  const environment = new Environment({ ...options, noSync: true });
  try {
    environment.primeFreePages();
  } finally {
    environment.close();
  }
}

function installCopy(options: DataFileOptions): RewrittenFile {
  const temporary = temporaryPath(options.path);
  chmodSync(temporary, FILE_MODE);
  const formerFd = openSync(options.path, 'r+');
  let environment: Environment | undefined;
  try {
    environment = new Environment({ ...options, path: temporary });
    installTemporary(options.path);
  } catch (error) {
    environment?.close();
    closeSync(formerFd);
    throw error;
  }
  return { environment, retire: (former, done) => freeFile(formerFd, former, done) };
}

/**
 * Closing the last descriptor of a deleted file, and unmapping it, take 20 ms per 100 MB. Truncating it does that work
 * first, on a thread of libuv's pool.
 */
function freeFile(fd: number, environment: Environment, done: () => void): void {
  ftruncate(fd, 0, () => {
    environment.close();
    closeSync(fd);
    done();
  });
}

/**
 * An environment that is open under the temporary name goes on under the final one. Each file has its own lock file: LMDB
 * keeps the number of the newest transaction in it.
 */
function installTemporary(path: string): void {
  const temporary = temporaryPath(path);
  renameSync(lockPath(temporary), lockPath(path));
  renameSync(temporary, path);
}

function removeTemporary(path: string): void {
  const temporary = temporaryPath(path);
  rmSync(temporary, { force: true });
  rmSync(lockPath(temporary), { force: true });
}

function syncFile(path: string, done: (error: Error | undefined) => void): void {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    done(error as Error);
    return;
  }
  fsync(fd, (error) => {
    closeSync(fd);
    done(error ?? undefined);
  });
}

function syncDirectorySync(path: string): void {
  const fd = openSync(dirname(path), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
