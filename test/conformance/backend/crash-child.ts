/**
 * Commits batch after batch to the file given, and writes a batch's number to stdout once it is done. Meant to be killed.
 * Batch n puts n into meta/index and a row per table and i, of which batch n + KEPT deletes those again.
 */
import { writeSync } from 'node:fs';
import { WriteBatch } from '../../../src/mvcc/backend.ts';
import { openLmdbBackend } from '../../../src/storage/lmdb/backend.ts';
import { INDEX_KEY, KEPT, batchRowKey, batchRows, readIndex } from './crash-rows.ts';

const backend = openLmdbBackend({ path: process.argv[2]! });
const defragmentEvery = Number(process.argv[3]);

function step(n: number): void {
  if (n % defragmentEvery === 0) {
    backend.defragment((error) => {
      if (error !== undefined) throw error;
      writeSync(1, 'd\n');
      commit(n);
    });
  } else {
    commit(n);
  }
}

function commit(n: number): void {
  const batch = new WriteBatch();
  batch.put('meta', INDEX_KEY, Buffer.from(`${n}`));
  for (const table of ['cur', 'rev', 'hist'] as const) {
    for (let i = 0; i < batchRows(n); i++) {
      batch.put(table, batchRowKey(n, i), new Uint8Array((i * 37) % 3000).fill(n));
    }
    if (n > KEPT) for (let i = 0; i < batchRows(n - KEPT); i++) batch.delete(table, batchRowKey(n - KEPT, i));
  }
  backend.commit(batch, (error) => {
    if (error !== undefined) throw error;
    writeSync(1, `${n}\n`);
    step(n + 1);
  });
}

step(readIndex(backend) + 1);
