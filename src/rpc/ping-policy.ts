/**
 * When a client's keepalive pings are too many (etcd-behaviour §4). A ping is a strike when it comes sooner after the last than
 * allowed; without open streams, sooner than two hours. Sending anything to the client forgives the strikes, and earns it some
 * pings: clients also ping to measure the bandwidth of what they receive, up to once for each frame, and what was sent at once
 * they read frame by frame.
 */

const STRIKES_MAX = 2;
const IDLE_PING_INTERVAL_MS = 2 * 3_600_000;
/** Earned by each piece sent, which may be several frames; and how many can be kept. */
const PINGS_PER_SEND = 8;
const PINGS_EARNED_MAX = 512;
/** A client that measures pings while it reads. What it earned longer ago is gone. */
const EARNED_FOR_MS = 5000;

export class PingPolicy {
  readonly #minIntervalMs: number;
  #strikes = 0;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  #earned = 0;
  /** Of the first ping after something was sent: what was earned before it is as old as that at least. */
  #earnedSinceMs = 0;
  #hasSent = false;

  constructor(minIntervalMs: number) {
    this.#minIntervalMs = minIntervalMs;
  }

  /** Headers or data went to the client. */
  onSend(): void {
    this.#hasSent = true;
    this.#earned = Math.min(this.#earned + PINGS_PER_SEND, PINGS_EARNED_MAX);
  }

  /** Returns whether the connection must go, with GOAWAY ENHANCE_YOUR_CALM and TOO_MANY_PINGS. */
  isTooMany(nowMs: number, openStreams: number): boolean {
    const sinceMs = nowMs - this.#lastPingMs;
    this.#lastPingMs = nowMs;
    if (this.#isEarned(nowMs)) {
      this.#strikes = 0;
      return false;
    }
    if (sinceMs < (openStreams > 0 ? this.#minIntervalMs : IDLE_PING_INTERVAL_MS)) this.#strikes++;
    return this.#strikes > STRIKES_MAX;
  }

  #isEarned(nowMs: number): boolean {
    if (this.#hasSent) {
      this.#hasSent = false;
      this.#earnedSinceMs = nowMs;
    }
    if (nowMs - this.#earnedSinceMs > EARNED_FOR_MS) this.#earned = 0;
    if (this.#earned === 0) return false;
    this.#earned--;
    return true;
  }
}

export const TOO_MANY_PINGS = 'too_many_pings';
