/** The machine's file system. What it creates is readable by the owner only. */
import fs from 'node:fs';
import type { File, FileSystem, IoDone, OpenMode } from '../ports/file-system.ts';

const FILE_MODE = 0o600;
/**
 * On Linux a write to a file opened with O_DSYNC returns when it is on disk: one call, and one job for the thread pool,
 * instead of a write and a sync. Elsewhere that flag is missing or weaker than fdatasync.
 */
const DSYNC = process.platform === 'linux' ? fs.constants.O_DSYNC : undefined;

export class NodeFileSystem implements FileSystem {
  list(dir: string): string[] {
    return fs.readdirSync(dir);
  }

  exists(path: string): boolean {
    return fs.existsSync(path);
  }

  makeDir(path: string, mode: number): void {
    fs.mkdirSync(path, { recursive: true, mode });
  }

  open(path: string, how: OpenMode): File {
    const fd = fs.openSync(path, FLAGS[how], FILE_MODE);
    if (DSYNC === undefined || how === 'read') return new NodeFile(fd, undefined);
    // Opened now and not when first needed: the file may have another name by then.
    try {
      return new NodeFile(fd, fs.openSync(path, fs.constants.O_WRONLY | DSYNC));
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
  }

  rename(from: string, to: string): void {
    fs.renameSync(from, to);
  }

  remove(path: string): void {
    fs.unlinkSync(path);
  }

  removeAsync(path: string, done: IoDone): void {
    fs.unlink(path, (error) => done(error ?? undefined));
  }

  sizeOf(path: string): number {
    return fs.statSync(path).size;
  }

  syncDir(dir: string): void {
    const fd = fs.openSync(dir, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  syncDirAsync(dir: string, done: IoDone): void {
    fs.open(dir, 'r', (openError, fd) => {
      if (openError !== null) return done(openError);
      fs.fsync(fd, (syncError) => {
        fs.close(fd, (closeError) => done(syncError ?? closeError ?? undefined));
      });
    });
  }
}

const FLAGS: Record<OpenMode, string> = { read: 'r', write: 'r+', create: 'wx+' };

class NodeFile implements File {
  readonly #fd: number;
  /** A second descriptor of the same file, opened with O_DSYNC; undefined where that does not exist. */
  readonly #durableFd: number | undefined;
  /** Operations in the thread pool. The descriptors must outlive them: a number freed too early can mean another file. */
  #underWay = 0;
  #closing = false;

  constructor(fd: number, durableFd: number | undefined) {
    this.#fd = fd;
    this.#durableFd = durableFd;
  }

  read(into: Uint8Array, position: number): number {
    let at = 0;
    while (at < into.length) {
      const count = fs.readSync(this.#fd, into, at, into.length - at, position + at);
      if (count === 0) break;
      at += count;
    }
    return at;
  }

  write(bytes: Uint8Array, position: number): void {
    writeFully(this.#fd, bytes, position);
  }

  truncate(lengthBytes: number): void {
    fs.ftruncateSync(this.#fd, lengthBytes);
  }

  size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  sync(): void {
    fs.fdatasyncSync(this.#fd);
  }

  syncAsync(done: IoDone): void {
    this.#underWay++;
    fs.fdatasync(this.#fd, (error) => this.#ended(error, done));
  }

  writeDurable(bytes: Uint8Array, position: number): void {
    writeFully(this.#durableFd ?? this.#fd, bytes, position);
    if (this.#durableFd === undefined) fs.fdatasyncSync(this.#fd);
  }

  writeDurableAsync(bytes: Uint8Array, position: number, done: IoDone): void {
    this.#underWay++;
    writeFullyAsync(this.#durableFd ?? this.#fd, bytes, 0, position, (error) => {
      if (error !== null || this.#durableFd !== undefined) this.#ended(error, done);
      else fs.fdatasync(this.#fd, (syncError) => this.#ended(syncError, done));
    });
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#underWay === 0) this.#closeNow();
  }

  #ended(error: Error | null, done: IoDone): void {
    this.#underWay--;
    if (this.#closing && this.#underWay === 0) this.#closeNow();
    done(error ?? undefined);
  }

  #closeNow(): void {
    fs.closeSync(this.#fd);
    if (this.#durableFd !== undefined) fs.closeSync(this.#durableFd);
  }
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  let at = 0;
  while (at < bytes.length) at += fs.writeSync(fd, bytes, at, bytes.length - at, position + at);
}

function writeFullyAsync(
  fd: number,
  bytes: Uint8Array,
  from: number,
  position: number,
  done: (error: Error | null) => void,
): void {
  fs.write(fd, bytes, from, bytes.length - from, position + from, (error, written) => {
    if (error !== null || from + written === bytes.length) done(error);
    else writeFullyAsync(fd, bytes, from + written, position, done);
  });
}
