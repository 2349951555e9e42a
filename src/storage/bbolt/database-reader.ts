/**
 * Reads a database file of etcd: its buckets, and the rows of one in key order. Holds one page and the path to it in memory.
 * The file may come from another member or from a broken disk: whatever it holds, reading it ends, and in nothing but a
 * DatabaseError. Pages have no checksums: what is found is what contradicts itself.
 */
import { EMPTY, compareBytes } from '../../base/bytes.ts';
import type { File } from '../../ports/file-system.ts';
import {
  BUCKET_HEADER_BYTES,
  ELEMENT_BYTES,
  LEAF_BUCKET,
  PAGE_BRANCH,
  PAGE_HEADER_BYTES,
  PAGE_LEAF,
  readMeta,
  type Meta,
} from './format.ts';

export interface DatabaseRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

interface Element extends DatabaseRow {
  readonly flags: number;
}

/** The keys that may be below a page: from one up to another, which is not among them. */
interface KeyBounds {
  readonly from: Uint8Array;
  readonly to: Uint8Array | undefined;
}

const ALL_KEYS: KeyBounds = { from: EMPTY, to: undefined };

/** The largest page that bbolt makes. */
const PAGE_BYTES_MAX = 64 * 1024;
const PAGE_BYTES_MIN = 512;

/** The file is not a database, or is damaged. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** Deeper than any tree of 2^64 rows. */
const DEPTH_MAX = 64;

/** On the way through a tree, which holds no page twice. */
interface Walk {
  pagesLeft: number;
  depth: number;
}

export class DatabaseReader {
  readonly #file: File;
  readonly #pageBytes: number;
  readonly #meta: Meta;
  #pagesRead = 0;

  /** Throws DatabaseError. */
  constructor(file: File) {
    this.#file = file;
    const metas = candidates(file);
    const newest = metas.sort((a, b) => b.meta.txid - a.meta.txid)[0];
    if (newest === undefined) throw new DatabaseError('no valid meta page');
    this.#pageBytes = newest.pageBytes;
    this.#meta = newest.meta;
    if (this.#meta.highWater * this.#pageBytes > file.size()) throw new DatabaseError('the file is cut short');
  }

  /** Of the file's pages, free ones among them. */
  get pages(): number {
    return this.#meta.highWater;
  }

  /** For those who wait: about how many of `pages` were read. */
  get pagesRead(): number {
    return this.#pagesRead;
  }

  /** The size of the database in bytes; behind it there may be the checksum of a snapshot. */
  get sizeBytes(): number {
    return this.#meta.highWater * this.#pageBytes;
  }

  /** Where each bucket is, by its name. */
  buckets(): Map<string, Uint8Array> {
    const buckets = new Map<string, Uint8Array>();
    for (const { key, value, flags } of ordered(this.#tree(this.#meta.rootPage, this.#walk()))) {
      if ((flags & LEAF_BUCKET) !== 0) buckets.set(Buffer.from(key).toString('utf8'), value);
    }
    return buckets;
  }

  /** The rows of a bucket, in key order. The bytes are the caller's, in memory that all rows of a page share. */
  *rows(bucket: Uint8Array): Generator<DatabaseRow> {
    if (bucket.length < BUCKET_HEADER_BYTES) throw new DatabaseError(`a bucket of ${bucket.length} bytes`);
    const root = Number(viewOf(bucket).getBigUint64(0, true));
    // A small bucket has no page of its own: its leaf follows.
    const walk = this.#walk();
    yield* ordered(root === 0 ? this.#inlined(bucket.subarray(BUCKET_HEADER_BYTES), walk) : this.#tree(root, walk));
  }

  #walk(): Walk {
    return { pagesLeft: this.#meta.highWater, depth: 0 };
  }

  *#tree(pageId: number, walk: Walk, keys: KeyBounds = ALL_KEYS): Generator<Element> {
    if (walk.pagesLeft-- === 0 || ++walk.depth > DEPTH_MAX) throw new DatabaseError('the tree has no end');
    yield* this.#elements(this.#page(pageId), walk, keys);
    walk.depth--;
  }

  *#inlined(page: Uint8Array, walk: Walk): Generator<Element> {
    if (page.length >= PAGE_HEADER_BYTES && viewOf(page).getUint16(8, true) !== PAGE_LEAF) {
      throw new DatabaseError('a small bucket that is no leaf');
    }
    yield* this.#elements(page, walk, ALL_KEYS);
  }

  *#elements(page: Uint8Array, walk: Walk, keys: KeyBounds): Generator<Element> {
    if (page.length < PAGE_HEADER_BYTES) throw new DatabaseError(`a page of ${page.length} bytes`);
    const view = viewOf(page);
    const flags = view.getUint16(8, true);
    const count = view.getUint16(10, true);
    if (flags !== PAGE_LEAF && flags !== PAGE_BRANCH) throw new DatabaseError(`a page with flags ${flags} in a tree`);
    const elementsEnd = PAGE_HEADER_BYTES + count * ELEMENT_BYTES;
    if (elementsEnd > page.length) throw new DatabaseError(`a page of ${count} rows`);
    if (flags === PAGE_BRANCH) yield* this.#children(page, walk, keys);
    else for (let i = 0; i < count; i++) yield leafElement(page, view, i, keys);
  }

  /** What is below a branch. A child has the keys from its own in the branch up to the next one's. */
  *#children(page: Uint8Array, walk: Walk, keys: KeyBounds): Generator<Element> {
    const view = viewOf(page);
    const count = view.getUint16(10, true);
    if (count === 0) throw new DatabaseError('a branch without children');
    let from = branchKey(page, view, 0, keys);
    for (let i = 0; i < count; i++) {
      const to = i + 1 < count ? branchKey(page, view, i + 1, keys) : keys.to;
      const child = Number(view.getBigUint64(PAGE_HEADER_BYTES + i * ELEMENT_BYTES + 8, true));
      yield* this.#tree(child, walk, { from, to });
      if (to !== undefined) from = to;
    }
  }

  /** What the high water mark admits is in the file. */
  #page(id: number): Uint8Array {
    if (id >= this.#meta.highWater) throw new DatabaseError(`page ${id} is beyond the end`);
    const first = this.#read(id, this.#pageBytes);
    const own = Number(viewOf(first).getBigUint64(0, true));
    if (own !== id) throw new DatabaseError(`page ${id} says that it is page ${own}`);
    const overflow = viewOf(first).getUint32(12, true);
    if (id + overflow >= this.#meta.highWater) throw new DatabaseError(`page ${id} reaches beyond the end`);
    this.#pagesRead += overflow + 1;
    return overflow === 0 ? first : this.#read(id, (overflow + 1) * this.#pageBytes);
  }

  #read(pageId: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const read = this.#file.read(bytes, pageId * this.#pageBytes);
    if (read !== length) throw new DatabaseError(`the file ends within page ${pageId}`);
    return bytes;
  }
}

function leafElement(page: Uint8Array, view: DataView, index: number, keys: KeyBounds): Element {
  const at = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
  const flags = view.getUint32(at, true);
  const [position, keyBytes] = [view.getUint32(at + 4, true), view.getUint32(at + 8, true)];
  const key = within(page, view, at + position, keyBytes);
  const value = within(page, view, at + position + keyBytes, view.getUint32(at + 12, true));
  check(key, keys);
  return { key, value, flags };
}

function branchKey(page: Uint8Array, view: DataView, index: number, keys: KeyBounds): Uint8Array {
  const at = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
  const key = within(page, view, at + view.getUint32(at, true), view.getUint32(at + 4, true));
  check(key, keys);
  return key;
}

/** Bytes behind the elements of a page. */
function within(page: Uint8Array, view: DataView, start: number, length: number): Uint8Array {
  const elementsEnd = PAGE_HEADER_BYTES + view.getUint16(10, true) * ELEMENT_BYTES;
  if (start < elementsEnd || start + length > page.length) throw new DatabaseError('a row reaches beyond its page');
  return page.subarray(start, start + length);
}

function check(key: Uint8Array, { from, to }: KeyBounds): void {
  const isIn = compareBytes(from, key) <= 0 && (to === undefined || compareBytes(key, to) < 0);
  if (!isIn) throw new DatabaseError('a key that its page should not have');
}

function* ordered(elements: Iterable<Element>): Generator<Element> {
  let last: Uint8Array | undefined;
  for (const element of elements) {
    if (element.key.length === 0) throw new DatabaseError('a row without a key');
    if (last !== undefined && compareBytes(last, element.key) >= 0) throw new DatabaseError('rows out of order');
    last = element.key;
    yield element;
  }
}

/** The metas that are whole: in page 0 and in page 1, wherever that begins. */
function candidates(file: File): { meta: Meta; pageBytes: number }[] {
  const found: { meta: Meta; pageBytes: number }[] = [];
  const head = new Uint8Array(PAGE_BYTES_MAX + PAGE_BYTES_MIN);
  const length = file.read(head, 0);
  const offsets = [0];
  for (let at = PAGE_BYTES_MIN; at <= PAGE_BYTES_MAX; at *= 2) offsets.push(at);
  for (const at of offsets) {
    if (at + PAGE_BYTES_MIN > length) continue;
    const read = readMeta(head.subarray(at, at + PAGE_BYTES_MIN));
    if (read !== undefined && isPageSize(read.pageBytes) && (at === 0 || at === read.pageBytes)) found.push(read);
  }
  return found;
}

function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && Number.isInteger(Math.log2(bytes));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
