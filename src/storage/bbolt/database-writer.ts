/** Writes a database file in etcd's schema: a root bucket whose elements are the buckets. */
import { assert } from '../../base/assert.ts';
import { compareBytes } from '../../base/bytes.ts';
import { utf8Encode } from '../../base/utf8.ts';
import {
  encodeBucketValue,
  encodeEmptyBucketValue,
  encodeMetaPage,
  LEAF_BUCKET,
  PAGE_BYTES,
  PAGE_FREELIST,
  writePageHeader,
} from './format.ts';
import { TreeWriter } from './tree-writer.ts';

/** Where the file goes: appended in order, but for the two meta pages at the start, which come last. */
export interface DatabaseFile {
  /** `bytes` are the file's during the call only. */
  write(bytes: Uint8Array, position: number): void;
}

const FREELIST_PAGE = 2;
const FIRST_DATA_PAGE = 3;
const TXID = 2;

export class DatabaseWriter {
  readonly #file: DatabaseFile;
  readonly #buckets: { name: Uint8Array; root: number | undefined }[] = [];
  #nextPage = FIRST_DATA_PAGE;
  #tree: TreeWriter | undefined;

  constructor(file: DatabaseFile) {
    this.#file = file;
  }

  /** Buckets must come in the order of their names. */
  beginBucket(name: string): void {
    assert(this.#tree === undefined, 'bucket begun within another', { name });
    const bytes = utf8Encode(name);
    const last = this.#buckets.at(-1);
    assert(last === undefined || compareBytes(last.name, bytes) < 0, 'buckets out of order', { name });
    this.#buckets.push({ name: bytes, root: undefined });
    this.#tree = this.#newTree();
  }

  /** Rows of the bucket must come in the order of their keys. */
  add(key: Uint8Array, value: Uint8Array): void {
    assert(this.#tree !== undefined, 'row outside of a bucket');
    this.#tree.add(key, value, 0);
  }

  endBucket(): void {
    const bucket = this.#buckets.at(-1);
    assert(this.#tree !== undefined && bucket !== undefined, 'no bucket to end');
    bucket.root = this.#tree.finish();
    this.#tree = undefined;
  }

  /** Writes the root bucket, the freelist and the metas; returns the size of the file in bytes. */
  finish(): number {
    const root = this.#newTree();
    for (const { name, root: page } of this.#buckets) {
      root.add(name, page === undefined ? encodeEmptyBucketValue() : encodeBucketValue(page), LEAF_BUCKET);
    }
    const rootPage = root.finish();
    assert(rootPage !== undefined, 'a database without buckets');
    const freelist = new Uint8Array(PAGE_BYTES);
    writePageHeader(freelist, { id: FREELIST_PAGE, flags: PAGE_FREELIST, count: 0, overflow: 0 });
    this.#file.write(freelist, FREELIST_PAGE * PAGE_BYTES);
    for (const id of [0, 1]) {
      const txid = id === TXID % 2 ? TXID : TXID - 1;
      const meta = { rootPage, freelistPage: FREELIST_PAGE, highWater: this.#nextPage, txid };
      this.#file.write(encodeMetaPage(id, meta), id * PAGE_BYTES);
    }
    return this.#nextPage * PAGE_BYTES;
  }

  #newTree(): TreeWriter {
    const nextPage = (): number => this.#nextPage;
    return new TreeWriter({
      get nextPage(): number {
        return nextPage();
      },
      write: (pages) => {
        this.#file.write(pages, this.#nextPage * PAGE_BYTES);
        this.#nextPage += pages.length / PAGE_BYTES;
      },
    });
  }
}
