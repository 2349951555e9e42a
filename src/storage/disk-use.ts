/**
 * Who writes much to the disk besides the log. While somebody does, and for a moment after, a small sync may take 5 to 50 ms instead
 * of 0.1 (ADR 1), so that it must not happen on the main thread.
 */
import { assert } from '../base/assert.ts';

/** The file system's journal and the disk's own cache go on for so long: slow syncs were seen up to 50 ms after a commit. */
const AFTERMATH_MS = 100;

export class DiskUse {
  readonly #monotonicMs: () => number;
  /** Begun and not ended. */
  #uses = 0;
  #lastEndMs = -Infinity;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  begin(): void {
    this.#uses++;
  }

  end(): void {
    assert(this.#uses > 0, 'a use of the disk ended that was not begun');
    this.#uses--;
    this.#lastEndMs = this.#monotonicMs();
  }

  get isBusy(): boolean {
    return this.#uses > 0 || this.#monotonicMs() - this.#lastEndMs < AFTERMATH_MS;
  }
}
