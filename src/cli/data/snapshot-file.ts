/** A snapshot file, or the database file of an etcd that does not run. */
import { createHash } from 'node:crypto';
import { getUint64BE } from '../../base/bytes.ts';
import { NodeFileSystem } from '../../platform/node-file-system.ts';
import type { File } from '../../ports/file-system.ts';
import { DatabaseError, DatabaseReader } from '../../storage/bbolt/database-reader.ts';

const SHA256_BYTES = 32;
/** The size of a database is a multiple of this, so that the checksum behind it shows. */
const SECTOR_BYTES = 512;
const CHUNK_BYTES = 1024 * 1024;
/** How many chunks are hashed in one turn. */
const CHUNKS_PER_TURN = 16;

/** Runs `body` with the file open; what is wrong with it becomes an Error of one line that names it. */
export async function withDatabase<T>(
  path: string,
  body: (reader: DatabaseReader, file: File) => Promise<T>,
): Promise<T> {
  const file = openFile(path);
  try {
    return await body(new DatabaseReader(file), file);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new Error(`${path}: invalid database: ${error.message}`, { cause: error });
  } finally {
    file.close();
  }
}

function openFile(path: string): File {
  try {
    return new NodeFileSystem().open(path, 'read');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new Error(error.code === 'ENOENT' ? `stat ${path}: no such file or directory` : error.message, {
      cause: error,
    });
  }
}

/** Throws where the checksum at the end is missing or wrong. */
export async function checkHash(path: string, file: File, onProgress: (share: number) => void): Promise<void> {
  const size = file.size();
  if (size % SECTOR_BYTES !== SHA256_BYTES) {
    throw new Error(`${path}: snapshot missing hash but --skip-hash-check=false`);
  }
  const end = size - SHA256_BYTES;
  const hash = createHash('sha256');
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let at = 0, chunks = 1; at < end; at += CHUNK_BYTES, chunks++) {
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, end - at));
    if (file.read(chunk, at) !== chunk.length) throw new Error(`${path}: cannot be read`);
    hash.update(chunk);
    onProgress(at / end);
    if (chunks % CHUNKS_PER_TURN === 0) await new Promise((resolve) => void setImmediate(resolve));
  }
  const expected = new Uint8Array(SHA256_BYTES);
  file.read(expected, end);
  const found = hash.digest();
  if (!found.equals(expected)) {
    throw new Error(`${path}: expected sha256 ${Buffer.from(expected).toString('hex')}, got ${found.toString('hex')}`);
  }
}

/** The main revision in a key of bucket `key`. Throws DatabaseError. */
export function mainRevision(key: Uint8Array): number {
  if (key.length !== 17 && key.length !== 18) throw new DatabaseError(`bucket key: a key of ${key.length} bytes`);
  const main = getUint64BE(key, 0);
  if (!Number.isSafeInteger(main)) throw new DatabaseError('bucket key: a key that is no revision');
  return main;
}
