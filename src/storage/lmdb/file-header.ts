/**
 * Checks a data file before LMDB maps it. LMDB itself only looks at the first page; reading a page that is missing at the
 * end of the file would end the process by a signal.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { auditPages } from './page-audit.ts';

const MAGIC = 0xbeefc0de;
const FORMAT_VERSION = 2;
const META_BYTES = 192;

/** Offsets in a meta page. */
const MAGIC_AT = 24;
const VERSION_AT = 28;
const PAGE_SIZE_AT = 48;
const LAST_PAGE_AT = 144;
const TXN_AT = 152;

/** Throws an Error that names the file and says what is wrong with it. */
export function checkDataFile(path: string): void {
  const fault = findFault(path);
  if (fault !== undefined) throw new Error(`damaged or foreign database file ${path}: ${fault}`);
}

function findFault(path: string): string | undefined {
  const fd = openSync(path, 'r');
  try {
    const bytes = fstatSync(fd).size;
    const first = readMeta(fd, 0);
    if (first === undefined) return `it has only ${bytes} bytes`;
    const fault = metaFault(first);
    if (fault !== undefined) return fault;
    const pageBytes = first.readUInt32LE(PAGE_SIZE_AT);
    const second = readMeta(fd, pageBytes);
    if (second === undefined) return `it has only ${bytes} bytes`;
    const secondFault = metaFault(second);
    if (secondFault !== undefined) return `${secondFault} (second meta page)`;
    const newest = first.readBigUInt64LE(TXN_AT) > second.readBigUInt64LE(TXN_AT) ? first : second;
    const expected = (Number(newest.readBigUInt64LE(LAST_PAGE_AT)) + 1) * pageBytes;
    return bytes < expected ? missingPagesFault(path, bytes, expected) : undefined;
  } finally {
    closeSync(fd);
  }
}

function readMeta(fd: number, position: number): Buffer | undefined {
  const meta = Buffer.alloc(META_BYTES);
  return readSync(fd, meta, 0, META_BYTES, position) === META_BYTES ? meta : undefined;
}

function metaFault(meta: Buffer): string | undefined {
  if (meta.readUInt32LE(MAGIC_AT) !== MAGIC) return 'it is not an LMDB file';
  const version = meta.readUInt32LE(VERSION_AT) & 0xffff;
  if (version !== FORMAT_VERSION) return `its format is version ${version}, not ${FORMAT_VERSION}`;
  return undefined;
}

/** The last pages of a healthy file may be missing when they are free: they were never written. */
function missingPagesFault(path: string, bytes: number, expected: number): string | undefined {
  const fault = auditPages(path).faults[0];
  return fault === undefined ? undefined : `it has ${bytes} of ${expected} bytes; ${fault}`;
}
