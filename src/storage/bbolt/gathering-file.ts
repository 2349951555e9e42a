import type { File } from '../../ports/file-system.ts';
import type { DatabaseFile } from './database-writer.ts';

/** Writes are gathered up to this size: with a megabyte, one took the event loop 6 to 10 ms on a machine that was short of free pages. */
const WRITE_BYTES = 128 * 1024;

/** Joins writes that follow each other. */
export class GatheringFile implements DatabaseFile {
  readonly #file: File;
  readonly #buffer = new Uint8Array(WRITE_BYTES);
  #used = 0;
  #position = 0;

  constructor(file: File) {
    this.#file = file;
  }

  write(bytes: Uint8Array, position: number): void {
    const follows = position === this.#position + this.#used;
    if (!follows || this.#used + bytes.length > WRITE_BYTES) this.flush();
    if (this.#used === 0) this.#position = position;
    if (bytes.length > WRITE_BYTES) {
      this.#file.write(bytes, position);
      this.#position = position + bytes.length;
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  flush(): void {
    if (this.#used === 0) return;
    this.#file.write(this.#buffer.subarray(0, this.#used), this.#position);
    this.#position += this.#used;
    this.#used = 0;
  }
}
