/** A process killed at any moment: what it reported as done is there, a batch is there whole or not at all. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { openLmdbBackend } from '../../../src/storage/lmdb/backend.ts';
import { auditPages } from '../../../src/storage/lmdb/page-audit.ts';
import { KEPT, batchRowKey, batchRows, readIndex } from './crash-rows.ts';

const CHILD = join(import.meta.dirname, 'crash-child.ts');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-crash-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Runs the child until `lines` lines came and `delayMs` went by, kills it; returns the last batch that it reported, if any. */
function runAndKill(
  path: string,
  defragmentEvery: number,
  lines: number,
  delayMs: number,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, path, String(defragmentEvery)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    let killing = false;
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (!killing && output.split('\n').length > lines) {
        killing = true;
        setTimeout(() => child.kill('SIGKILL'), delayMs);
      }
    });
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`child ended with ${code} ${signal}`));
      const done = output
        .split('\n')
        .slice(0, -1)
        .filter((line) => line !== 'd');
      resolve(done.length === 0 ? undefined : Number(done.at(-1)));
    });
  });
}

/** Returns the newest batch. */
function expectWhole(path: string, reported: number): number {
  const backend = openLmdbBackend({ path });
  const index = readIndex(backend);
  expect(index).toBeGreaterThanOrEqual(reported);
  expect(index).toBeLessThanOrEqual(reported + 1);
  const view = backend.view();
  for (const table of ['cur', 'rev', 'hist'] as const) {
    let expected = 0;
    for (let n = Math.max(1, index - KEPT + 1); n <= index; n++) {
      expected += batchRows(n);
      for (let i = 0; i < batchRows(n); i++) {
        const value = view.get(table, batchRowKey(n, i));
        if (value?.length !== (i * 37) % 3000 || value.some((byte) => byte !== (n & 0xff))) {
          throw new Error(`batch ${n} of ${index} row ${i} of ${table}: ${value?.length} bytes`);
        }
      }
    }
    let rows = 0;
    const cursor = view.cursor(table);
    for (let on = cursor.seek(new Uint8Array(0)); on; on = cursor.next()) rows++;
    expect(rows).toBe(expected);
  }
  view.close();
  backend.close();
  expect(auditPages(path)).toMatchObject({ faults: [], leaked: 0 });
  return index;
}

test('kill -9 during commits', async () => {
  const path = join(dir, 'data.mdb');
  const random = new SeededRandom(1);
  let newest = 0;
  for (let round = 0; round < 5; round++) {
    const reported = await runAndKill(path, 1_000_000, 1 + random.below(60), random.below(5));
    newest = expectWhole(path, reported ?? newest);
  }
  expect(newest).toBeGreaterThan(5);
});

test('kill -9 during defragmentations', async () => {
  const path = join(dir, 'data.mdb');
  const random = new SeededRandom(2);
  let newest = 0;
  for (let round = 0; round < 5; round++) {
    const reported = await runAndKill(path, 3, 1 + random.below(30), random.below(8));
    newest = expectWhole(path, reported ?? newest);
    expect(readdirSync(dir).sort()).toEqual(['data.mdb', 'data.mdb-lock']);
  }
});
