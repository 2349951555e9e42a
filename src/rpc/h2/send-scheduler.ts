/**
 * Shares the connection's flow control window and the room in its socket between the streams that have something queued: one
 * frame each, in turn.
 */

import { Queue } from '../../base/queue.ts';
import { WINDOW_DEFAULT } from './protocol.ts';

export interface QueuedSender {
  /** In the scheduler's queue; kept by the scheduler. */
  isScheduled: boolean;
  /** Writes one frame of at most `windowBytes` and returns how much of the window it took. */
  writeSome(windowBytes: number): number;
  /** Has something queued and its own window is open. */
  canSend(): boolean;
  /** Called after a turn in which writeSome was called. */
  afterSending(): void;
}

export class SendScheduler {
  /** The connection's send window in bytes. */
  window = WINDOW_DEFAULT;
  readonly #ready = new Queue<QueuedSender>();
  readonly #touched: QueuedSender[] = [];

  get hasReady(): boolean {
    return this.#ready.size > 0;
  }

  add(sender: QueuedSender): void {
    if (sender.isScheduled || !sender.canSend()) return;
    sender.isScheduled = true;
    this.#ready.push(sender);
  }

  /** Writes until `room` returns false, the window is closed, or nothing is left. Returns how many frames it wrote. */
  pump(room: () => boolean): number {
    let frames = 0;
    while (this.window > 0 && room()) {
      const sender = this.#ready.shift();
      if (sender === undefined) break;
      sender.isScheduled = false;
      this.window -= sender.writeSome(this.window);
      frames++;
      this.#touched.push(sender);
      this.add(sender);
    }
    for (const sender of this.#touched.splice(0)) sender.afterSending();
    return frames;
  }
}
