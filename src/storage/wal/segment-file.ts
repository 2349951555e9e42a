import { assert } from '../../base/assert.ts';
import type { File, IoDone } from '../../ports/file-system.ts';

/** How far ahead of the log's end the file is filled with zeros, and in what steps. */
const ZERO_AHEAD_BYTES = 2 << 20;
const ZERO_STEP_BYTES = 256 << 10;
const PAGE_BYTES = 4096;
const ZEROS = new Uint8Array(ZERO_STEP_BYTES);

/**
 * One WAL file that is written to. Writes follow one another without a gap, one at a time.
 *
 * The file has its full length from the start, but blocks only where something was written. A sync that has to allocate
 * blocks waits for the file system's journal as well, so zeros are written ahead in the background: then the sync writes
 * data and nothing else. A write never runs beside a fill that touches the same bytes.
 */
export class SegmentFile {
  readonly #file: File;
  readonly #limitBytes: number;
  readonly #fillAllowed: boolean;
  /** Where the next write goes; everything before it is on disk. */
  #offset: number;
  /** Up to here blocks are allocated; may be behind #offset. */
  #zeroedTo: number;
  /** Where the fill under way begins. */
  #fillFrom: number | undefined;
  #fillFailed = false;
  #fillError: Error | undefined;
  /** What waits for the fill under way. */
  #afterFill: (() => void) | undefined;
  #writing = false;

  /** `limitBytes`: the file is filled up to this length. */
  constructor(file: File, offset: number, limitBytes: number, fillAllowed: boolean) {
    this.#file = file;
    this.#offset = offset;
    this.#zeroedTo = offset;
    this.#limitBytes = limitBytes;
    this.#fillAllowed = fillAllowed;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Whether writeNow may be called: nothing under way touches those bytes. */
  isFree(bytes: number): boolean {
    return !this.#writing && (this.#fillFrom === undefined || this.#offset + bytes <= this.#fillFrom);
  }

  /** Appends on the caller's thread; returns once it is on disk. */
  writeNow(bytes: Uint8Array): void {
    assert(this.isFree(bytes.length), 'WAL write beside another', { offset: this.#offset });
    if (this.#fillError !== undefined) throw this.#fillError;
    this.#file.writeDurable(bytes, this.#offset);
    this.#offset += bytes.length;
    this.fillAhead();
  }

  /** Appends off the caller's thread. `bytes` must not change until `done`. */
  write(bytes: Uint8Array, done: IoDone): void {
    assert(!this.#writing, 'WAL write beside another', { offset: this.#offset });
    this.#writing = true;
    if (this.#fillFrom !== undefined && this.#offset + bytes.length > this.#fillFrom) {
      this.#afterFill = () => this.#write(bytes, done);
    } else {
      this.#write(bytes, done);
    }
  }

  /** Starts to fill the next step, unless enough is filled. */
  fillAhead(): void {
    if (!this.#fillAllowed || this.#fillFailed || this.#fillFrom !== undefined || this.#writing) return;
    const from = Math.max(this.#zeroedTo, Math.ceil(this.#offset / PAGE_BYTES) * PAGE_BYTES);
    const to = Math.min(from + ZERO_STEP_BYTES, this.#limitBytes);
    if (from >= to || to > this.#offset + ZERO_AHEAD_BYTES) return;
    this.#fillFrom = from;
    this.#file.writeDurableAsync(ZEROS.subarray(0, to - from), from, (error) => this.#filled(to, error));
  }

  /** `done` is called when nothing touches the file any more. */
  close(done: () => void): void {
    assert(!this.#writing, 'WAL file closed during a write', { offset: this.#offset });
    this.#fillFailed = true;
    const close = (): void => {
      this.#file.close();
      done();
    };
    if (this.#fillFrom === undefined) close();
    else this.#afterFill = close;
  }

  #write(bytes: Uint8Array, done: IoDone): void {
    const ended: IoDone = (error) => {
      this.#writing = false;
      if (error === undefined) {
        this.#offset += bytes.length;
        this.fillAhead();
      }
      done(error);
    };
    if (this.#fillError !== undefined) ended(this.#fillError);
    else this.#file.writeDurableAsync(bytes, this.#offset, ended);
  }

  #filled(to: number, error: Error | undefined): void {
    this.#fillFrom = undefined;
    this.#zeroedTo = to;
    if (error !== undefined) {
      this.#fillFailed = true;
      // A full disk is no reason to stop while there is room in what was filled before; any other error may mean that
      // the kernel dropped data of this file.
      if (!isNoSpace(error)) this.#fillError = error;
    }
    const next = this.#afterFill;
    this.#afterFill = undefined;
    if (next !== undefined) next();
    else this.fillAhead();
  }
}

export function isNoSpace(error: Error): boolean {
  return 'code' in error && error.code === 'ENOSPC';
}
