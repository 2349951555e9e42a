/**
 * Accounts for every page of an LMDB data file (data format 2 on a little-endian 64-bit machine) without LMDB: each page is
 * either reached once, from the newest meta page, or listed once as free.
 *
 * A page is a header of 24 bytes (page number, transaction, padding, flags at 18, lower at 20, upper at 22; or the number of
 * pages of an overflow run at 20), then a 16-bit offset per node, counted from the end of the header. A node is low, high,
 * flags, key size (16 bits each), the key, the data.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const META_PAGES = 2;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

const PAGE_BRANCH = 0x01;
const PAGE_LEAF = 0x02;
const NODE_BIG_DATA = 0x01;
const NODE_SUB_DATA = 0x02;

/** Offsets in a meta page. */
const META_PAGE_SIZE = HEADER_BYTES + 24;
const META_FREE_ROOT = HEADER_BYTES + 24 + 40;
const META_MAIN_ROOT = HEADER_BYTES + 24 + 48 + 40;
const META_LAST_PAGE = HEADER_BYTES + 24 + 96;
const META_TXN = META_LAST_PAGE + 8;
const DB_ROOT = 40;

export interface PageAudit {
  readonly pageBytes: number;
  /** The file has pages 0 to lastPage; at its end, free ones may be missing. */
  readonly lastPage: number;
  readonly used: number;
  readonly free: number;
  /** Neither used nor free: lost until the file is rewritten. */
  readonly leaked: number;
  /** What is wrong, in words; a page used twice, or used and free, sooner or later loses data. */
  readonly faults: readonly string[];
}

export function auditPages(path: string): PageAudit {
  const fd = openSync(path, 'r');
  try {
    return new Audit(fd).run();
  } finally {
    closeSync(fd);
  }
}

const UNSEEN = 0;
const USED = 1;
const FREE = 2;

class Audit {
  readonly #fd: number;
  readonly #faults: string[] = [];
  #pageBytes = 4096;
  #state = new Uint8Array(0);

  constructor(fd: number) {
    this.#fd = fd;
  }

  run(): PageAudit {
    const first = this.#readMeta(0);
    this.#pageBytes = first.readUInt32LE(META_PAGE_SIZE);
    const second = this.#readMeta(1);
    const meta = first.readBigUInt64LE(META_TXN) > second.readBigUInt64LE(META_TXN) ? first : second;
    const lastPage = Number(meta.readBigUInt64LE(META_LAST_PAGE));
    this.#state = new Uint8Array(lastPage + 1);
    for (let page = 0; page < META_PAGES; page++) this.#mark(page, USED, 'meta');
    this.#walk(meta.readBigUInt64LE(META_MAIN_ROOT), 'main', () => {});
    this.#walk(meta.readBigUInt64LE(META_FREE_ROOT), 'free', (data) => this.#markFree(data));
    const count = (state: number): number => this.#state.reduce((sum, one) => sum + (one === state ? 1 : 0), 0);
    const [used, free, leaked] = [count(USED), count(FREE), count(UNSEEN)];
    return { pageBytes: this.#pageBytes, lastPage, used, free, leaked, faults: this.#faults };
  }

  #readMeta(index: number): Buffer {
    const page = Buffer.alloc(META_TXN + 8);
    readSync(this.#fd, page, 0, page.length, index * this.#pageBytes);
    return page;
  }

  #walk(root: bigint, tree: string, onData: (data: Buffer) => void): void {
    if (root === NO_PAGE) return;
    const number = Number(root);
    if (!this.#mark(number, USED, tree)) return;
    const page = this.#readPages(number, 1);
    const flags = page.readUInt16LE(18);
    if (Number(page.readBigUInt64LE(0)) !== number || (flags & (PAGE_BRANCH | PAGE_LEAF)) === 0) {
      this.#faults.push(`page ${number} of ${tree} is not a page of a tree`);
      return;
    }
    const nodes = page.readUInt16LE(20) >> 1;
    for (let i = 0; i < nodes; i++) {
      const node = page.subarray(HEADER_BYTES + page.readUInt16LE(HEADER_BYTES + 2 * i));
      if (flags & PAGE_BRANCH) this.#walk(BigInt(node.readUIntLE(0, 6)), tree, onData);
      else this.#walkLeafNode(node, tree, onData);
    }
  }

  #walkLeafNode(node: Buffer, tree: string, onData: (data: Buffer) => void): void {
    const size = node.readUInt32LE(0);
    const flags = node.readUInt16LE(4);
    const dataAt = NODE_HEADER_BYTES + node.readUInt16LE(6);
    if (flags & NODE_SUB_DATA) {
      const name = node.toString('latin1', NODE_HEADER_BYTES, dataAt);
      this.#walk(node.readBigUInt64LE(dataAt + DB_ROOT), name, onData);
    } else if (flags & NODE_BIG_DATA) {
      const first = Number(node.readBigUInt64LE(dataAt));
      const pages = Number(node.readBigUInt64LE(dataAt + 16));
      for (let i = 0; i < pages; i++) this.#mark(first + i, USED, `${tree} (large value)`);
      onData(this.#readPages(first, pages).subarray(HEADER_BYTES, HEADER_BYTES + size));
    } else {
      onData(node.subarray(dataAt, dataAt + size));
    }
  }

  /** A list: its length, then pages; a negative entry says how many pages follow from the next entry on. 0: nothing. */
  #markFree(list: Buffer): void {
    const entries = Number(list.readBigInt64LE(0));
    for (let i = 1; i <= entries; i++) {
      let pages = 1;
      let entry = Number(list.readBigInt64LE(8 * i));
      if (entry === 0) continue;
      if (entry < 0) {
        pages = -entry;
        entry = Number(list.readBigInt64LE(8 * ++i));
      }
      for (let page = entry; page < entry + pages; page++) this.#mark(page, FREE, 'free list');
    }
  }

  /** False if the page cannot be entered: it does not exist, or was entered before. */
  #mark(page: number, state: number, tree: string): boolean {
    const before = this.#state[page];
    if (before === undefined) this.#faults.push(`page ${page} of ${tree} is beyond the end`);
    else if (before !== UNSEEN)
      this.#faults.push(`page ${page} of ${tree} is also ${before === USED ? 'used' : 'free'}`);
    else this.#state[page] = state;
    return before === UNSEEN;
  }

  #readPages(page: number, count: number): Buffer {
    const bytes = Buffer.alloc(count * this.#pageBytes);
    const read = readSync(this.#fd, bytes, 0, bytes.length, page * this.#pageBytes);
    if (read < bytes.length) this.#faults.push(`page ${page} is missing at the end of the file`);
    return bytes;
  }
}
