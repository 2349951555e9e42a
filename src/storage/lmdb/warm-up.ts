/**
 * Reads a new data file into the kernel's cache, off this thread. LMDB copies a database past that cache (O_DIRECT), and
 * reads it through a mapping: each page that is not cached would then hold the event loop for a read of the disk.
 */
import { close, fstat, open, read } from 'node:fs';

const READ_BYTES = 256 * 1024;
/** Between two reads in the background, so that others get at the disk, and at memory that the kernel has to find. */
const PAUSE_MS = 1;
/** At the front of the file: which page is the root. */
const HEADER_BYTES = 64 * 1024;
/** At the end, where a copy has its root. */
const END_BYTES = 1024 * 1024;

/** Before a copy is opened: what opening it reads. An error is none to the caller, for whom nothing is lost but time. */
export function warmUpEnds(path: string, done: (bytes: number) => void): void {
  openFile(path, (fd, size) => {
    if (fd === undefined) return done(0);
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const endStart = Math.max(0, size - END_BYTES);
    const all = { isStopped: false, pauseMs: 0 };
    readPart(fd, buffer, 0, Math.min(HEADER_BYTES, endStart), all, (headerBytes) => {
      readPart(fd, buffer, endStart, size, all, (bytes) => close(fd, () => done(headerBytes + bytes)));
    });
  });
}

/** In the background: the whole file, or the last `bytesMax` of it. */
export class WarmUp {
  readonly #run = { isStopped: false, pauseMs: PAUSE_MS };

  constructor(path: string, bytesMax: number, done: (bytes: number) => void = () => {}) {
    openFile(path, (fd, size) => {
      if (fd === undefined) return done(0);
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
      const start = Math.max(0, size - bytesMax);
      readPart(fd, buffer, start, size, this.#run, (bytes) => close(fd, () => done(bytes)));
    });
  }

  /** The file is not used any more. */
  stop(): void {
    this.#run.isStopped = true;
  }
}

function openFile(path: string, opened: (fd: number | undefined, size: number) => void): void {
  open(path, 'r', (error, fd) => {
    if (error !== null) return opened(undefined, 0);
    fstat(fd, (error, stat) => {
      if (error === null) opened(fd, stat.size);
      else close(fd, () => opened(undefined, 0));
    });
  });
}

interface Run {
  readonly isStopped: boolean;
  readonly pauseMs: number;
}

function readPart(fd: number, buffer: Buffer, from: number, to: number, run: Run, done: (bytes: number) => void): void {
  let at = from;
  const next = (): void => {
    if (at >= to || run.isStopped) return done(at - from);
    read(fd, buffer, 0, Math.min(buffer.length, to - at), at, (error, bytes) => {
      if (error !== null || bytes === 0) return done(at - from);
      at += bytes;
      if (run.pauseMs === 0) next();
      else setTimeout(next, run.pauseMs).unref();
    });
  };
  next();
}
