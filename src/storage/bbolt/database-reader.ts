/**
 * Reads a database file of etcd: its buckets, and the rows of one in key order. Holds one page and the path to it in memory.
 * The file may come from another member: whatever it holds, reading it ends, and in nothing but a DatabaseError.
 */
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

  /** Where each bucket is, by its name. */
  buckets(): Map<string, Uint8Array> {
    const buckets = new Map<string, Uint8Array>();
    for (const { key, value, flags } of this.#tree(this.#meta.rootPage, this.#walk())) {
      if ((flags & LEAF_BUCKET) !== 0) buckets.set(Buffer.from(key).toString('utf8'), value);
    }
    return buckets;
  }

  /** The rows of a bucket, in key order. The bytes are the caller's. */
  *rows(bucket: Uint8Array): Generator<DatabaseRow> {
    if (bucket.length < BUCKET_HEADER_BYTES) throw new DatabaseError(`a bucket of ${bucket.length} bytes`);
    const root = Number(viewOf(bucket).getBigUint64(0, true));
    // A small bucket has no page of its own: its leaf follows.
    if (root === 0) yield* this.#elements(bucket.subarray(BUCKET_HEADER_BYTES), this.#walk());
    else yield* this.#tree(root, this.#walk());
  }

  #walk(): Walk {
    return { pagesLeft: this.#meta.highWater, depth: 0 };
  }

  *#tree(pageId: number, walk: Walk): Generator<DatabaseRow & { flags: number }> {
    if (walk.pagesLeft-- === 0 || ++walk.depth > DEPTH_MAX) throw new DatabaseError('the tree has no end');
    yield* this.#elements(this.#page(pageId), walk);
    walk.depth--;
  }

  *#elements(page: Uint8Array, walk: Walk): Generator<DatabaseRow & { flags: number }> {
    if (page.length < PAGE_HEADER_BYTES) throw new DatabaseError(`a page of ${page.length} bytes`);
    const view = viewOf(page);
    const flags = view.getUint16(8, true);
    const count = view.getUint16(10, true);
    if (flags !== PAGE_LEAF && flags !== PAGE_BRANCH) throw new DatabaseError(`a page with flags ${flags} in a tree`);
    if (PAGE_HEADER_BYTES + count * ELEMENT_BYTES > page.length) throw new DatabaseError(`a page of ${count} rows`);
    for (let i = 0; i < count; i++) {
      const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
      if (flags === PAGE_BRANCH) {
        yield* this.#tree(Number(view.getBigUint64(at + 8, true)), walk);
        continue;
      }
      const start = at + view.getUint32(at + 4, true);
      const keyEnd = start + view.getUint32(at + 8, true);
      const end = keyEnd + view.getUint32(at + 12, true);
      if (end > page.length) throw new DatabaseError('a row reaches beyond its page');
      yield { key: page.slice(start, keyEnd), value: page.slice(keyEnd, end), flags: view.getUint32(at, true) };
    }
  }

  /** What the high water mark admits is in the file. */
  #page(id: number): Uint8Array {
    if (id >= this.#meta.highWater) throw new DatabaseError(`page ${id} is beyond the end`);
    const head = this.#read(id, PAGE_HEADER_BYTES);
    const overflow = viewOf(head).getUint32(12, true);
    if (id + overflow >= this.#meta.highWater) throw new DatabaseError(`page ${id} reaches beyond the end`);
    return this.#read(id, (overflow + 1) * this.#pageBytes);
  }

  #read(pageId: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const read = this.#file.read(bytes, pageId * this.#pageBytes);
    if (read !== length) throw new DatabaseError(`the file ends within page ${pageId}`);
    return bytes;
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
