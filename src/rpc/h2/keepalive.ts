import type { Clock } from '../../ports/clock.ts';

export interface KeepaliveParts {
  readonly clock: Clock;
  /** 0: no keepalive. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** When the last byte came. */
  readonly heardMs: () => number;
  readonly sendPing: () => void;
  /** The peer is gone. */
  readonly onSilence: () => void;
}

/** Pings after an interval without a byte from the client, and says so when none comes within the timeout either. */
export class Keepalive {
  readonly #parts: KeepaliveParts;
  #pingSentMs: number | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(parts: KeepaliveParts) {
    this.#parts = parts;
    this.#arm(parts.intervalMs);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #arm(delayMs: number): void {
    const { clock, intervalMs } = this.#parts;
    if (intervalMs === 0) return;
    this.#cancelTimer = clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    const { clock, intervalMs, timeoutMs, heardMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    // The timeout may be longer than the interval: what counts is whether anything came since the ping.
    const hasAnswered = this.#pingSentMs !== undefined && heardMs() > this.#pingSentMs;
    const silentMs = nowMs - heardMs();
    if (hasAnswered || silentMs < intervalMs) {
      this.#pingSentMs = undefined;
      this.#arm(Math.max(intervalMs - silentMs, 0));
    } else if (this.#pingSentMs !== undefined) {
      this.#parts.onSilence();
    } else {
      this.#pingSentMs = nowMs;
      this.#parts.sendPing();
      this.#arm(timeoutMs);
    }
  }
}
