import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NodeFileSystem } from '../../../../src/platform/node-file-system.ts';
import { DatabaseReader } from '../../../../src/storage/bbolt/database-reader.ts';
import { DatabaseWriter } from '../../../../src/storage/bbolt/database-writer.ts';
import { PAGE_BRANCH, PAGE_BYTES } from '../../../../src/storage/bbolt/format.ts';
import { TreeWriter } from '../../../../src/storage/bbolt/tree-writer.ts';
import { etcdToolPath } from '../../../support/real-etcd.ts';

/** Long keys make branches of two children, so that few rows make a tall tree. */
const KEY_BYTES = 1500;

function keyOf(at: number): Uint8Array {
  return Buffer.from(String(at).padStart(KEY_BYTES, '0'));
}

/** The pages of a tree of that many rows, and its root. */
function writeTree(rows: number): { pages: Map<number, Uint8Array>; root: number | undefined } {
  const pages = new Map<number, Uint8Array>();
  let nextPage = 3;
  const tree = new TreeWriter({
    get nextPage() {
      return nextPage;
    },
    write: (bytes) => {
      pages.set(nextPage, bytes.slice());
      nextPage += bytes.length / PAGE_BYTES;
    },
  });
  for (let at = 0; at < rows; at++) tree.add(keyOf(at), Buffer.from(`value ${at}`), 0);
  return { pages, root: tree.finish() };
}

/** How many pages are reached from `page`; fails for a branch with one child. */
function reached(pages: Map<number, Uint8Array>, page: number): number {
  const bytes = pages.get(page) as Uint8Array;
  const view = new DataView(bytes.buffer);
  if (view.getUint16(8, true) !== PAGE_BRANCH) return 1;
  const children = view.getUint16(10, true);
  expect(children).toBeGreaterThan(1);
  let count = 1;
  for (let i = 0; i < children; i++) count += reached(pages, Number(view.getBigUint64(16 + 16 * i + 8, true)));
  return count;
}

test('every page is part of the tree, and no branch has a single child, whatever the number of rows', () => {
  expect(writeTree(0)).toEqual({ pages: new Map(), root: undefined });
  for (let rows = 1; rows <= 70; rows++) {
    const { pages, root } = writeTree(rows);
    expect(reached(pages, root as number)).toBe(pages.size);
  }
});

test.each([1, 2, 3, 5, 8, 33, 500])('a database of %i rows reads back, with etcd too', (rows) => {
  const dir = mkdtempSync(join(tmpdir(), 'tree-writer-'));
  try {
    const path = join(dir, 'db');
    const file = new NodeFileSystem().open(path, 'create');
    const writer = new DatabaseWriter(file);
    writer.beginBucket('key');
    for (let at = 0; at < rows; at++) writer.add(keyOf(at), Buffer.from(`value ${at}`));
    writer.endBucket();
    writer.beginBucket('meta');
    writer.endBucket();
    writer.finish();
    const reader = new DatabaseReader(file);
    const found = [...reader.rows(reader.buckets().get('key') as Uint8Array)];
    expect(found.map(({ value }) => Buffer.from(value).toString())).toEqual(
      Array.from({ length: rows }, (_, at) => `value ${at}`),
    );
    expect(found.every(({ key }, at) => Buffer.from(key).equals(keyOf(at)))).toBe(true);
    file.close();
    // Checks every page.
    const status = spawnSync(etcdToolPath('etcdutl'), ['snapshot', 'status', path, '-w', 'json'], { encoding: 'utf8' });
    expect([status.stderr, status.status]).toEqual(['', 0]);
    expect(JSON.parse(status.stdout)).toMatchObject({ totalKey: rows });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
