/**
 * Commits 200 rows of 1 kB at a time to the file given, so many times, and writes a line before and after each commit. On an
 * error writes what became of it, and how many rows are there.
 */
import { writeSync } from 'node:fs';
import { WriteBatch } from '../../../../src/mvcc/backend.ts';
import type { Backend } from '../../../../src/mvcc/backend.ts';
import { openLmdbBackend } from '../../../../src/storage/lmdb/backend.ts';

const path = process.argv[2]!;
const commits = Number(process.argv[3]);
const backend = openLmdbBackend({ path });

function step(n: number): void {
  if (n === commits) {
    backend.close();
    return;
  }
  const batch = new WriteBatch();
  for (let i = 0; i < 200; i++) batch.put('rev', Buffer.from(`${n}/${i}`), new Uint8Array(1000));
  writeSync(1, `commit ${n}\n`);
  backend.commit(batch, (error) => {
    if (error === undefined) {
      writeSync(1, `done ${n}\n`);
      step(n + 1);
    } else {
      reportFailure(error);
    }
  });
}

function reportFailure(error: Error): void {
  writeSync(1, `failed: ${error.message}\n`);
  for (const use of [() => backend.view(), () => backend.commit(new WriteBatch(), () => {})]) {
    try {
      use();
      writeSync(1, 'still usable\n');
    } catch {
      writeSync(1, 'refused\n');
    }
  }
  backend.close();
  writeSync(1, `rows ${countRows(openLmdbBackend({ path }))}\n`);
}

function countRows(reopened: Backend): number {
  const view = reopened.view();
  const cursor = view.cursor('rev');
  let rows = 0;
  for (let on = cursor.seek(new Uint8Array(0)); on; on = cursor.next()) rows++;
  view.close();
  return rows;
}

step(0);
