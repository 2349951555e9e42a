/**
 * How many keys are live in an interval, without walking them: every page of a paged LIST tells the total. The live keys are
 * cut into runs, and the index holds each run's first key and length, in memory and in table `blocks`.
 */
import { assert, must } from '../base/assert.ts';
import { compareBytes, copyBytes, getUint32BE, putUint32BE } from '../base/bytes.ts';
import { Slab } from '../base/slab.ts';
import type { ScanReader } from './overlay.ts';
import type { WriteBuffer } from './write-buffer.ts';

/** A run that would be longer is cut in two. Counting an interval walks at most its two outermost runs. */
const BLOCK_KEYS_MAX = 128;
/** A run that gets shorter joins the one before it, if that leaves room to grow. */
const BLOCK_KEYS_MIN = 16;
const JOINED_KEYS_MAX = 96;

/** How many creates and deletes are remembered, to count at past revisions. */
const DELTAS_MAX = 8192;
const DELTA_KEYS = new Slab(16_384, 1024);

/** Where the first run starts: no key sorts before it. */
const FIRST_KEY = new Uint8Array([0]);

interface Block {
  /** Keys of the run sort at or after it, and before the start of the next. */
  readonly start: Uint8Array;
  count: number;
}

/** A key became live (+1), or ceased to be (-1), at a main revision. */
interface Delta {
  readonly main: number;
  readonly key: Uint8Array;
  readonly change: number;
}

export class CountIndex {
  /** In key order; never empty. */
  readonly #blocks: Block[] = [];
  /** Not in the table as they are here. */
  readonly #dirty = new Set<Block>();
  /** Starts of runs that are gone, though the table may still have them. */
  #gone: Uint8Array[] = [];
  #total = 0;
  /** By main revision. */
  #deltas: Delta[] = [];
  /** All creates and deletes after this main revision are in #deltas. */
  #deltasSince: number;

  /** Reads the table. Where it has no rows, an index of before it was kept, the runs are cut anew by a walk over all keys. */
  constructor(reader: ScanReader, currentRev: number) {
    this.#deltasSince = currentRev;
    const cursor = reader.cursor('blocks');
    for (let found = cursor.seek(FIRST_KEY); found; found = cursor.next()) {
      this.#append({ start: copyBytes(cursor.key), count: getUint32BE(cursor.value, 0) });
    }
    cursor.close();
    if (this.#blocks.length === 0) this.#build(reader);
  }

  /** All live keys. */
  get total(): number {
    return this.#total;
  }

  /** After `key` became live at `main` and has its row in `cur`. */
  add(reader: ScanReader, key: Uint8Array, main: number): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at] as Block;
    block.count++;
    this.#total++;
    this.#dirty.add(block);
    if (block.count > BLOCK_KEYS_MAX) this.#split(reader, at, block);
    this.#remember(main, key, 1);
  }

  /** After `key` ceased to be live at `main`. */
  remove(key: Uint8Array, main: number): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at] as Block;
    assert(block.count > 0, 'key removed from an empty run', { at, total: this.#total });
    block.count--;
    this.#total--;
    this.#dirty.add(block);
    if (block.count < BLOCK_KEYS_MIN && at > 0) this.#join(at, block);
    this.#remember(main, key, -1);
  }

  /**
   * The number of keys in [start, end) that are live at `revision`; undefined when too much happened since to tell without a
   * walk. `reader` reads the state that the index describes.
   */
  count(reader: ScanReader, start: Uint8Array, end: Uint8Array | undefined, revision: number): number | undefined {
    if (revision < this.#deltasSince) return undefined;
    if (end !== undefined && compareBytes(start, end) >= 0) return 0;
    let count = this.#countNow(reader, start, end);
    for (let i = this.#deltas.length - 1; i >= 0; i--) {
      const { main, key, change } = this.#deltas[i] as Delta;
      if (main <= revision) break;
      if (compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0)) count -= change;
    }
    return count;
  }

  /** Writes what changed since the last time into the table. */
  save(buffer: WriteBuffer): void {
    for (const start of this.#gone) buffer.delete('blocks', start);
    for (const { start, count } of this.#dirty) {
      const row = new Uint8Array(4);
      putUint32BE(row, 0, count);
      buffer.put('blocks', start, row);
    }
    this.#gone = [];
    this.#dirty.clear();
  }

  #build(reader: ScanReader): void {
    let block: Block = { start: FIRST_KEY, count: 0 };
    const cursor = reader.cursor('cur');
    for (let found = cursor.seek(FIRST_KEY); found; found = cursor.next()) {
      if (block.count === JOINED_KEYS_MAX) {
        this.#append(block);
        this.#dirty.add(block);
        block = { start: copyBytes(cursor.key), count: 0 };
      }
      block.count++;
    }
    cursor.close();
    this.#append(block);
    this.#dirty.add(block);
  }

  #append(block: Block): void {
    this.#blocks.push(block);
    this.#total += block.count;
  }

  #countNow(reader: ScanReader, start: Uint8Array, end: Uint8Array | undefined): number {
    const first = this.#blockOf(start);
    const last = end === undefined ? this.#blocks.length : this.#blockOf(end);
    if (first === last) return countRows(reader, start, end);
    let count = countRows(reader, start, this.#blocks[first + 1]?.start);
    for (let i = first + 1; i < last; i++) count += (this.#blocks[i] as Block).count;
    const lastBlock = this.#blocks[last];
    return lastBlock === undefined ? count : count + countRows(reader, lastBlock.start, end);
  }

  /** The index of the run that `key` is, or would be, in. */
  #blockOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (compareBytes((this.#blocks[middle] as Block).start, key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #split(reader: ScanReader, at: number, block: Block): void {
    const half = block.count >>> 1;
    const cursor = reader.cursor('cur');
    let found = cursor.seek(block.start);
    for (let i = 0; found && i < half; i++) found = cursor.next();
    assert(found, 'run is shorter than its count', { count: block.count });
    const upper = { start: copyBytes(cursor.key), count: block.count - half };
    cursor.close();
    block.count = half;
    this.#blocks.splice(at + 1, 0, upper);
    this.#dirty.add(upper);
  }

  #join(at: number, block: Block): void {
    const before = must(this.#blocks[at - 1], 'run before the joined one');
    if (before.count + block.count > JOINED_KEYS_MAX) return;
    before.count += block.count;
    this.#blocks.splice(at, 1);
    this.#dirty.delete(block);
    this.#dirty.add(before);
    this.#gone.push(block.start);
  }

  #remember(main: number, key: Uint8Array, change: number): void {
    this.#deltas.push({ main, key: DELTA_KEYS.copyOf(key), change });
    if (this.#deltas.length <= 2 * DELTAS_MAX) return;
    const kept = this.#deltas.slice(DELTAS_MAX);
    // What is forgotten may be part of a revision whose other part is kept.
    this.#deltasSince = must(this.#deltas[DELTAS_MAX - 1], 'last delta dropped').main;
    this.#deltas = kept;
  }
}

/** Walks the keys of [start, end). */
function countRows(reader: ScanReader, start: Uint8Array, end: Uint8Array | undefined): number {
  const cursor = reader.cursor('cur');
  let count = 0;
  for (let found = cursor.seek(start); found; found = cursor.next()) {
    if (end !== undefined && compareBytes(cursor.key, end) >= 0) break;
    count++;
  }
  cursor.close();
  return count;
}
