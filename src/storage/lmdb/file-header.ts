/** Checks a data file before LMDB maps it: what LMDB finds missing later ends the process by a signal. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const META_PAGE_BYTES_MIN = 192;

export function checkDataFile(path: string): void {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(META_PAGE_BYTES_MIN);
    const read = readSync(fd, head, 0, head.length, 0);
    if (read < head.length) throw new Error(`damaged database file ${path}: only ${fstatSync(fd).size} bytes`);
  } finally {
    closeSync(fd);
  }
}
