/** `hashkv`: the hash that a server would answer with, of a database file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillDatabase } from '../../storage/bbolt/fill-database.ts';
import { MvccStore } from '../../mvcc/store.ts';
import { WriteBuffer } from '../../mvcc/write-buffer.ts';
import { openLmdbBackend } from '../../storage/lmdb/backend.ts';
import { startProgress } from '../progress.ts';
import type { Fact } from '../write-out.ts';
import { withDatabase } from './snapshot-file.ts';

/** Rows per step, between which the bar moves. */
const UNITS = 10_000;

export interface OfflineHashKv {
  readonly hash: number;
  readonly hashRevision: number;
  readonly compactRevision: number;
}

/**
 * `revision`: 0 is the current one. What counts depends on which versions of a key are the newest, so the database is brought
 * into our form first, in a temporary directory: memory does not grow with the keys.
 */
export async function offlineHashKv(path: string, revision: number): Promise<OfflineHashKv> {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-hashkv-'));
  const progress = await startProgress('Hashing');
  try {
    return await withDatabase(path, async (reader) => {
      const backend = openLmdbBackend({ path: join(dir, 'copy.mdb'), noSync: true });
      try {
        await fillDatabase(reader, backend, (share) => progress.update(share));
        return hashOf(new WriteBuffer(backend), revision);
      } finally {
        backend.close();
      }
    });
  } finally {
    progress.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

function hashOf(buffer: WriteBuffer, revision: number): OfflineHashKv {
  const job = new MvccStore(buffer).hashKvJob(revision);
  try {
    while (!job.step(UNITS));
    const { hash, hashRevision, compactRevision } = job.result();
    return { hash, hashRevision, compactRevision };
  } finally {
    job.close();
    buffer.close();
  }
}

export function hashKvFacts({ hash, hashRevision, compactRevision }: OfflineHashKv): Fact[] {
  return [
    { json: 'hash', field: 'Hash', column: 'hash', value: hash },
    { json: 'hashRevision', field: 'Hash revision', column: 'hash revision', value: hashRevision },
    { json: 'compactRevision', field: 'Compact revision', column: 'compact revision', value: compactRevision },
  ];
}
