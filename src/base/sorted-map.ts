import { compareBytes, equalBytes } from './bytes.ts';

/** A chunk splits in two when it would hold more entries than this. */
const CHUNK_ENTRIES_MAX = 128;

interface Chunk<V> {
  readonly keys: Uint8Array[];
  readonly values: V[];
}

/**
 * A map ordered by byte-string keys: entries in sorted chunks, and the chunks in one sorted array. An insert moves at most
 * one chunk's entries; keys that come in ascending order are appended without a search, and leave full chunks behind.
 *
 * The map keeps the keys it is given: they must not change afterwards.
 */
export class SortedMap<V> {
  /** No chunk is empty; all keys of a chunk sort before all keys of the next. */
  readonly #chunks: Chunk<V>[] = [];
  /** The first key of each chunk: a search for the chunk touches nothing else. */
  readonly #firsts: Uint8Array[] = [];
  #size = 0;
  /** Where the last get looked, so that a set of the same key object need not search. Void after any insert or delete. */
  #soughtKey: Uint8Array | undefined;
  #soughtChunk = 0;
  #soughtAt = 0;

  get size(): number {
    return this.#size;
  }

  get(key: Uint8Array): V | undefined {
    const index = this.#chunkOf(key);
    const chunk = this.#chunks[index];
    if (chunk === undefined) return undefined;
    const at = lowerBound(chunk.keys, key);
    this.#soughtKey = key;
    this.#soughtChunk = index;
    this.#soughtAt = at;
    const found = chunk.keys[at];
    return found !== undefined && equalBytes(found, key) ? chunk.values[at] : undefined;
  }

  /** Sets the value of `key` and returns the one it had. An existing entry keeps its key object. */
  set(key: Uint8Array, value: V): V | undefined {
    const last = this.#chunks.at(-1);
    if (last === undefined || compareBytes(key, last.keys.at(-1) as Uint8Array) > 0) {
      this.#append(last, key, value);
      return undefined;
    }
    const sought = this.#soughtKey === key;
    const index = sought ? this.#soughtChunk : this.#chunkOf(key);
    const chunk = this.#chunks[index] as Chunk<V>;
    const at = sought ? this.#soughtAt : lowerBound(chunk.keys, key);
    const found = chunk.keys[at];
    if (found !== undefined && equalBytes(found, key)) {
      const previous = chunk.values[at];
      chunk.values[at] = value;
      return previous;
    }
    chunk.keys.splice(at, 0, key);
    chunk.values.splice(at, 0, value);
    if (at === 0) this.#firsts[index] = key;
    this.#soughtKey = undefined;
    this.#size++;
    if (chunk.keys.length > CHUNK_ENTRIES_MAX) this.#split(index, chunk);
    return undefined;
  }

  /** Removes the entry and returns whether there was one. */
  delete(key: Uint8Array): boolean {
    const index = this.#chunkOf(key);
    const chunk = this.#chunks[index];
    if (chunk === undefined) return false;
    const at = lowerBound(chunk.keys, key);
    const found = chunk.keys[at];
    if (found === undefined || !equalBytes(found, key)) return false;
    chunk.keys.splice(at, 1);
    chunk.values.splice(at, 1);
    const first = chunk.keys[0];
    if (first !== undefined) this.#firsts[index] = first;
    else {
      this.#chunks.splice(index, 1);
      this.#firsts.splice(index, 1);
    }
    this.#soughtKey = undefined;
    this.#size--;
    return true;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#firsts.length = 0;
    this.#soughtKey = undefined;
    this.#size = 0;
  }

  /** Not positioned yet; invalid after the next set of a new key, delete or clear. */
  cursor(): SortedMapCursor<V> {
    return new SortedMapCursor(this.#chunks, (key) => this.#chunkOf(key));
  }

  /** The last entry with key < `before` (undefined: the last entry). */
  last(before?: Uint8Array): { key: Uint8Array; value: V } | undefined {
    let index = before === undefined ? this.#chunks.length - 1 : this.#chunkOf(before);
    let chunk = this.#chunks[index];
    if (chunk === undefined) return undefined;
    let at = before === undefined ? chunk.keys.length : lowerBound(chunk.keys, before);
    if (at === 0) {
      chunk = this.#chunks[--index];
      if (chunk === undefined) return undefined;
      at = chunk.keys.length;
    }
    return { key: chunk.keys[at - 1] as Uint8Array, value: chunk.values[at - 1] as V };
  }

  /** Calls `visit` with every entry in order. The map must not change meanwhile. */
  forEach(visit: (key: Uint8Array, value: V) => void): void {
    for (const chunk of this.#chunks) {
      for (let i = 0; i < chunk.keys.length; i++) visit(chunk.keys[i] as Uint8Array, chunk.values[i] as V);
    }
  }

  /** The index of the chunk that holds `key` if any does: the last one that starts at or before it, else the first. */
  #chunkOf(key: Uint8Array): number {
    const firsts = this.#firsts;
    const at = lowerBound(firsts, key);
    const first = firsts[at];
    if (at === 0 || (first !== undefined && equalBytes(first, key))) return at === firsts.length ? 0 : at;
    return at - 1;
  }

  #append(last: Chunk<V> | undefined, key: Uint8Array, value: V): void {
    this.#soughtKey = undefined;
    this.#size++;
    if (last === undefined || last.keys.length >= CHUNK_ENTRIES_MAX) {
      this.#chunks.push({ keys: [key], values: [value] });
      this.#firsts.push(key);
      return;
    }
    last.keys.push(key);
    last.values.push(value);
  }

  #split(index: number, chunk: Chunk<V>): void {
    const half = chunk.keys.length >>> 1;
    const upper = { keys: chunk.keys.splice(half), values: chunk.values.splice(half) };
    this.#chunks.splice(index + 1, 0, upper);
    this.#firsts.splice(index + 1, 0, upper.keys[0] as Uint8Array);
  }
}

/** Moves over the entries of a SortedMap in key order. */
export class SortedMapCursor<V> {
  readonly #chunks: readonly Chunk<V>[];
  readonly #chunkOf: (key: Uint8Array) => number;
  #index = 0;
  #chunk: Chunk<V> | undefined;
  #at = 0;

  constructor(chunks: readonly Chunk<V>[], chunkOf: (key: Uint8Array) => number) {
    this.#chunks = chunks;
    this.#chunkOf = chunkOf;
  }

  /** Whether the cursor stands on an entry. */
  get live(): boolean {
    return this.#chunk !== undefined;
  }

  /** Of the current entry; only while live. */
  get key(): Uint8Array {
    return (this.#chunk as Chunk<V>).keys[this.#at] as Uint8Array;
  }

  get value(): V {
    return (this.#chunk as Chunk<V>).values[this.#at] as V;
  }

  /** Goes to the first entry with key >= `key` and returns whether there is one. */
  seek(key: Uint8Array): boolean {
    this.#index = this.#chunkOf(key);
    this.#chunk = this.#chunks[this.#index];
    if (this.#chunk === undefined) return false;
    this.#at = lowerBound(this.#chunk.keys, key);
    if (this.#at === this.#chunk.keys.length) this.#toNextChunk();
    return this.#chunk !== undefined;
  }

  /** Goes to the next entry; false at the end. */
  next(): boolean {
    if (this.#chunk === undefined) return false;
    this.#at++;
    if (this.#at === this.#chunk.keys.length) this.#toNextChunk();
    return this.#chunk !== undefined;
  }

  #toNextChunk(): void {
    this.#chunk = this.#chunks[++this.#index];
    this.#at = 0;
  }
}

/**
 * The index of the first key >= `key`. Keys between two that share a prefix with `key` share the shorter of the two
 * prefixes, so comparisons start after it: keys of one map tend to begin alike.
 */
function lowerBound(keys: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  let lowShared = 0;
  let highShared = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = keys[middle] as Uint8Array;
    const length = other.length < key.length ? other.length : key.length;
    let at = lowShared < highShared ? lowShared : highShared;
    while (at < length && other[at] === key[at]) at++;
    const before = at < length ? (other[at] as number) < (key[at] as number) : other.length < key.length;
    if (before) {
      low = middle + 1;
      lowShared = at;
    } else {
      high = middle;
      highShared = at;
    }
  }
  return low;
}
