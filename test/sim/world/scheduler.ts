import { Heap } from '../../../src/base/heap.ts';
import type { Machine } from './machine.ts';

export interface SimEvent {
  atMs: number;
  /** In the order in which they were scheduled: decides between events of the same time. */
  readonly sequence: number;
  readonly label: string;
  readonly run: () => void;
  /** Where it happens: it waits until that machine has nothing else to do. */
  readonly machine: Machine | undefined;
  cancelled: boolean;
}

/** Virtual time: what is to happen when. Time passes only from event to event. */
export class Scheduler {
  nowMs = 0;
  /** The event that happens now, or happened last. */
  current: SimEvent | undefined;
  readonly #events = new Heap<SimEvent>((a, b) => (a.atMs === b.atMs ? a.sequence < b.sequence : a.atMs < b.atMs));
  #sequence = 0;

  after(delayMs: number, label: string, run: () => void, machine?: Machine): () => void {
    return this.at(this.nowMs + delayMs, label, run, machine);
  }

  /** The returned function cancels it. */
  at(atMs: number, label: string, run: () => void, machine?: Machine): () => void {
    const event = { atMs, sequence: this.#sequence++, label, run, machine, cancelled: false };
    this.#events.push(event);
    return () => {
      event.cancelled = true;
    };
  }

  sleep(delayMs: number, label: string): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, label, resolve);
    });
  }

  /** Takes the next event, and goes to its time. */
  next(): SimEvent | undefined {
    for (;;) {
      const event = this.#events.pop();
      if (event === undefined) return undefined;
      if (event.cancelled) continue;
      this.nowMs = Math.max(this.nowMs, event.atMs);
      const busyUntilMs = event.machine?.busyUntilMs ?? 0;
      if (busyUntilMs > this.nowMs) {
        event.atMs = busyUntilMs;
        this.#events.push(event);
        continue;
      }
      this.current = event;
      return event;
    }
  }
}
