/** What one request of HTTP holds in memory: its body as it comes, or its answer until it is taken. */
import type { HeldBytes, Holder } from '../server/held-bytes.ts';

export class HeldByRequest implements Holder {
  readonly #all: HeldBytes;
  readonly #end: () => void;
  #heldBytes = 0;
  #releasedBytes = 0;
  #isOver = false;

  /** `end`: ends the connection, and the request with it. */
  constructor(all: HeldBytes, end: () => void) {
    this.#all = all;
    this.#end = end;
    all.join(this);
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get releasedBytes(): number {
    return this.#releasedBytes;
  }

  /** So much more; less where it is negative. */
  changed(byBytes: number): void {
    if (this.#isOver) return;
    this.#heldBytes += byBytes;
    if (byBytes < 0) this.#releasedBytes -= byBytes;
    this.#all.changed(byBytes);
  }

  over(): void {
    if (this.#isOver) return;
    this.changed(-this.#heldBytes);
    this.#isOver = true;
    this.#all.leave(this);
  }

  evict(): void {
    this.over();
    this.#end();
  }
}
