import type { File, FileSystem, IoDone, OpenMode } from '../../../src/ports/file-system.ts';

/** A machine's files as one process sees them: not at all any more once it is dead, whatever it still tries. */
export class ProcessFiles implements FileSystem {
  readonly #files: FileSystem;
  readonly #isAlive: () => boolean;

  constructor(files: FileSystem, isAlive: () => boolean) {
    this.#files = files;
    this.#isAlive = isAlive;
  }

  list(dir: string): string[] {
    return this.#alive.list(dir);
  }

  exists(path: string): boolean {
    return this.#alive.exists(path);
  }

  makeDir(path: string, mode: number): void {
    this.#alive.makeDir(path, mode);
  }

  open(path: string, how: OpenMode): File {
    return this.#alive.open(path, how);
  }

  rename(from: string, to: string): void {
    this.#alive.rename(from, to);
  }

  remove(path: string): void {
    this.#alive.remove(path);
  }

  removeAsync(path: string, done: IoDone): void {
    this.#alive.removeAsync(path, done);
  }

  sizeOf(path: string): number {
    return this.#alive.sizeOf(path);
  }

  syncDir(dir: string): void {
    this.#alive.syncDir(dir);
  }

  syncDirAsync(dir: string, done: IoDone): void {
    this.#alive.syncDirAsync(dir, done);
  }

  get #alive(): FileSystem {
    if (!this.#isAlive()) throw new Error('a dead process touches files');
    return this.#files;
  }
}
