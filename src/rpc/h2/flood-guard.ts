/**
 * Limits on what costs the client nothing and the server work: streams opened only to be reset, control frames, header blocks in
 * many pieces. Rates are far above what clients of etcd need.
 */

import { ConnectionError, ErrorCode } from './protocol.ts';

/** Fills at a rate up to a limit; each event takes one. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perMs: number;
  #tokens: number;
  #filledMs: number | undefined;

  constructor(capacity: number, perSecond: number) {
    this.#capacity = capacity;
    this.#perMs = perSecond / 1000;
    this.#tokens = capacity;
  }

  /** Returns whether there was one. */
  take(nowMs: number): boolean {
    const sinceMs = nowMs - (this.#filledMs ?? nowMs);
    this.#filledMs = nowMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + sinceMs * this.#perMs);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

export class FloodGuard {
  readonly #resets = new TokenBucket(2000, 500);
  readonly #idleFrames = new TokenBucket(5000, 2000);

  /** The client reset one of its streams. */
  onReset(nowMs: number): void {
    if (!this.#resets.take(nowMs)) throw calm('too many streams reset');
  }

  /** A frame that does nothing for a call: SETTINGS, PING, PRIORITY, empty DATA, unknown types, frames for closed streams. */
  onIdleFrame(nowMs: number): void {
    if (!this.#idleFrames.take(nowMs)) throw calm('too many frames without use');
  }
}

export function calm(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.EnhanceYourCalm, message);
}
