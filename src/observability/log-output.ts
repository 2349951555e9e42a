/**
 * Where log lines go. Lines are written at once and in order, so that nothing is lost when the process is killed; but a reader
 * that is slow must not hold up the event loop, and one that is gone must not end the process.
 */

import fs from 'node:fs';
import { RotatingFile, type RotationOptions } from './rotating-file.ts';

/** What may wait for a slow reader; beyond it lines are dropped. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_MS = 20;
const EXIT_TRIES = 20;
const EXIT_TRY_MS = 5;

export interface LogOutput {
  write(line: string): void;
  /** Writes what waits, as far as it goes within a fraction of a second. */
  flush(): void;
}

export class FdOutput implements LogOutput {
  readonly #fd: number;
  /** Bytes the reader has not taken yet; empty nearly always. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(fd: number) {
    this.#fd = fd;
    process.on('exit', () => this.flush());
  }

  /** Lines dropped because the reader was too slow. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retry === undefined) this.#drain();
  }

  flush(): void {
    for (let i = 0; i < EXIT_TRIES && this.#waitingBytes > 0; i++) {
      if (i > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_TRY_MS);
      this.#drain();
    }
  }

  #drain(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    while (this.#waitingBytes > 0) {
      const bytes = this.#waiting.length === 1 ? this.#waiting[0] : Buffer.concat(this.#waiting);
      const written = this.#tryWrite(bytes ?? Buffer.alloc(0));
      const rest = bytes?.subarray(written) ?? Buffer.alloc(0);
      this.#waiting = rest.length > 0 ? [rest] : [];
      this.#waitingBytes = rest.length;
      if (written === 0) {
        this.#retry = setTimeout(() => this.#drain(), RETRY_MS).unref();
        return;
      }
    }
  }

  /** How many bytes are done with: 0 = try again later. A log that cannot be written (EPIPE, EIO, ENOSPC...) is let go. */
  #tryWrite(bytes: Buffer): number {
    try {
      return fs.writeSync(this.#fd, bytes);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : bytes.length;
    }
  }
}

/** `default` and `stderr`, `stdout`, or the path of a file to append to. Throws what opening the file throws. */
export function openLogOutput(output: string, rotation?: RotationOptions): LogOutput {
  if (output === 'default' || output === 'stderr') return new FdOutput(unblocked(2));
  if (output === 'stdout') return new FdOutput(unblocked(1));
  return rotation === undefined ? new FdOutput(fs.openSync(output, 'a', 0o600)) : new RotatingFile(output, rotation);
}

/** A write to a full pipe would block: opens the pipe once more, for this process alone, so that it does not. */
function unblocked(fd: number): number {
  try {
    if (!fs.fstatSync(fd).isFIFO()) return fd;
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}

export function teeOutput(outputs: readonly LogOutput[]): LogOutput {
  return {
    write: (line) => {
      for (const output of outputs) output.write(line);
    },
    flush: () => {
      for (const output of outputs) output.flush();
    },
  };
}

/** Tab-separated, for people, from JSON lines. */
export function consoleOutput(output: LogOutput): LogOutput {
  return {
    write: (line) => {
      const { level, ts, caller, msg, ...fields } = JSON.parse(line) as Record<string, string>;
      const rest = Object.keys(fields).length === 0 ? '' : `\t${JSON.stringify(fields)}`;
      output.write(`${ts}\t${level}\t${caller}\t${msg}${rest}\n`);
    },
    flush: () => output.flush(),
  };
}
