/** Fills one branch or leaf page, element by element, in key order. */
import { assert } from '../../base/assert.ts';
import { EMPTY } from '../../base/bytes.ts';
import { ELEMENT_BYTES, PAGE_BRANCH, PAGE_BYTES, PAGE_HEADER_BYTES, PAGE_LEAF, writePageHeader } from './format.ts';

interface Element {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** A leaf element's flags, or a branch element's child page. */
  readonly number: number;
}

/** The count of a page is 16 bits; the highest value has a meaning of its own in freelists. */
const ELEMENTS_MAX = 0xfffe;

export class PageBuilder {
  readonly #flags: number;
  #elements: Element[] = [];
  #bytes = PAGE_HEADER_BYTES;

  constructor(kind: 'branch' | 'leaf') {
    this.#flags = kind === 'branch' ? PAGE_BRANCH : PAGE_LEAF;
  }

  get count(): number {
    return this.#elements.length;
  }

  get firstKey(): Uint8Array {
    return this.#elements[0]?.key ?? EMPTY;
  }

  /** Whether one more element stays within a page. A page always takes its first two, with overflow pages if need be. */
  fits(key: Uint8Array, value: Uint8Array): boolean {
    if (this.#elements.length >= ELEMENTS_MAX) return false;
    const minimum = this.#flags === PAGE_BRANCH ? 2 : 1;
    return this.#elements.length < minimum || this.#bytes + ELEMENT_BYTES + key.length + value.length <= PAGE_BYTES;
  }

  add(key: Uint8Array, value: Uint8Array, number: number): void {
    this.#elements.push({ key, value, number });
    this.#bytes += ELEMENT_BYTES + key.length + value.length;
  }

  /** The bytes of the page, its overflow included, as page `id`; the builder is empty afterwards. */
  finish(id: number): Uint8Array {
    assert(this.#elements.length > 0, 'an empty tree page', { id });
    const pages = Math.ceil(this.#bytes / PAGE_BYTES);
    const out = new Uint8Array(pages * PAGE_BYTES);
    writePageHeader(out, { id, flags: this.#flags, count: this.#elements.length, overflow: pages - 1 });
    const view = new DataView(out.buffer);
    let at = PAGE_HEADER_BYTES;
    let data = PAGE_HEADER_BYTES + ELEMENT_BYTES * this.#elements.length;
    for (const { key, value, number } of this.#elements) {
      const position = data - at;
      if (this.#flags === PAGE_LEAF) {
        view.setUint32(at, number, true);
        view.setUint32(at + 4, position, true);
        view.setUint32(at + 8, key.length, true);
        view.setUint32(at + 12, value.length, true);
      } else {
        view.setUint32(at, position, true);
        view.setUint32(at + 4, key.length, true);
        view.setBigUint64(at + 8, BigInt(number), true);
      }
      out.set(key, data);
      out.set(value, data + key.length);
      data += key.length + value.length;
      at += ELEMENT_BYTES;
    }
    this.#elements = [];
    this.#bytes = PAGE_HEADER_BYTES;
    return out;
  }
}
