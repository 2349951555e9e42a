/** Leases as a client asks for them. */
import { authorizeLeaseRead, authorizeLeaseWrite } from '../apply/authorize.ts';
import { LEASE_COST_BYTES } from '../apply/quota-cost.ts';
import type { AuthInfo } from '../auth/auth-info.ts';
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
import type { Caller } from './caller.ts';
import type { ServerCore } from './core.ts';

/** Between two attempts to reach the leader. */
const RETRY_MS = 50;

/** All of them are in memory, on every member. */
const LEASES_MAX = 1_000_000;

/** In seconds. */
export interface LeaseTime {
  readonly TTL: number;
  readonly grantedTTL: number;
  readonly keys: Uint8Array[];
}

export class LeaseApi {
  readonly #core: ServerCore;

  constructor(core: ServerCore) {
    this.#core = core;
  }

  async grant(caller: Caller, request: LeaseGrantRequest): Promise<LeaseGrantResponseInit> {
    await this.#core.parts.authenticator.requireUser(caller);
    if (!this.#core.hasRoom(LEASE_COST_BYTES)) {
      void this.#core.raiseNoSpace();
      throw etcdError('NoSpace');
    }
    if (request.TTL > TTL_SECONDS_MAX) throw etcdError('LeaseTTLTooLarge');
    const { requestIds, lessor } = this.#core.parts;
    if (lessor.size >= LEASES_MAX) throw etcdError('TooManyRequests');
    let ID = request.ID;
    while (ID === 0n || (request.ID === 0n && lessor.has(ID))) ID = requestIds.nextLeaseId();
    const granted = { ID, TTL: request.TTL };
    const command = { kind: 'leaseGrant', request: granted } as const;
    return this.#core.propose(caller, 'leaseGrant', encodeLeaseGrantRequest(granted), command);
  }

  /** Needs WRITE on the keys that are attached. */
  async revoke(caller: Caller, request: LeaseRevokeRequest): Promise<LeaseRevokeResponseInit> {
    await this.#core.parts.authenticator.requireUser(caller);
    const command = { kind: 'leaseRevoke', request } as const;
    return this.#core.propose(caller, 'leaseRevoke', encodeLeaseRevokeRequest(request), command);
  }

  /**
   * TTL 0 in the answer: the lease is gone. One that has expired is waited for until it is. Rejects with Timeout. A leader that
   * others could have replaced asks them first: its successor knows nothing of what it renews. Needs WRITE on the keys that
   * are attached.
   */
  keepAlive(caller: Caller, ID: bigint): LeaseKeepAliveResponseInit | Promise<LeaseKeepAliveResponseInit> {
    return this.#core.parts.auth.enabled ? this.#keepAliveAs(caller, ID) : this.#keepAlive(ID);
  }

  async #keepAliveAs(caller: Caller, ID: bigint): Promise<LeaseKeepAliveResponseInit> {
    const { authenticator, store } = this.#core.parts;
    await authenticator.permit(caller, (auth, who) => {
      auth.checkUser(who);
      authorizeLeaseWrite(auth, (id) => store.keysOf(id), who, ID);
    });
    return this.#keepAlive(ID);
  }

  #keepAlive(ID: bigint): LeaseKeepAliveResponseInit | Promise<LeaseKeepAliveResponseInit> {
    const { lessor, store, clock, node } = this.#core.parts;
    if (!node.isSoleVoter) return this.#keepAliveLater(ID);
    const renewal = lessor.renew(ID, clock.monotonicMs());
    if (renewal.status !== 'renewed') return this.#keepAliveLater(ID);
    const response = { header: this.#core.header(store.currentRev), ID, TTL: renewal.ttlSeconds };
    return renewal.clearCheckpoint ? this.#clearCheckpoint(ID).then(() => response) : response;
  }

  /** Of a lease that is not there: TTL -1. Keys are told to who may read all of them. */
  async timeToLive(caller: Caller, request: LeaseTimeToLiveRequest): Promise<LeaseTimeToLiveResponseInit> {
    const { authenticator, store } = this.#core.parts;
    const who = await authenticator.permit(caller, (auth, user) => {
      auth.checkUser(user);
      if (request.keys) authorizeLeaseRead(auth, (id) => store.keysOf(id), user, request.ID);
    });
    const response = await this.#timeToLive(request);
    if (request.keys) authenticator.checkFresh(who);
    return response;
  }

  #timeToLive(request: LeaseTimeToLiveRequest): LeaseTimeToLiveResponseInit | Promise<LeaseTimeToLiveResponseInit> {
    const { lessor, store, node, applyLoop } = this.#core.parts;
    const header = this.#core.header(store.currentRev);
    // What others were told of may be committed, and not applied here.
    const isLevel = applyLoop.appliedIndex >= node.commitIndex;
    if (!lessor.primary || !isLevel) return this.#timeToLiveOfLeader(request);
    return { header, ID: request.ID, ...(this.#timeToLiveHere(request) ?? { TTL: -1 }) };
  }

  /** For another member. Rejects with LeaseNotFound, or with an error where this member does not lead. */
  async renewAsLeader(ID: bigint): Promise<number> {
    const { lessor, clock } = this.#core.parts;
    await this.#core.linearizable();
    for (;;) {
      const renewal = lessor.renew(ID, clock.monotonicMs());
      switch (renewal.status) {
        case 'renewed':
          if (renewal.clearCheckpoint) await this.#clearCheckpoint(ID);
          return renewal.ttlSeconds;
        case 'notFound':
          throw etcdError('LeaseNotFound');
        case 'notPrimary':
          throw new EtcdError(Code.Unknown, 'not a primary lessor');
        case 'expired':
          await new Promise<void>((resolve) => lessor.whenSettled(ID, resolve));
      }
    }
  }

  /** For another member. undefined where the lease is not there; rejects where this member does not lead. */
  async timeToLiveAsLeader(request: LeaseTimeToLiveRequest): Promise<LeaseTime | undefined> {
    await this.#core.linearizable();
    if (!this.#core.parts.lessor.primary) throw etcdError('LeaderChanged');
    return this.#timeToLiveHere(request);
  }

  /** Needs READ on the keys of all of them. */
  leases(caller: Caller): LeaseLeasesResponseInit | Promise<LeaseLeasesResponseInit> {
    const { auth, authenticator, store, lessor } = this.#core.parts;
    if (!auth.enabled) return this.#leases();
    const check = (_: unknown, who: AuthInfo): void => {
      auth.checkUser(who);
      for (const ID of lessor.leases()) authorizeLeaseRead(auth, (id) => store.keysOf(id), who, ID);
    };
    return authenticator.permit(caller, check).then(() => this.#leases());
  }

  #leases(): LeaseLeasesResponseInit {
    const { lessor, store } = this.#core.parts;
    return { header: this.#core.header(store.currentRev), leases: lessor.leases().map((ID) => ({ ID })) };
  }

  async #keepAliveLater(ID: bigint): Promise<LeaseKeepAliveResponseInit> {
    const { store } = this.#core.parts;
    const header = this.#core.header(store.currentRev);
    try {
      const TTL = await this.#atLeader(
        () => this.renewAsLeader(ID),
        (urls) => this.#core.parts.calls.renewLease(urls, ID),
      );
      return { header, ID, TTL };
    } catch (error) {
      if (isNotFound(error)) return { header, ID, TTL: 0 };
      throw error;
    }
  }

  async #timeToLiveOfLeader(request: LeaseTimeToLiveRequest): Promise<LeaseTimeToLiveResponseInit> {
    const header = this.#core.header(this.#core.parts.store.currentRev);
    try {
      const found = await this.#atLeader<LeaseTime | undefined>(
        () => this.timeToLiveAsLeader(request),
        (urls) => this.#core.parts.calls.leaseTimeToLive(urls, request),
      );
      if (found === undefined) return { header, ID: request.ID, TTL: -1 };
      const { TTL, grantedTTL, keys } = found;
      return { header, ID: request.ID, TTL, grantedTTL, keys };
    } catch (error) {
      if (isNotFound(error)) return { header, ID: request.ID, TTL: -1 };
      throw error;
    }
  }

  /** Only the leader knows the time. Asks whoever leads until someone answers; rejects with LeaseNotFound or Timeout. */
  async #atLeader<T>(here: () => Promise<T>, there: (urls: readonly string[]) => Promise<T>): Promise<T> {
    const { node, cluster, lessor } = this.#core.parts;
    const deadlineMs = this.#core.requestDeadlineMs();
    for (;;) {
      try {
        if (lessor.primary) return await here();
        const leader = node.isLeader ? undefined : cluster.member(node.leader);
        if (leader !== undefined) return await there(leader.peerURLs);
      } catch (error) {
        if (isNotFound(error)) throw error;
      }
      await this.#core.pause(RETRY_MS, deadlineMs);
    }
  }

  #timeToLiveHere({ ID, keys }: LeaseTimeToLiveRequest): LeaseTime | undefined {
    const { lessor, store, clock } = this.#core.parts;
    const time = lessor.timeToLive(ID, clock.monotonicMs());
    if (time === undefined) return undefined;
    return {
      TTL: time.remainingSeconds ?? time.grantedTtlSeconds,
      grantedTTL: time.grantedTtlSeconds,
      keys: keys ? store.keysOf(ID) : [],
    };
  }

  /** Before the owner may rely on the renewal: the next leader goes by the checkpoint. */
  async #clearCheckpoint(ID: bigint): Promise<void> {
    const request = { checkpoints: [{ ID, remainingTTL: 0 }] };
    await this.#core.proposeInternal({ leaseCheckpoint: request }, { kind: 'leaseCheckpoint', request });
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof EtcdError && error.message === etcdError('LeaseNotFound').message;
}
