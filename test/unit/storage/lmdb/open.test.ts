/** What openLmdbBackend makes of what it finds on disk. */
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WriteBatch } from '../../../../src/mvcc/backend.ts';
import { openLmdbBackend } from '../../../../src/storage/lmdb/backend.ts';
import type { LmdbBackend } from '../../../../src/storage/lmdb/backend.ts';
import { auditPages } from '../../../../src/storage/lmdb/page-audit.ts';
import { commit, commitBatch, defragment, withView } from '../../../conformance/backend/support.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-open-'));
  path = join(dir, 'data.mdb');
});
afterEach(() => rmSync(dir, { recursive: true }));

async function fill(backend: LmdbBackend, rows: number, valueBytes: number): Promise<void> {
  await commit(backend, (batch) => {
    for (let i = 0; i < rows; i++) batch.put('rev', Buffer.from(`key ${i}`), new Uint8Array(valueBytes).fill(i));
  });
}

describe('files', () => {
  test('the directory is 0700, the files 0600, and none comes or goes between commits', async () => {
    path = join(dir, 'member', 'snap', 'data.mdb');
    const backend = openLmdbBackend({ path });
    const names = ['data.mdb', 'data.mdb-lock'];
    expect(readdirSync(join(dir, 'member', 'snap')).sort()).toEqual(names);
    expect(statSync(join(dir, 'member', 'snap')).mode & 0o777).toBe(0o700);
    for (let round = 0; round < 3; round++) {
      await fill(backend, 100, 100);
      expect(readdirSync(join(dir, 'member', 'snap')).sort()).toEqual(names);
    }
    await defragment(backend);
    expect(readdirSync(join(dir, 'member', 'snap')).sort()).toEqual(names);
    for (const name of names) expect(statSync(join(dir, 'member', 'snap', name)).mode & 0o777).toBe(0o600);
    backend.close();
  });

  test('what a crash left under the temporary name is removed', async () => {
    const backend = openLmdbBackend({ path });
    await fill(backend, 10, 10);
    backend.close();
    writeFileSync(`${path}.tmp`, readFileSync(path));
    writeFileSync(`${path}.tmp-lock`, 'x');
    openLmdbBackend({ path }).close();
    expect(readdirSync(dir).sort()).toEqual(['data.mdb', 'data.mdb-lock']);
  });

  test('a crash before the first file got its name leaves an empty store', () => {
    writeFileSync(`${path}.tmp`, new Uint8Array(5000));
    const backend = openLmdbBackend({ path });
    withView(backend, (view) => expect(view.last('rev')).toBeUndefined());
    backend.close();
  });
});

describe('damaged and foreign files are refused with their name', () => {
  const cases: [name: string, damage: (bytes: Buffer) => Buffer, reason: RegExp][] = [
    ['empty', () => Buffer.alloc(0), /has only 0 bytes/],
    ['half a meta page', (bytes) => bytes.subarray(0, 100), /has only 100 bytes/],
    ['one meta page', (bytes) => bytes.subarray(0, 4096), /has only 4096 bytes/],
    ['text', () => Buffer.from('not a database\n'.repeat(1000)), /not an LMDB file/],
    ['zeros', (bytes) => Buffer.alloc(bytes.length), /not an LMDB file/],
    ['second meta page overwritten', (bytes) => bytes.fill(0, 4096, 8192), /second meta page/],
    ['another format', (bytes) => bytes.fill(1, 28, 29), /version 1, not 2/],
    ['cut short', (bytes) => bytes.subarray(0, bytes.length >> 1), /of \d+ bytes/],
    ['last page missing', (bytes) => bytes.subarray(0, bytes.length - 4096), /of \d+ bytes/],
  ];
  test.each(cases)('%s', async (_name, damage, reason) => {
    const backend = openLmdbBackend({ path });
    await fill(backend, 500, 3000);
    backend.close();
    writeFileSync(path, damage(readFileSync(path)));
    expect(() => openLmdbBackend({ path })).toThrow(reason);
    expect(() => openLmdbBackend({ path })).toThrow(path);
  });

  test('a directory that cannot be entered', () => {
    writeFileSync(join(dir, 'file'), '');
    expect(() => openLmdbBackend({ path: join(dir, 'file', 'data.mdb') })).toThrow(join(dir, 'file'));
  });
});

test('a file that lacks free pages at its end is healthy', async () => {
  const backend = openLmdbBackend({ path });
  await fill(backend, 500, 3000);
  await commit(backend, (batch) => {
    for (let i = 0; i < 500; i++) batch.delete('rev', Buffer.from(`key ${i}`));
  });
  // The pages that the newest commits use move to the front as those there become free.
  for (let round = 0; round < 5; round++) await fill(backend, 1, 1);
  backend.close();
  const { lastPage, pageBytes, free, leaked, faults } = auditPages(path);
  expect({ leaked, faults }).toEqual({ leaked: 0, faults: [] });
  expect(free).toBeGreaterThan(300);
  const usedEnd = lastUsedPage(path, lastPage, pageBytes);
  expect(usedEnd).toBeLessThan(lastPage);
  truncateSync(path, (usedEnd + 1) * pageBytes);
  const again = openLmdbBackend({ path });
  await fill(again, 800, 3000);
  withView(again, (view) => expect(view.get('rev', Buffer.from('key 799'))?.length).toBe(3000));
  again.close();
});

/** By cutting pages off until the audit complains. */
function lastUsedPage(file: string, lastPage: number, pageBytes: number): number {
  const copy = `${file}.copy`;
  writeFileSync(copy, readFileSync(file));
  let last = lastPage;
  while (last > 0) {
    truncateSync(copy, last * pageBytes);
    if (auditPages(copy).faults.length > 0) break;
    last--;
  }
  rmSync(copy);
  return last;
}

test('views are counted, and the age of the oldest is known', async () => {
  const backend = openLmdbBackend({ path });
  expect([backend.openViews(), backend.oldestViewMs()]).toEqual([0, 0]);
  const first = backend.view();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const second = backend.view();
  expect(backend.openViews()).toBe(2);
  const before = { atMs: performance.now(), ageMs: backend.oldestViewMs() };
  expect(before.ageMs).toBeGreaterThan(15);
  first.close();
  // The second is 20 ms younger, however long this takes on a busy machine.
  const after = { ageMs: backend.oldestViewMs(), atMs: performance.now() };
  expect(after.ageMs).toBeLessThan(before.ageMs + (after.atMs - before.atMs) - 10);
  expect(() => backend.close()).toThrow(/open views/);
  second.close();
  backend.close();
});

test('a thousand views can be open at once', async () => {
  const backend = openLmdbBackend({ path });
  await fill(backend, 1, 1);
  const views = Array.from({ length: 1000 }, () => backend.view());
  for (const view of views) expect(view.get('rev', Buffer.from('key 0'))?.length).toBe(1);
  for (const view of views) view.close();
  backend.close();
});

test('a defragmentation that fails leaves the store as it was', async () => {
  const backend = openLmdbBackend({ path });
  await fill(backend, 500, 1000);
  if (process.getuid?.() === 0) writeFileSync(`${path}.tmp`, 'in the way');
  else chmodSync(dir, 0o500);
  await expect(defragment(backend)).rejects.toThrow(path);
  chmodSync(dir, 0o700);
  await fill(backend, 600, 1000);
  await defragment(backend);
  withView(backend, (view) => expect(view.get('rev', Buffer.from('key 599'))?.length).toBe(1000));
  backend.close();
});

test('an empty batch is a commit', async () => {
  const backend = openLmdbBackend({ path });
  await fill(backend, 1, 1);
  await commitBatch(backend, new WriteBatch());
  withView(backend, (view) => expect(view.get('rev', Buffer.from('key 0'))?.length).toBe(1));
  backend.close();
});
