/** After a defragmentation the first reads must not wait for the disk, one page at a time, on the main thread. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openLmdbBackend } from '../../../../src/storage/lmdb/backend.ts';
import { warmUp } from '../../../../src/storage/lmdb/warm-up.ts';
import { commit, defragment } from '../../../conformance/backend/support.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-warm-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function warmedBytes(path: string, bytesMax: number): Promise<number> {
  return new Promise((resolve) => warmUp(path, bytesMax, resolve));
}

test('a file that fits is read as a whole', async () => {
  const path = join(dir, 'file');
  writeFileSync(path, new Uint8Array(3_000_001));
  expect(await warmedBytes(path, 1e9)).toBe(3_000_001);
  expect(await warmedBytes(path, 3_000_001)).toBe(3_000_001);
});

test('of a larger one the header and the end', async () => {
  const path = join(dir, 'file');
  writeFileSync(path, new Uint8Array(3_000_000));
  expect(await warmedBytes(path, 1_500_000)).toBe(65_536 + 1_500_000);
  // The two may not overlap.
  expect(await warmedBytes(path, 2_990_000)).toBe(3_000_000);
  writeFileSync(path, '');
  expect(await warmedBytes(path, 1e9)).toBe(0);
});

test('a file that is not there ends it at once', async () => {
  expect(await warmedBytes(join(dir, 'none'), 1e9)).toBe(0);
});

test('a defragmented file is in memory before it is used', async (context) => {
  const path = join(dir, 'data.mdb');
  const backend = openLmdbBackend({ path });
  for (let part = 0; part < 4; part++) {
    await commit(backend, (batch) => {
      for (let i = 0; i < 2000; i++) batch.put('rev', Buffer.from(`${part} ${i}`), new Uint8Array(3000).fill(i));
    });
  }
  await defragment(backend);
  const cached = spawnSync('fincore', ['--bytes', '--noheadings', '--raw', '--output', 'RES', path], {
    encoding: 'utf8',
  });
  backend.close();
  if (cached.error !== undefined) context.skip('fincore (util-linux) is missing');
  // Not all of it: a machine short of memory may take a page back at any time.
  expect(Number(cached.stdout)).toBeGreaterThan(0.9 * statSync(path).size);
});

test('the disk counts as busy until the former file is freed, and a moment longer', async () => {
  const backend = openLmdbBackend({ path: join(dir, 'data.mdb') });
  await commit(backend, (batch) => batch.put('rev', Buffer.from('key'), new Uint8Array(10)));
  await vi.waitFor(() => expect(backend.isWriting).toBe(false), { timeout: 10_000 });
  const view = backend.view();
  await defragment(backend);
  await vi.waitFor(() => expect(backend.isWriting).toBe(false), { timeout: 10_000 });
  // Its last reader goes, and with it the file.
  view.close();
  expect(backend.isWriting).toBe(true);
  await vi.waitFor(() => expect(backend.isWriting).toBe(false), { timeout: 10_000 });
  backend.close();
});
