/** After a defragmentation the first reads must not wait for the disk, one page at a time, on the main thread. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openLmdbBackend } from '../../../../src/storage/lmdb/backend.ts';
import { WarmUp, warmUpEnds } from '../../../../src/storage/lmdb/warm-up.ts';
import { commit, defragment } from '../../../conformance/backend/support.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-warm-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function warmed(path: string, bytesMax: number): Promise<number> {
  return new Promise((resolve) => void new WarmUp(path, bytesMax, resolve));
}

function warmedEnds(path: string): Promise<number> {
  return new Promise((resolve) => warmUpEnds(path, resolve));
}

test('a file that fits is read as a whole, of a larger one the end', async () => {
  const path = join(dir, 'file');
  writeFileSync(path, new Uint8Array(3_000_001));
  expect(await warmed(path, 1e9)).toBe(3_000_001);
  expect(await warmed(path, 3_000_001)).toBe(3_000_001);
  expect(await warmed(path, 1_500_000)).toBe(1_500_000);
});

test('before a file is opened its header and its end are read, which may overlap', async () => {
  const path = join(dir, 'file');
  writeFileSync(path, new Uint8Array(3_000_000));
  expect(await warmedEnds(path)).toBe(65_536 + 2 ** 20);
  writeFileSync(path, new Uint8Array(2 ** 20 + 1000));
  expect(await warmedEnds(path)).toBe(2 ** 20 + 1000);
  writeFileSync(path, '');
  expect(await warmedEnds(path)).toBe(0);
});

test('a file that is not there ends it at once, and stop() soon', async () => {
  expect(await warmed(join(dir, 'none'), 1e9)).toBe(0);
  expect(await warmedEnds(join(dir, 'none'))).toBe(0);
  const path = join(dir, 'file');
  writeFileSync(path, new Uint8Array(10_000_000));
  const bytes = await new Promise<number>((resolve) => new WarmUp(path, 1e9, resolve).stop());
  expect(bytes).toBeLessThan(1_000_000);
});

test('a defragmented file comes into memory by itself', async (context) => {
  const path = join(dir, 'data.mdb');
  const backend = openLmdbBackend({ path });
  for (let part = 0; part < 4; part++) {
    await commit(backend, (batch) => {
      for (let i = 0; i < 2000; i++) batch.put('rev', Buffer.from(`${part} ${i}`), new Uint8Array(3000).fill(i));
    });
  }
  await defragment(backend);
  const fincore = ['--bytes', '--noheadings', '--raw', '--output', 'RES', path];
  if (spawnSync('fincore', fincore).error !== undefined) context.skip('fincore (util-linux) is missing');
  const cachedBytes = (): number => Number(spawnSync('fincore', fincore, { encoding: 'utf8' }).stdout);
  // Not all of it: a machine short of memory may take a page back at any time.
  const wanted = 0.9 * statSync(path).size;
  await vi.waitFor(() => expect(cachedBytes()).toBeGreaterThan(wanted), { timeout: 20_000 });
  backend.close();
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
