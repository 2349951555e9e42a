import { compareBytes } from './bytes.ts';

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
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: Uint8Array): V | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    if (chunk === undefined) return undefined;
    const at = lowerBound(chunk.keys, key);
    const found = chunk.keys[at];
    return found !== undefined && compareBytes(found, key) === 0 ? chunk.values[at] : undefined;
  }

  /** Sets the value of `key` and returns the one it had. An existing entry keeps its key object. */
  set(key: Uint8Array, value: V): V | undefined {
    const last = this.#chunks.at(-1);
    if (last === undefined || compareBytes(key, last.keys.at(-1) as Uint8Array) > 0) {
      this.#append(last, key, value);
      return undefined;
    }
    const index = this.#chunkOf(key);
    const chunk = this.#chunks[index] as Chunk<V>;
    const at = lowerBound(chunk.keys, key);
    const found = chunk.keys[at];
    if (found !== undefined && compareBytes(found, key) === 0) {
      const previous = chunk.values[at];
      chunk.values[at] = value;
      return previous;
    }
    chunk.keys.splice(at, 0, key);
    chunk.values.splice(at, 0, value);
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
    if (found === undefined || compareBytes(found, key) !== 0) return false;
    chunk.keys.splice(at, 1);
    chunk.values.splice(at, 1);
    if (chunk.keys.length === 0) this.#chunks.splice(index, 1);
    this.#size--;
    return true;
  }

  clear(): void {
    this.#chunks.length = 0;
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

  /** The index of the last chunk whose first key is <= `key`; of the first chunk when there is none. */
  #chunkOf(key: Uint8Array): number {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (compareBytes((chunks[middle] as Chunk<V>).keys[0] as Uint8Array, key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #append(last: Chunk<V> | undefined, key: Uint8Array, value: V): void {
    this.#size++;
    if (last === undefined || last.keys.length >= CHUNK_ENTRIES_MAX) {
      this.#chunks.push({ keys: [key], values: [value] });
      return;
    }
    last.keys.push(key);
    last.values.push(value);
  }

  #split(index: number, chunk: Chunk<V>): void {
    const half = chunk.keys.length >>> 1;
    this.#chunks.splice(index + 1, 0, { keys: chunk.keys.splice(half), values: chunk.values.splice(half) });
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

/** The index of the first key >= `key`. */
function lowerBound(keys: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(keys[middle] as Uint8Array, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
