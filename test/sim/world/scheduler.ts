import { Heap } from '../../../src/base/heap.ts';

export interface SimEvent {
  readonly atMs: number;
  /** In the order in which they were scheduled: decides between events of the same time. */
  readonly sequence: number;
  readonly label: string;
  readonly run: () => void;
  cancelled: boolean;
}

/** Virtual time: what is to happen when. Time passes only from event to event, and where work says what it costs. */
export class Scheduler {
  nowMs = 0;
  readonly #events = new Heap<SimEvent>((a, b) => (a.atMs === b.atMs ? a.sequence < b.sequence : a.atMs < b.atMs));
  #sequence = 0;

  after(delayMs: number, label: string, run: () => void): () => void {
    return this.at(this.nowMs + delayMs, label, run);
  }

  /** The returned function cancels it. */
  at(atMs: number, label: string, run: () => void): () => void {
    const event = { atMs, sequence: this.#sequence++, label, run, cancelled: false };
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

  /** Work took this long: what was due meanwhile is late. */
  spend(costMs: number): void {
    this.nowMs += costMs;
  }

  /** Takes the next event, and goes to its time. */
  next(): SimEvent | undefined {
    for (;;) {
      const event = this.#events.pop();
      if (event === undefined) return undefined;
      if (event.cancelled) continue;
      this.nowMs = Math.max(this.nowMs, event.atMs);
      return event;
    }
  }
}
