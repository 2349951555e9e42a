/**
 * Reads a new data file into the kernel's cache, off this thread. LMDB copies a database past that cache (O_DIRECT), and
 * reads it through a mapping: each page that is not cached would then hold the event loop for a read of the disk.
 */
import { close, fstat, open, read } from 'node:fs';

const READ_BYTES = 1024 * 1024;
/** At the front of the file: which page is the root. */
const HEADER_BYTES = 64 * 1024;

/**
 * Reads the header and, of a file of more than `bytesMax`, only the end: a copy has its root there. `done` with the bytes
 * that were read; an error ends it early and is none to the caller, for whom nothing is lost but time.
 */
export function warmUp(path: string, bytesMax: number, done: (bytes: number) => void): void {
  open(path, 'r', (error, fd) => {
    if (error !== null) return done(0);
    const end = (bytes: number): void => close(fd, () => done(bytes));
    fstat(fd, (error, stat) => {
      if (error !== null) return end(0);
      const endStart = Math.max(0, stat.size - bytesMax);
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
      readPart(fd, buffer, 0, Math.min(HEADER_BYTES, endStart), (headerBytes) => {
        readPart(fd, buffer, endStart, stat.size, (bytes) => end(headerBytes + bytes));
      });
    });
  });
}

function readPart(fd: number, buffer: Buffer, from: number, to: number, done: (bytes: number) => void): void {
  let at = from;
  const next = (): void => {
    if (at >= to) return done(at - from);
    read(fd, buffer, 0, Math.min(buffer.length, to - at), at, (error, bytes) => {
      if (error !== null || bytes === 0) return done(at - from);
      at += bytes;
      next();
    });
  };
  next();
}
