/** The reader of etcd's database files: what a member sends must not be able to hang, crash or fill this one. */
import { describe, expect, test } from 'vitest';
import { utf8Encode } from '../../../../src/base/utf8.ts';
import { SeededRandom } from '../../../../src/base/random.ts';
import type { File } from '../../../../src/ports/file-system.ts';
import { DatabaseError, DatabaseReader } from '../../../../src/storage/bbolt/database-reader.ts';
import { DatabaseWriter } from '../../../../src/storage/bbolt/database-writer.ts';
import {
  PAGE_BRANCH,
  PAGE_BYTES,
  PAGE_LEAF,
  encodeMetaPage,
  writePageHeader,
} from '../../../../src/storage/bbolt/format.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';

type Rows = readonly (readonly [string, Uint8Array])[];

function fileOf(bytes: Uint8Array): File {
  const files = new MemoryFileSystem();
  const file = files.open('/db', 'create');
  file.write(bytes, 0);
  return file;
}

/** A database of these buckets, as a file's bytes. */
function databaseOf(buckets: ReadonlyMap<string, Rows>): Uint8Array {
  const files = new MemoryFileSystem();
  const file = files.open('/db', 'create');
  const writer = new DatabaseWriter(file);
  for (const [name, rows] of buckets) {
    writer.beginBucket(name);
    for (const [key, value] of rows) writer.add(utf8Encode(key), value);
    writer.endBucket();
  }
  writer.finish();
  return files.bytesOf('/db');
}

/** Everything in it. Gives up where there is more than a file of this size can hold. */
function contents(bytes: Uint8Array): Map<string, [string, Uint8Array][]> {
  const reader = new DatabaseReader(fileOf(bytes));
  const found = new Map<string, [string, Uint8Array][]>();
  let count = 0;
  for (const [name, bucket] of reader.buckets()) {
    const rows: [string, Uint8Array][] = [];
    for (const { key, value } of reader.rows(bucket)) {
      if (++count > 1_000_000) throw new Error('there is no end to the rows');
      rows.push([Buffer.from(key).toString('latin1'), value]);
    }
    found.set(name, rows);
  }
  return found;
}

/** Whether it reads. Anything thrown but a DatabaseError fails the test. */
function reads(bytes: Uint8Array, label: string): boolean {
  try {
    contents(bytes);
    return true;
  } catch (error) {
    if (error instanceof DatabaseError) return false;
    throw new Error(label, { cause: error });
  }
}

function numbered(count: number, valueBytes: number): Rows {
  return Array.from({ length: count }, (_, at) => [
    `key${String(at).padStart(6, '0')}`,
    new Uint8Array(valueBytes).fill(at),
  ]);
}

const small = databaseOf(
  new Map<string, Rows>([
    ['empty', []],
    ['key', numbered(600, 20)],
    ['large', numbered(3, 9000)],
    ['meta', numbered(2, 8)],
  ]),
);

describe('a whole database', () => {
  test('reads as it was written: empty buckets, branches, values over many pages', () => {
    const found = contents(small);
    expect([...found.keys()]).toEqual(['empty', 'key', 'large', 'meta']);
    expect(found.get('empty')).toEqual([]);
    expect(found.get('key')).toEqual(numbered(600, 20));
    expect(found.get('large')).toEqual(numbered(3, 9000));
  });

  test('reads by the other meta when one is damaged', () => {
    for (const page of [0, 1]) {
      const bytes = small.slice();
      bytes.fill(0xff, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      expect([...contents(bytes).keys()]).toEqual(['empty', 'key', 'large', 'meta']);
    }
  });
});

describe('a damaged database', () => {
  test('cut short anywhere', () => {
    for (let length = 0; length < small.length; length += 509) {
      expect(reads(small.slice(0, length), `cut to ${length}`), `cut to ${length}`).toBe(false);
    }
  });

  test('bytes changed at random, mostly where lengths and page numbers are', () => {
    let refused = 0;
    for (let seed = 0; seed < 1500; seed++) {
      const random = new SeededRandom(seed);
      const bytes = small.slice();
      const pages = bytes.length / PAGE_BYTES;
      for (let changes = random.below(4); changes >= 0; changes--) {
        const at = (2 + random.below(pages - 2)) * PAGE_BYTES + random.below(random.below(2) === 0 ? 64 : PAGE_BYTES);
        bytes[at] = random.below(2) === 0 ? random.below(256) : random.below(8);
      }
      if (!reads(bytes, `seed ${seed}`)) refused++;
    }
    expect(refused).toBeGreaterThan(300);
  });

  test('random bytes behind whole metas', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new SeededRandom(seed);
      const bytes = small.slice();
      for (let at = 2 * PAGE_BYTES; at < bytes.length; at++) bytes[at] = random.below(seed % 2 === 0 ? 256 : 4);
      expect(reads(bytes, `seed ${seed}`)).toBe(false);
    }
  });

  test.each([
    ['itself', () => 3],
    ['the one after it', (page: number) => page + 1],
  ])('branches full of %s have an end', (_, childOf) => {
    const pages = 40;
    const bytes = new Uint8Array(pages * PAGE_BYTES);
    const meta = { rootPage: 3, freelistPage: 2, highWater: pages };
    for (const id of [0, 1]) bytes.set(encodeMetaPage(id, { ...meta, txid: 2 - id }), id * PAGE_BYTES);
    for (let id = 3; id < pages; id++) {
      const page = bytes.subarray(id * PAGE_BYTES, (id + 1) * PAGE_BYTES);
      const isLast = id === pages - 1;
      writePageHeader(page, { id, flags: isLast ? PAGE_LEAF : PAGE_BRANCH, count: isLast ? 0 : 200, overflow: 0 });
      const view = new DataView(page.buffer, page.byteOffset);
      for (let i = 0; i < 200 && !isLast; i++) view.setBigUint64(16 + i * 16 + 8, BigInt(childOf(id)), true);
    }
    expect(reads(bytes, 'a tree without an end')).toBe(false);
  });

  test('a page that claims to go on beyond the file takes no memory', () => {
    const bytes = small.slice();
    const meta = { freelistPage: 2, highWater: 2 ** 40 };
    const root = bytes.length / PAGE_BYTES - 1;
    for (const id of [0, 1]) bytes.set(encodeMetaPage(id, { ...meta, rootPage: root, txid: 9 - id }), id * PAGE_BYTES);
    writePageHeader(bytes.subarray(root * PAGE_BYTES), { id: root, flags: 2, count: 1, overflow: 0xfffffff });
    expect(reads(bytes, 'overflow')).toBe(false);
  });

  test('a page size that no database has', () => {
    for (const pageBytes of [0, 1, 1000, 2 ** 31]) {
      const bytes = small.slice();
      for (const id of [0, 1]) {
        const page = bytes.subarray(id * PAGE_BYTES, (id + 1) * PAGE_BYTES);
        page.set(withPageBytes(page, pageBytes));
      }
      expect(reads(bytes, `pages of ${pageBytes}`)).toBe(false);
    }
  });
});

/** A meta page that is whole, but for its statement about pages. */
function withPageBytes(page: Uint8Array, pageBytes: number): Uint8Array {
  const out = page.slice();
  const view = new DataView(out.buffer);
  view.setUint32(16 + 8, pageBytes, true);
  let hash = 0xcbf29ce484222325n;
  for (const byte of out.subarray(16, 16 + 56)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  view.setBigUint64(16 + 56, hash, true);
  return out;
}
