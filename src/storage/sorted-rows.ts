/**
 * Rows in key order, cheap to copy: a list of short sorted leaves. A frozen SortedRows never changes; thaw() gives a
 * changeable one that shares every leaf until it writes to it.
 */
import { assert } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';

/** A leaf splits in two halves beyond this many rows. */
const LEAF_ROWS_MAX = 128;

interface Leaf {
  /** The only SortedRows that may change this leaf. */
  readonly owner: SortedRows;
  /** Ascending, never empty: a leaf without rows is removed. */
  readonly keys: Uint8Array[];
  /** values[i] belongs to keys[i]. */
  readonly values: Uint8Array[];
}

export class SortedRows {
  static readonly EMPTY: SortedRows = new SortedRows([], 0);

  readonly #leaves: Leaf[];
  #bytes: number;
  #frozen = true;

  private constructor(leaves: Leaf[], bytes: number) {
    this.#leaves = leaves;
    this.#bytes = bytes;
  }

  /** Of all keys and values. */
  get bytes(): number {
    return this.#bytes;
  }

  thaw(): SortedRows {
    const copy = new SortedRows(this.#leaves.slice(), this.#bytes);
    copy.#frozen = false;
    return copy;
  }

  freeze(): void {
    this.#frozen = true;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const leaf = this.#leaves[this.#leafOf(key)];
    if (leaf === undefined) return undefined;
    const row = lowerBound(leaf.keys, key);
    return isAt(leaf, row, key) ? leaf.values[row] : undefined;
  }

  /** At the first row with key >= `key`. */
  seek(key: Uint8Array): RowsCursor | undefined {
    const at = this.#leafOf(key);
    const leaf = this.#leaves[at];
    if (leaf === undefined) return undefined;
    const cursor = new RowsCursor(this.#leaves, at, lowerBound(leaf.keys, key) - 1);
    return cursor.next() ? cursor : undefined;
  }

  /** The last row with key < `before`. */
  last(before: Uint8Array | undefined): { key: Uint8Array; value: Uint8Array } | undefined {
    let at = before === undefined ? this.#leaves.length - 1 : this.#leafOf(before);
    let leaf = this.#leaves[at];
    if (leaf === undefined) return undefined;
    let row = (before === undefined ? leaf.keys.length : lowerBound(leaf.keys, before)) - 1;
    if (row < 0) {
      leaf = this.#leaves[--at];
      if (leaf === undefined) return undefined;
      row = leaf.keys.length - 1;
    }
    return { key: leaf.keys[row] as Uint8Array, value: leaf.values[row] as Uint8Array };
  }

  /** Keeps both byte strings: the caller does not change them any more. */
  set(key: Uint8Array, value: Uint8Array): void {
    const at = this.#leafOf(key);
    const leaf = this.#ownLeaf(at);
    const row = lowerBound(leaf.keys, key);
    if (isAt(leaf, row, key)) {
      this.#bytes += value.length - (leaf.values[row] as Uint8Array).length;
      leaf.values[row] = value;
      return;
    }
    this.#bytes += key.length + value.length;
    leaf.keys.splice(row, 0, key);
    leaf.values.splice(row, 0, value);
    if (leaf.keys.length > LEAF_ROWS_MAX) this.#split(at);
  }

  delete(key: Uint8Array): void {
    const value = this.get(key);
    if (value === undefined) return;
    const at = this.#leafOf(key);
    const leaf = this.#ownLeaf(at);
    const row = lowerBound(leaf.keys, key);
    this.#bytes -= key.length + value.length;
    leaf.keys.splice(row, 1);
    leaf.values.splice(row, 1);
    if (leaf.keys.length === 0) this.#leaves.splice(at, 1);
  }

  /** The last leaf whose first key is <= `key`, else the first leaf. */
  #leafOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#leaves.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes((this.#leaves[middle] as Leaf).keys[0] as Uint8Array, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #ownLeaf(at: number): Leaf {
    assert(!this.#frozen, 'change of frozen rows');
    const leaf = this.#leaves[at];
    if (leaf?.owner === this) return leaf;
    const own = { owner: this, keys: leaf?.keys.slice() ?? [], values: leaf?.values.slice() ?? [] };
    this.#leaves[at] = own;
    return own;
  }

  #split(at: number): void {
    const leaf = this.#ownLeaf(at);
    const half = leaf.keys.length >> 1;
    this.#leaves.splice(at + 1, 0, { owner: this, keys: leaf.keys.splice(half), values: leaf.values.splice(half) });
  }
}

/** A place in frozen rows. */
export class RowsCursor {
  readonly #leaves: readonly Leaf[];
  #leafAt: number;
  #row: number;

  constructor(leaves: readonly Leaf[], leafAt: number, row: number) {
    this.#leaves = leaves;
    this.#leafAt = leafAt;
    this.#row = row;
  }

  next(): boolean {
    this.#row++;
    if (this.#row < this.#leaf().keys.length) return true;
    if (this.#leafAt + 1 >= this.#leaves.length) return false;
    this.#leafAt++;
    this.#row = 0;
    return true;
  }

  get key(): Uint8Array {
    return this.#leaf().keys[this.#row] as Uint8Array;
  }

  get value(): Uint8Array {
    return this.#leaf().values[this.#row] as Uint8Array;
  }

  #leaf(): Leaf {
    return this.#leaves[this.#leafAt] as Leaf;
  }
}

function isAt(leaf: Leaf, row: number, key: Uint8Array): boolean {
  const found = leaf.keys[row];
  return found !== undefined && compareBytes(found, key) === 0;
}

/** How many of the ascending `keys` are less than `key`. */
function lowerBound(keys: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(keys[middle] as Uint8Array, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
