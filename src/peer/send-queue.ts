/** Messages waiting for one channel to one peer, bounded by count and by size. */
import { Queue } from '../base/queue.ts';
import type { Message } from '../gen/raftpb.ts';
import { messageSize } from './codec/stream-codec.ts';

export class SendQueue {
  readonly #messages = new Queue<Message>();
  readonly #countMax: number;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** False, and nothing queued, if there is no room. An empty queue takes a message of any size. */
  push(message: Message): boolean {
    const bytes = this.#bytes + messageSize(message);
    const isFull = this.#messages.size >= this.#countMax || (bytes > this.#bytesMax && this.#messages.size > 0);
    if (isFull) return false;
    this.#messages.push(message);
    this.#bytes = bytes;
    return true;
  }

  shift(): Message | undefined {
    const message = this.#messages.shift();
    if (message !== undefined) this.#bytes -= messageSize(message);
    return message;
  }

  /** The next messages up to about `bytesMax`, and one at least; none if there are none. */
  take(bytesMax: number): { messages: Message[]; bytes: number } {
    const messages: Message[] = [];
    let bytes = 0;
    for (let next = this.#messages.peek(); next !== undefined; next = this.#messages.peek()) {
      const size = messageSize(next);
      if (messages.length > 0 && bytes + size > bytesMax) break;
      bytes += size;
      messages.push(next);
      this.#messages.shift();
    }
    this.#bytes -= bytes;
    return { messages, bytes };
  }

  clear(): void {
    this.#messages.clear();
    this.#bytes = 0;
  }
}
