/** Holds back the messages that must not leave before everything up to their Ready is durable (raft/types.ts, Ready). */
import { Queue } from '../base/queue.ts';
import type { Message } from '../gen/raftpb.ts';

interface Held {
  readonly messages: readonly Message[];
  isDurable: boolean;
}

export class Outbox {
  readonly #send: (messages: readonly Message[]) => void;
  /** In the order of their Readys; the first one is never durable. */
  readonly #held = new Queue<Held>();

  constructor(send: (messages: readonly Message[]) => void) {
    this.#send = send;
  }

  /** Messages of a Ready that has nothing to write: they wait for the Readys before it. */
  follow(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    if (this.#held.size === 0) this.#send(messages);
    else this.#held.push({ messages, isDurable: true });
  }

  /** Messages of a Ready that is being written; the returned function tells that it is durable. */
  hold(messages: readonly Message[]): () => void {
    const held: Held = { messages, isDurable: false };
    this.#held.push(held);
    return () => {
      held.isDurable = true;
      this.#release();
    };
  }

  #release(): void {
    for (let first = this.#held.peek(); first?.isDurable === true; first = this.#held.peek()) {
      this.#held.shift();
      if (first.messages.length > 0) this.#send(first.messages);
    }
  }
}
