/**
 * On the leader: proposes to revoke leases that have expired, and to store checkpoints of long ones. Only in the term that this
 * member leads: a leader that stood still must not put an end, through its successor, to leases that were renewed there.
 */
import { etcdError } from '../base/etcd-error.ts';
import { encodeLeaseRevokeRequest } from '../gen/rpc.ts';
import type { ServerCore } from './core.ts';

/** As etcd: expired leases are looked for this often. */
const PERIOD_MS = 500;
/** Revokes proposed at once. They share one append to the log and one sync; the rest follows when they are applied. */
const REVOKES_PER_ROUND = 1000;
const CHECKPOINTS_PER_ENTRY = 1000;

export class LeaseKeeper {
  readonly #core: ServerCore;
  #cancel: (() => void) | undefined;
  #revoking = false;

  constructor(core: ServerCore) {
    this.#core = core;
  }

  start(): void {
    this.#cancel = this.#core.parts.clock.after(PERIOD_MS, () => {
      this.start();
      void this.#revokeExpired();
      this.#checkpoint();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Round after round until none is left; a later tick does not start a second such loop. */
  async #revokeExpired(): Promise<void> {
    if (this.#revoking) return;
    this.#revoking = true;
    try {
      const { lessor, clock } = this.#core.parts;
      for (;;) {
        const expired = this.#isPrimary() ? lessor.expired(clock.monotonicMs(), REVOKES_PER_ROUND) : [];
        if (expired.length === 0 || this.#cancel === undefined) return;
        await Promise.all(expired.map((ID) => this.#revoke(ID)));
      }
    } finally {
      this.#revoking = false;
    }
  }

  /** Raft may know already what the lessor is about to be told. */
  #isPrimary(): boolean {
    const { lessor, node } = this.#core.parts;
    return lessor.primary && node.isLeader;
  }

  async #revoke(ID: bigint): Promise<void> {
    try {
      const request = { ID };
      const { term } = this.#core.parts.node;
      const leaseRevoke = encodeLeaseRevokeRequest(request);
      await this.#core.proposeInternal({ leaseRevoke }, { kind: 'leaseRevoke', request }, term);
    } catch (error) {
      // Revoked by a client meanwhile, or to be tried again: the lessor hands it out once more.
      if (String(error) === String(etcdError('LeaseNotFound'))) return;
      this.#core.parts.logger.warn('failed to revoke lease', { 'lease-id': ID.toString(16), error: String(error) });
    }
  }

  #checkpoint(): void {
    const { lessor, clock, logger, node } = this.#core.parts;
    if (!this.#isPrimary()) return;
    const due = lessor.checkpointsDue(clock.monotonicMs(), CHECKPOINTS_PER_ENTRY);
    if (due.length === 0) return;
    const request = {
      checkpoints: due.map(({ id, remainingTtlSeconds }) => ({ ID: id, remainingTTL: remainingTtlSeconds })),
    };
    this.#core
      .proposeInternal({ leaseCheckpoint: request }, { kind: 'leaseCheckpoint', request }, node.term)
      .catch((error: unknown) => {
        logger.warn('failed to checkpoint leases', { error: String(error) });
      });
  }
}
