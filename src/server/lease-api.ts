/** Leases as a client asks for them. */
import { LEASE_COST_BYTES } from '../apply/quota-cost.ts';
import { Code, etcdError, EtcdError } from '../base/etcd-error.ts';
import {
  encodeLeaseGrantRequest,
  encodeLeaseRevokeRequest,
  type LeaseGrantRequest,
  type LeaseGrantResponseInit,
  type LeaseKeepAliveResponseInit,
  type LeaseLeasesResponseInit,
  type LeaseRevokeRequest,
  type LeaseRevokeResponseInit,
  type LeaseTimeToLiveRequest,
  type LeaseTimeToLiveResponseInit,
} from '../gen/rpc.ts';
import { TTL_SECONDS_MAX } from '../lease/lessor.ts';
import type { ServerCore } from './core.ts';

export class LeaseApi {
  readonly #core: ServerCore;

  constructor(core: ServerCore) {
    this.#core = core;
  }

  grant(request: LeaseGrantRequest): Promise<LeaseGrantResponseInit> {
    if (!this.#core.hasRoom(LEASE_COST_BYTES)) {
      void this.#core.raiseNoSpace();
      throw etcdError('NoSpace');
    }
    if (request.TTL > TTL_SECONDS_MAX) throw etcdError('LeaseTTLTooLarge');
    const { requestIds, lessor } = this.#core.parts;
    let ID = request.ID;
    while (ID === 0n || (request.ID === 0n && lessor.has(ID))) ID = requestIds.nextLeaseId();
    const granted = { ID, TTL: request.TTL };
    return this.#core.propose('leaseGrant', encodeLeaseGrantRequest(granted), { kind: 'leaseGrant', request: granted });
  }

  revoke(request: LeaseRevokeRequest): Promise<LeaseRevokeResponseInit> {
    return this.#core.propose('leaseRevoke', encodeLeaseRevokeRequest(request), { kind: 'leaseRevoke', request });
  }

  /** TTL 0 in the answer: the lease is gone. One that has expired is waited for until it is. */
  keepAlive(ID: bigint): LeaseKeepAliveResponseInit | Promise<LeaseKeepAliveResponseInit> {
    const { lessor, store, clock } = this.#core.parts;
    const header = this.#core.header(store.currentRev);
    const renewal = lessor.renew(ID, clock.monotonicMs());
    switch (renewal.status) {
      case 'renewed':
        if (renewal.clearCheckpoint) this.#clearCheckpoint(ID);
        return { header, ID, TTL: renewal.ttlSeconds };
      case 'notFound':
        return { header, ID, TTL: 0 };
      case 'expired':
        return new Promise<LeaseKeepAliveResponseInit>((resolve) => {
          lessor.whenSettled(ID, () => resolve({ header, ID, TTL: 0 }));
        });
      case 'notPrimary':
        throw new EtcdError(Code.Unknown, 'not a primary lessor');
    }
  }

  timeToLive(request: LeaseTimeToLiveRequest): LeaseTimeToLiveResponseInit {
    const { lessor, store, clock } = this.#core.parts;
    const header = this.#core.header(store.currentRev);
    const time = lessor.timeToLive(request.ID, clock.monotonicMs());
    if (time === undefined) return { header, ID: request.ID, TTL: -1 };
    return {
      header,
      ID: request.ID,
      TTL: time.remainingSeconds ?? time.grantedTtlSeconds,
      grantedTTL: time.grantedTtlSeconds,
      keys: request.keys ? store.keysOf(request.ID) : [],
    };
  }

  leases(): LeaseLeasesResponseInit {
    const { lessor, store } = this.#core.parts;
    return { header: this.#core.header(store.currentRev), leases: lessor.leases().map((ID) => ({ ID })) };
  }

  #clearCheckpoint(ID: bigint): void {
    const request = { checkpoints: [{ ID, remainingTTL: 0 }] };
    this.#core
      .proposeInternal({ leaseCheckpoint: request }, { kind: 'leaseCheckpoint', request })
      .catch((error: unknown) => {
        this.#core.parts.logger.warn('failed to clear a lease checkpoint', { error: String(error) });
      });
  }
}
