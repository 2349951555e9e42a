/** The write instructions fill any mix of sizes without a gap, and the page audit sees what is wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SeededRandom } from '../../../../src/base/random.ts';
import { openLmdbBackend } from '../../../../src/storage/lmdb/backend.ts';
import { auditPages } from '../../../../src/storage/lmdb/page-audit.ts';
import type { PageAudit } from '../../../../src/storage/lmdb/page-audit.ts';
import { commit, defragment, withView } from '../../../conformance/backend/support.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-pages-'));
  path = join(dir, 'data.mdb');
});
afterEach(() => rmSync(dir, { recursive: true }));

test('one batch of keys and values of all sizes', async () => {
  const random = new SeededRandom(7);
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    key: Buffer.from(`${i}/`.padEnd(1 + random.below(1023), 'k')),
    value: new Uint8Array([0, 7, 8, 100, 5000, 16_384, 16_385, 17_000][random.below(8)]! + random.below(2)).fill(i),
  }));
  const backend = openLmdbBackend({ path, noSync: true });
  for (let round = 0; round < 2; round++) {
    await commit(backend, (batch) => {
      for (const { key, value } of rows) {
        batch.put('rev', key, value);
        batch.put('cur', key, value);
        batch.delete('cur', key);
      }
    });
    withView(backend, (view) => {
      const wrong = rows.filter(
        ({ key, value }) => Buffer.compare(view.get('rev', key) ?? Buffer.from('none'), value) !== 0,
      );
      expect(wrong).toEqual([]);
      expect(view.last('cur')).toBeUndefined();
    });
  }
  backend.close();
  expect(auditPages(path)).toMatchObject({ faults: [], leaked: 0 });
});

test('random loads neither lose a page nor use one twice', async () => {
  const random = new SeededRandom(8);
  const backend = openLmdbBackend({ path, noSync: true });
  const audits: PageAudit[] = [];
  for (let round = 0; round < 150; round++) {
    const view = random.below(3) === 0 ? backend.view() : undefined;
    await commit(backend, (batch) => {
      for (let i = random.below(10) === 0 ? 2000 : random.below(100); i > 0; i--) {
        const key = Buffer.from(`key ${random.below(3000)}`);
        const bytes = random.below(20) === 0 ? random.below(30_000) : random.below(500);
        if (random.below(3) === 0) batch.delete('cur', key);
        else batch.put('cur', key, new Uint8Array(bytes));
      }
    });
    if (round % 40 === 39) await defragment(backend);
    view?.close();
    if (round % 10 === 9) audits.push(auditPages(path));
  }
  backend.close();
  expect(audits.length).toBe(15);
  expect(audits.flatMap(({ faults }) => faults)).toEqual([]);
  expect(Math.max(...audits.map(({ leaked }) => leaked))).toBe(0);
});

// Found under random loads: the first commit after a defragmentation that freed more than about 250 pages ended the process.
test('a commit that frees many pages right after a defragmentation', async () => {
  const backend = openLmdbBackend({ path, noSync: true });
  const fill = (value: number): Promise<void> =>
    commit(backend, (batch) => {
      for (let i = 0; i < 20_000; i++) batch.put('rev', Buffer.from(`key ${i}`), new Uint8Array(500).fill(value));
    });
  await fill(1);
  await defragment(backend);
  await fill(2);
  await fill(3);
  backend.close();
  expect(auditPages(path)).toMatchObject({ faults: [], leaked: 0 });
});

test('the audit finds a page that is used and free', async () => {
  const backend = openLmdbBackend({ path });
  for (let round = 0; round < 4; round++) {
    await commit(backend, (batch) => {
      for (let i = 0; i < 300; i++) batch.put('rev', Buffer.from(`key ${i}`), new Uint8Array(300).fill(round));
    });
  }
  backend.close();
  expect(auditPages(path).faults).toEqual([]);
  // The root of the tables as of one commit with the free pages of another.
  const file = readFileSync(path);
  const root = { at: 24 + 24 + 48 + 40, bytes: 8 };
  const newest = file.readBigUInt64LE(152) > file.readBigUInt64LE(4096 + 152) ? 0 : 4096;
  file.copy(file, newest + root.at, 4096 - newest + root.at, 4096 - newest + root.at + root.bytes);
  writeFileSync(path, file);
  expect(auditPages(path).faults.join()).toMatch(/page \d+ of .* is also (free|used)/);
});
