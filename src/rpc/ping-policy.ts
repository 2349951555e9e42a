/**
 * When a client's keepalive pings are too many (etcd-behaviour §4). A ping is a strike when it comes sooner after the last than
 * allowed; without open streams, sooner than two hours. Sending anything to the client forgives the strikes: clients also ping
 * to measure the bandwidth of what they receive.
 */

const STRIKES_MAX = 2;
const IDLE_PING_INTERVAL_MS = 2 * 3_600_000;

export class PingPolicy {
  readonly #minIntervalMs: number;
  #strikes = 0;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  #isForgiven = false;

  constructor(minIntervalMs: number) {
    this.#minIntervalMs = minIntervalMs;
  }

  /** Headers or data went to the client. */
  onSend(): void {
    this.#isForgiven = true;
  }

  /** Returns whether the connection must go, with GOAWAY ENHANCE_YOUR_CALM and TOO_MANY_PINGS. */
  isTooMany(nowMs: number, openStreams: number): boolean {
    const sinceMs = nowMs - this.#lastPingMs;
    this.#lastPingMs = nowMs;
    if (this.#isForgiven) {
      this.#isForgiven = false;
      this.#strikes = 0;
      return false;
    }
    if (sinceMs < (openStreams > 0 ? this.#minIntervalMs : IDLE_PING_INTERVAL_MS)) this.#strikes++;
    return this.#strikes > STRIKES_MAX;
  }
}

export const TOO_MANY_PINGS = 'too_many_pings';
