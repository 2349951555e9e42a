import { Heap } from '../base/heap.ts';

interface Entry<T> {
  readonly item: T;
  /** When to look at the item; its real deadline may be later by now. */
  readonly lookAtMs: number;
}

/**
 * Items by deadline, made for deadlines that move later all the time: moving one later is a map write, and the heap finds
 * out when the old deadline comes up. Only moving one earlier costs a new heap entry.
 *
 * At most one entry per item counts (`#current`); the others are dropped when they surface, or all at once when they
 * outnumber those that count. So the heap never holds more than twice the items, plus SLACK.
 */
export class DeadlineHeap<T> {
  readonly #heap = new Heap<Entry<T>>((a, b) => a.lookAtMs < b.lookAtMs);
  readonly #deadlineMs = new Map<T, number>();
  readonly #current = new Map<T, Entry<T>>();

  /** Items that have a deadline. */
  get size(): number {
    return this.#deadlineMs.size;
  }

  /** Heap entries, those that no longer count included: never more than 2 * size + SLACK. */
  get entries(): number {
    return this.#heap.size;
  }

  set(item: T, deadlineMs: number): void {
    this.#deadlineMs.set(item, deadlineMs);
    const entry = this.#current.get(item);
    if (entry === undefined || deadlineMs < entry.lookAtMs) this.#push(item, deadlineMs);
  }

  delete(item: T): void {
    if (!this.#deadlineMs.delete(item)) return;
    this.#current.delete(item);
    this.#sweep();
  }

  clear(): void {
    this.#heap.clear();
    this.#deadlineMs.clear();
    this.#current.clear();
  }

  /** Removes and returns an item whose deadline is at or before `nowMs`; earliest first. */
  takeDue(nowMs: number): T | undefined {
    for (;;) {
      const entry = this.#heap.peek();
      if (entry === undefined || entry.lookAtMs > nowMs) return undefined;
      this.#heap.pop();
      const { item } = entry;
      if (this.#current.get(item) !== entry) continue;
      const deadlineMs = this.#deadlineMs.get(item) as number;
      if (deadlineMs <= entry.lookAtMs) {
        this.#deadlineMs.delete(item);
        this.#current.delete(item);
        return item;
      }
      this.#push(item, deadlineMs);
    }
  }

  #push(item: T, deadlineMs: number): void {
    const entry = { item, lookAtMs: deadlineMs };
    this.#current.set(item, entry);
    this.#heap.push(entry);
    this.#sweep();
  }

  #sweep(): void {
    if (this.#heap.size <= 2 * this.#current.size + SLACK) return;
    this.#heap.clear();
    for (const entry of this.#current.values()) this.#heap.push(entry);
  }
}

/** Entries that no longer count and are not worth a sweep. */
const SLACK = 64;
