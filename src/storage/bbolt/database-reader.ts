/** Reads a database file of etcd: its buckets, and the rows of one in key order. Holds one page and the path to it in memory. */
import type { File } from '../../ports/file-system.ts';
import {
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
/** Deeper than any tree of 2^64 rows. */
const DEPTH_MAX = 64;

/** The file is not a database, or is damaged. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
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
  }

  /** Where each bucket is, by its name. */
  buckets(): Map<string, Uint8Array> {
    const buckets = new Map<string, Uint8Array>();
    for (const { key, value, flags } of this.#tree(this.#meta.rootPage, 0)) {
      if ((flags & LEAF_BUCKET) !== 0) buckets.set(Buffer.from(key).toString('utf8'), value);
    }
    return buckets;
  }

  /** The rows of a bucket, in key order. The bytes are the caller's. */
  *rows(bucket: Uint8Array): Generator<DatabaseRow> {
    const root = Number(viewOf(bucket).getBigUint64(0, true));
    // A small bucket has no page of its own: its leaf follows.
    yield* root === 0 ? this.#elements(bucket.subarray(16), 0) : this.#tree(root, 0);
  }

  *#tree(pageId: number, depth: number): Generator<DatabaseRow & { flags: number }> {
    if (depth > DEPTH_MAX) throw new DatabaseError('the tree has no end');
    yield* this.#elements(this.#page(pageId), depth);
  }

  *#elements(page: Uint8Array, depth: number): Generator<DatabaseRow & { flags: number }> {
    const view = viewOf(page);
    const flags = view.getUint16(8, true);
    const count = view.getUint16(10, true);
    for (let i = 0; i < count; i++) {
      const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
      if (flags === PAGE_BRANCH) {
        yield* this.#tree(Number(view.getBigUint64(at + 8, true)), depth + 1);
        continue;
      }
      if (flags !== PAGE_LEAF) throw new DatabaseError(`a page with flags ${flags} in a tree`);
      const start = at + view.getUint32(at + 4, true);
      const keyEnd = start + view.getUint32(at + 8, true);
      const end = keyEnd + view.getUint32(at + 12, true);
      if (end > page.length) throw new DatabaseError('a row reaches beyond its page');
      yield { key: page.slice(start, keyEnd), value: page.slice(keyEnd, end), flags: view.getUint32(at, true) };
    }
  }

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
    if (read !== undefined && (at === 0 || at === read.pageBytes)) found.push(read);
  }
  return found;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
