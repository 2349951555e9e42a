/** The page format of bbolt, the database file of etcd: little endian, pages of 4096 bytes. */

export const PAGE_BYTES = 4096;
export const PAGE_HEADER_BYTES = 16;
/** Of a branch or a leaf element, in front of its key and value. */
export const ELEMENT_BYTES = 16;
/** Of a bucket's value: the page its tree begins at, and a sequence number. */
export const BUCKET_HEADER_BYTES = 16;

export const PAGE_BRANCH = 0x01;
export const PAGE_LEAF = 0x02;
export const PAGE_META = 0x04;
export const PAGE_FREELIST = 0x10;

/** Flag of a leaf element whose value is a nested bucket. */
export const LEAF_BUCKET = 0x01;

const META_MAGIC = 0xed0cdaed;
const META_VERSION = 2;
const META_CHECKED_BYTES = 56;

export interface Meta {
  readonly rootPage: number;
  readonly freelistPage: number;
  /** The first page id that is not in the file. */
  readonly highWater: number;
  /** A file is opened by the valid meta with the higher one; it lives in page txid % 2. */
  readonly txid: number;
}

export interface PageHeader {
  readonly id: number;
  readonly flags: number;
  readonly count: number;
  /** Pages beyond the first that belong to this one. */
  readonly overflow: number;
}

/** Writes a page header at the start of `page`. */
export function writePageHeader(page: Uint8Array, header: PageHeader): void {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  view.setBigUint64(0, BigInt(header.id), true);
  view.setUint16(8, header.flags, true);
  view.setUint16(10, header.count, true);
  view.setUint32(12, header.overflow, true);
}

/** A whole meta page. */
export function encodeMetaPage(id: number, meta: Meta): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  writePageHeader(page, { id, flags: PAGE_META, count: 0, overflow: 0 });
  const view = new DataView(page.buffer, PAGE_HEADER_BYTES);
  view.setUint32(0, META_MAGIC, true);
  view.setUint32(4, META_VERSION, true);
  view.setUint32(8, PAGE_BYTES, true);
  view.setUint32(12, 0, true);
  view.setBigUint64(16, BigInt(meta.rootPage), true);
  view.setBigUint64(24, 0n, true);
  view.setBigUint64(32, BigInt(meta.freelistPage), true);
  view.setBigUint64(40, BigInt(meta.highWater), true);
  view.setBigUint64(48, BigInt(meta.txid), true);
  const checked = page.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + META_CHECKED_BYTES);
  view.setBigUint64(META_CHECKED_BYTES, fnv1a64(checked), true);
  return page;
}

/** undefined if the page does not hold a whole meta. */
export function readMeta(page: Uint8Array): { readonly meta: Meta; readonly pageBytes: number } | undefined {
  const view = new DataView(page.buffer, page.byteOffset + PAGE_HEADER_BYTES, META_CHECKED_BYTES + 8);
  if (view.getUint32(0, true) !== META_MAGIC || view.getUint32(4, true) !== META_VERSION) return undefined;
  const checked = page.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + META_CHECKED_BYTES);
  if (view.getBigUint64(META_CHECKED_BYTES, true) !== fnv1a64(checked)) return undefined;
  const number = (at: number): number => Number(view.getBigUint64(at, true));
  const meta = { rootPage: number(16), freelistPage: number(32), highWater: number(40), txid: number(48) };
  return { meta, pageBytes: view.getUint32(8, true) };
}

/** What a bucket's element holds: where its tree is. */
export function encodeBucketValue(rootPage: number): Uint8Array {
  const value = new Uint8Array(16);
  new DataView(value.buffer).setBigUint64(0, BigInt(rootPage), true);
  return value;
}

/** An empty bucket has no page: an empty leaf page follows the header, inline. */
export function encodeEmptyBucketValue(): Uint8Array {
  const value = new Uint8Array(16 + PAGE_HEADER_BYTES);
  writePageHeader(value.subarray(16), { id: 0, flags: PAGE_LEAF, count: 0, overflow: 0 });
  return value;
}

/** FNV-1a, 64 bits. */
export function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
