import { ConnectionError, ErrorCode } from './protocol.ts';

/** What the client may still send on all streams together; opened again half by half as it is used. */
export class ReceiveWindow {
  readonly #sizeBytes: number;
  #leftBytes: number;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#leftBytes = sizeBytes;
  }

  /** Takes a frame in. By how much the client is to be told that the window opens: 0, or at least half of it. */
  take(frameBytes: number): number {
    this.#leftBytes -= frameBytes;
    if (this.#leftBytes < 0) throw new ConnectionError(ErrorCode.FlowControlError, 'more DATA than the window');
    const usedBytes = this.#sizeBytes - this.#leftBytes;
    if (usedBytes < this.#sizeBytes / 2) return 0;
    this.#leftBytes = this.#sizeBytes;
    return usedBytes;
  }
}
