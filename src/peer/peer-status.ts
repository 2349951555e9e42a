/** Whether a peer is heard from, and since when. */
import type { PeerContext } from './peer-context.ts';
import { hexId } from './headers.ts';

/** What shows that a peer lives: its streams, whose silence is noticed, or that it took a post. */
export type SignOfLife = 'msgapp' | 'message' | 'pipeline';

export class PeerStatus {
  readonly #context: PeerContext;
  readonly #id: string;
  readonly #signs = new Set<SignOfLife>();
  #since: number | undefined;
  /** A peer that stays away is logged once, not at each attempt. */
  #isReported = false;

  constructor(context: PeerContext, id: bigint) {
    this.#context = context;
    this.#id = hexId(id);
    this.#gauge().set(0);
  }

  /** The clock's monotonic time; undefined while nothing is heard. */
  get activeSince(): number | undefined {
    return this.#since;
  }

  seen(sign: SignOfLife): void {
    this.#signs.add(sign);
    this.#isReported = false;
    if (this.#since !== undefined) return;
    this.#since = this.#context.clock.monotonicMs();
    this.#gauge().set(1);
    this.#context.logger.info('peer became active', { 'peer-id': this.#id });
  }

  /** `isSilent` is false when the peer answered, if only to refuse a stream: posts may still reach it. */
  lost(sign: SignOfLife, reason: string, isSilent = true): void {
    this.#signs.delete(sign);
    // A post that once worked says nothing about a peer that has fallen silent since.
    if (isSilent) this.#signs.delete('pipeline');
    if (this.#signs.size > 0) return;
    if (!this.#isReported) {
      this.#isReported = true;
      this.#context.logger.warn('peer is inactive', { 'peer-id': this.#id, channel: sign, error: reason });
    }
    if (this.#since === undefined) return;
    this.#since = undefined;
    this.#gauge().set(0);
    this.#context.metrics.disconnectedPeers.with(this.#local, this.#id).inc();
  }

  /** The peer is no peer any more. */
  close(): void {
    this.#since = undefined;
    this.#signs.clear();
    this.#gauge().set(0);
  }

  get #local(): string {
    return hexId(this.#context.self.id);
  }

  #gauge() {
    return this.#context.metrics.activePeers.with(this.#local, this.#id);
  }
}
