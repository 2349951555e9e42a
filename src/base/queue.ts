/** A FIFO queue over a growing ring: push and shift are O(1), and memory follows the longest it ever was. */
export class Queue<T> {
  #slots: (T | undefined)[] = Array.from({ length: 16 });
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size++;
  }

  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head];
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size--;
    return item;
  }

  clear(): void {
    this.#slots = Array.from({ length: 16 });
    this.#head = 0;
    this.#size = 0;
  }

  /** Capacity stays a power of two, so that the index is a mask. */
  #grow(): void {
    const old = this.#slots;
    const slots: (T | undefined)[] = Array.from({ length: old.length * 2 });
    for (let i = 0; i < this.#size; i++) slots[i] = old[(this.#head + i) & (old.length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}
