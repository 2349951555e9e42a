/** Fills one branch or leaf page, element by element, in key order. */
import { assert } from '../../base/assert.ts';
import { ELEMENT_BYTES, PAGE_BRANCH, PAGE_BYTES, PAGE_HEADER_BYTES, PAGE_LEAF, writePageHeader } from './format.ts';

/** The count of a page is 16 bits; the highest value has a meaning of its own in freelists. */
const ELEMENTS_MAX = 0xfffe;

export class PageBuilder {
  readonly #flags: number;
  /** Of each element: the lengths of its key and value, and a leaf element's flags or a branch element's child page. */
  readonly #keyBytes: number[] = [];
  readonly #valueBytes: number[] = [];
  readonly #numbers: number[] = [];
  /** Keys and values, end to end. */
  #data = new Uint8Array(PAGE_BYTES);
  #dataBytes = 0;
  /** Where the page is put together: used again for the next. */
  #page = new Uint8Array(PAGE_BYTES);

  constructor(kind: 'branch' | 'leaf') {
    this.#flags = kind === 'branch' ? PAGE_BRANCH : PAGE_LEAF;
  }

  get count(): number {
    return this.#numbers.length;
  }

  /** A copy of it. */
  firstKey(): Uint8Array {
    return this.#data.slice(0, this.#keyBytes[0] ?? 0);
  }

  /** Whether one more element stays within a page. A page always takes its first two, with overflow pages if need be. */
  fits(key: Uint8Array, value: Uint8Array): boolean {
    const { count } = this;
    if (count >= ELEMENTS_MAX) return false;
    const minimum = this.#flags === PAGE_BRANCH ? 2 : 1;
    return count < minimum || this.#bytes + ELEMENT_BYTES + key.length + value.length <= PAGE_BYTES;
  }

  add(key: Uint8Array, value: Uint8Array, number: number): void {
    this.#keyBytes.push(key.length);
    this.#valueBytes.push(value.length);
    this.#numbers.push(number);
    this.#append(key);
    this.#append(value);
  }

  /** The bytes of the page, its overflow included, as page `id`; good until the next. The builder is empty afterwards. */
  finish(id: number): Uint8Array {
    const { count } = this;
    assert(count > 0, 'an empty tree page', { id });
    const pages = Math.ceil(this.#bytes / PAGE_BYTES);
    if (this.#page.length !== pages * PAGE_BYTES) this.#page = new Uint8Array(pages * PAGE_BYTES);
    const out = this.#page;
    writePageHeader(out, { id, flags: this.#flags, count, overflow: pages - 1 });
    const end = this.#writeElements(out);
    out.set(this.#data.subarray(0, this.#dataBytes), end);
    out.fill(0, end + this.#dataBytes);
    this.#clear();
    return out;
  }

  get #bytes(): number {
    return PAGE_HEADER_BYTES + ELEMENT_BYTES * this.count + this.#dataBytes;
  }

  /** Returns where they end, and the keys and values begin. */
  #writeElements(out: Uint8Array): number {
    const view = new DataView(out.buffer);
    const end = PAGE_HEADER_BYTES + ELEMENT_BYTES * this.count;
    let data = end;
    for (let i = 0, at = PAGE_HEADER_BYTES; at < end; i++, at += ELEMENT_BYTES) {
      const keyBytes = this.#keyBytes[i] as number;
      const valueBytes = this.#valueBytes[i] as number;
      const number = this.#numbers[i] as number;
      if (this.#flags === PAGE_LEAF) {
        view.setUint32(at, number, true);
        view.setUint32(at + 4, data - at, true);
        view.setUint32(at + 8, keyBytes, true);
        view.setUint32(at + 12, valueBytes, true);
      } else {
        view.setUint32(at, data - at, true);
        view.setUint32(at + 4, keyBytes, true);
        view.setBigUint64(at + 8, BigInt(number), true);
      }
      data += keyBytes + valueBytes;
    }
    return end;
  }

  #append(bytes: Uint8Array): void {
    const end = this.#dataBytes + bytes.length;
    if (end > this.#data.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#data.subarray(0, this.#dataBytes));
      this.#data = grown;
    }
    this.#data.set(bytes, this.#dataBytes);
    this.#dataBytes = end;
  }

  #clear(): void {
    this.#keyBytes.length = 0;
    this.#valueBytes.length = 0;
    this.#numbers.length = 0;
    this.#dataBytes = 0;
    // What one large row took is not kept.
    if (this.#data.length > 16 * PAGE_BYTES) this.#data = new Uint8Array(PAGE_BYTES);
  }
}
