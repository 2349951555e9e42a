/**
 * Deadlines of calls. Nearly every call has one and nearly none reaches it, so adding and removing must cost next to nothing:
 * a ring of slots, each an intrusive list, and one timer that runs only while something is in the ring.
 */

import { must } from '../base/assert.ts';
import type { Clock } from '../ports/clock.ts';

const SLOT_MS = 16;
const SLOTS = 512;

export interface Deadline {
  /** Forgets the deadline; harmless when it has passed. */
  cancel(): void;
}

class Entry implements Deadline {
  readonly atMs: number;
  readonly expire: () => void;
  /** Neighbours in the slot's list; both undefined when not in one. */
  prev: Entry | undefined;
  next: Entry | undefined;
  readonly #onRemove: () => void;

  constructor(atMs: number, expire: () => void, onRemove: () => void) {
    this.atMs = atMs;
    this.expire = expire;
    this.#onRemove = onRemove;
  }

  cancel(): void {
    if (this.prev === undefined) return;
    this.prev.next = this.next;
    if (this.next !== undefined) this.next.prev = this.prev;
    this.prev = undefined;
    this.next = undefined;
    this.#onRemove();
  }
}

export class DeadlineWheel {
  readonly #clock: Clock;
  /** Heads of the lists; a head is a sentinel that is never removed. */
  readonly #slots: Entry[];
  #size = 0;
  /** The next slot number (not masked) to look at; meaningful while the timer runs. */
  #nextSlot = 0;
  #stopTimer: (() => void) | undefined;
  readonly #onRemove: () => void;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#slots = Array.from({ length: SLOTS }, () => new Entry(0, noop, noop));
    this.#onRemove = () => {
      this.#size--;
    };
  }

  get size(): number {
    return this.#size;
  }

  /** Calls `expire` at `atMs` (monotonic) or up to a few tens of ms later. */
  add(atMs: number, expire: () => void): Deadline {
    if (this.#stopTimer === undefined) this.#start();
    const slot = Math.max(Math.ceil(atMs / SLOT_MS), this.#nextSlot);
    const head = must(this.#slots[slot & (SLOTS - 1)], 'slot');
    const entry = new Entry(atMs, expire, this.#onRemove);
    entry.prev = head;
    entry.next = head.next;
    if (head.next !== undefined) head.next.prev = entry;
    head.next = entry;
    this.#size++;
    return entry;
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #start(): void {
    this.#nextSlot = Math.floor(this.#clock.monotonicMs() / SLOT_MS);
    this.#stopTimer = this.#clock.after(SLOT_MS, () => this.#tick());
  }

  /** Visits the slots whose time has come, each once even if the loop was held up for more than a whole turn. */
  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const last = Math.floor(nowMs / SLOT_MS);
    const first = Math.max(this.#nextSlot, last - SLOTS + 1);
    this.#nextSlot = last + 1;
    for (let slot = first; slot <= last; slot++) this.#expireSlot(slot, nowMs);
    this.#stopTimer = this.#size > 0 ? this.#clock.after(SLOT_MS, () => this.#tick()) : undefined;
  }

  #expireSlot(slot: number, nowMs: number): void {
    const due: Entry[] = [];
    for (let entry = this.#slots[slot & (SLOTS - 1)]?.next; entry !== undefined; entry = entry.next) {
      if (entry.atMs <= nowMs) due.push(entry);
    }
    for (const entry of due) {
      if (entry.prev === undefined) continue;
      entry.cancel();
      entry.expire();
    }
  }
}

function noop(): void {}
