import { assert } from '../base/assert.ts';

/**
 * The MsgApps sent to one follower and not yet answered: a sliding window limited by count and by bytes, so that a slow
 * follower makes the leader wait instead of filling its memory.
 */
export class Inflights {
  readonly #countMax: number;
  /** 0: no limit by bytes. */
  readonly #bytesMax: number;
  /** A ring of [last index of the message, its payload bytes]; grows up to countMax. Capacity is a power of two. */
  #lastIndexes: number[] = [];
  #sizes: number[] = [];
  #head = 0;
  #count = 0;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#count >= this.#countMax || (this.#bytesMax > 0 && this.#bytes >= this.#bytesMax);
  }

  /** Only when not full. The message that crosses the byte limit is let through. */
  add(lastIndex: number, bytes: number): void {
    assert(!this.full, 'add to a full window', { lastIndex, count: this.#count, bytes: this.#bytes });
    if (this.#count === this.#lastIndexes.length) this.#grow();
    const at = (this.#head + this.#count) & (this.#lastIndexes.length - 1);
    this.#lastIndexes[at] = lastIndex;
    this.#sizes[at] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Frees the messages whose entries all have an index up to `index`. */
  freeTo(index: number): void {
    const mask = this.#lastIndexes.length - 1;
    while (this.#count > 0 && (this.#lastIndexes[this.#head] as number) <= index) {
      this.#bytes -= this.#sizes[this.#head] as number;
      this.#head = (this.#head + 1) & mask;
      this.#count--;
    }
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const capacity = Math.max(8, this.#lastIndexes.length * 2);
    const lastIndexes: number[] = [];
    const sizes: number[] = [];
    const mask = this.#lastIndexes.length - 1;
    for (let i = 0; i < capacity; i++) {
      const live = i < this.#count;
      lastIndexes.push(live ? (this.#lastIndexes[(this.#head + i) & mask] as number) : 0);
      sizes.push(live ? (this.#sizes[(this.#head + i) & mask] as number) : 0);
    }
    this.#lastIndexes = lastIndexes;
    this.#sizes = sizes;
    this.#head = 0;
  }
}
