/** Measures the round trip to a peer, and how far its clock is off, every few seconds (etcd-behaviour §5.4 /raft/probing). */
import { EMPTY } from '../base/bytes.ts';
import type { RoundTrip } from '../server/peer-transport.ts';
import { Connections } from './dialer.ts';
import { hexId } from './headers.ts';
import type { PeerContext } from './peer-context.ts';
import type { UrlPicker } from './url-picker.ts';

/** Weight of a new sample in the smoothed round trip. */
const SAMPLE_WEIGHT = 1 / 8;
/** Beyond, leases and auth tokens of the two members would visibly disagree. */
const CLOCK_DIFFERENCE_WARN_MS = 1000;

export class Prober {
  readonly #context: PeerContext;
  readonly #peer: bigint;
  readonly #urls: UrlPicker;
  readonly #connections = new Connections(1);
  readonly #abort = new AbortController();
  #cancelNext: () => void = () => {};
  #smoothedMs: number | undefined;
  #isHealthy = false;
  #probes = 0;
  #lost = 0;
  #clockAheadMs = 0;

  constructor(context: PeerContext, peer: bigint, urls: UrlPicker) {
    this.#context = context;
    this.#peer = peer;
    this.#urls = urls;
  }

  get roundTrip(): RoundTrip {
    return {
      smoothedMs: this.#smoothedMs,
      isHealthy: this.#isHealthy,
      probes: this.#probes,
      lost: this.#lost,
      clockAheadMs: this.#clockAheadMs,
    };
  }

  start(): void {
    const { clock, timing } = this.#context;
    this.#cancelNext = clock.after(timing.probeMs, () => {
      void this.#probe();
    });
  }

  stop(): void {
    this.#cancelNext();
    this.#abort.abort();
    this.#connections.close();
  }

  async #probe(): Promise<void> {
    const { clock, dialer, timing } = this.#context;
    const address = this.#urls.pick();
    this.#probes++;
    try {
      if (address === undefined) throw new Error('no usable URL');
      const request = {
        method: 'GET' as const,
        path: '/raft/probing',
        headers: {},
        connections: this.#connections,
        isRepeatable: true,
      };
      const startedMs = clock.monotonicMs();
      const startedWallMs = clock.wallMs();
      const answer = await dialer.exchange(address, request, EMPTY, timing.answerMs, this.#abort.signal);
      if (answer.status !== 200) throw new Error(`the peer answered ${answer.status}`);
      const health: unknown = JSON.parse(answer.body.toString('utf8'));
      this.#answered(health, startedWallMs, clock.monotonicMs() - startedMs);
    } catch (error) {
      this.#failed(error);
    }
    if (!this.#abort.signal.aborted) this.start();
  }

  #answered(health: unknown, startedWallMs: number, roundTripMs: number): void {
    const { logger, metrics } = this.#context;
    const { OK, Now } = health as { OK?: unknown; Now?: unknown };
    if (OK !== true) throw new Error('the peer says that it is not well');
    const theirs = typeof Now === 'string' ? Date.parse(Now) : NaN;
    const smoothed = this.#smoothedMs ?? roundTripMs;
    this.#smoothedMs = smoothed + (roundTripMs - smoothed) * SAMPLE_WEIGHT;
    this.#isHealthy = true;
    if (!Number.isNaN(theirs)) this.#clockAheadMs = theirs - (startedWallMs + roundTripMs / 2);
    metrics.peerRoundTripTime.with(hexId(this.#peer)).observe(this.#smoothedMs / 1000);
    if (Math.abs(this.#clockAheadMs) > CLOCK_DIFFERENCE_WARN_MS) {
      const aheadMs = Math.round(this.#clockAheadMs);
      logger.warn('the clocks differ', { 'peer-id': hexId(this.#peer), 'peer-ahead-ms': aheadMs });
    }
  }

  #failed(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#lost++;
    this.#isHealthy = false;
    const text = error instanceof Error ? error.message : String(error);
    this.#context.logger.debug('probe failed', { 'peer-id': hexId(this.#peer), error: text });
  }
}
