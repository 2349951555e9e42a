/** v3election: the leader is who is first in the line of the election's name, with a value that tells of it. */
import { equalBytes } from '../base/bytes.ts';
import { Code, EtcdError } from '../base/etcd-error.ts';
import { EventType, decodeEvent, decodeKeyValue, type KeyValue } from '../gen/mvccpb.ts';
import type { ResponseHeader } from '../gen/rpc.ts';
import type {
  CampaignRequest,
  CampaignResponseInit,
  LeaderKey,
  LeaderRequest,
  LeaderResponseInit,
  ProclaimRequest,
  ProclaimResponseInit,
  ResignRequest,
  ResignResponseInit,
} from '../gen/v3electionpb.ts';
import type { WatchHub } from '../watch/watch-hub.ts';
import type { Caller } from './caller.ts';
import {
  below,
  createdAt,
  firstOf,
  keyOf,
  oldestBelow,
  prefixOf,
  type KeyQueue,
  type WaitingCaller,
} from './key-queue.ts';
import { KeyWatch } from './key-watch.ts';

interface Leader {
  readonly header: ResponseHeader;
  readonly kv: KeyValue;
}

export class ElectionApi {
  readonly #queue: KeyQueue;
  readonly #hub: WatchHub;

  constructor(queue: KeyQueue, hub: WatchHub) {
    this.#queue = queue;
    this.#hub = hub;
  }

  /** Resolves when the caller leads; the header is that of the entry into the line. */
  campaign(caller: WaitingCaller, request: CampaignRequest): Promise<CampaignResponseInit> {
    return this.#queue.standing(() => this.#campaign(caller, request));
  }

  async #campaign(caller: WaitingCaller, { name, lease, value }: CampaignRequest): Promise<CampaignResponseInit> {
    const queue = this.#queue;
    const session = await queue.leaseFor(caller, lease);
    const prefix = prefixOf(name);
    const key = keyOf(prefix, session);
    const { header, succeeded, responses } = await queue.txn(caller, {
      compare: [createdAt(key, 0)],
      success: [{ requestPut: { key, value, lease: session } }],
      failure: [{ requestRange: { key } }],
    });
    const own = succeeded ? undefined : firstOf(responses[0]?.responseRange);
    const rev = own?.createRevision ?? header?.revision ?? 0;
    const leader = { name, key, rev, lease: session };
    try {
      if (own !== undefined && !equalBytes(own.value, value)) await this.#proclaim(caller, leader, value);
      await queue.untilFirst(caller, prefix, rev);
    } catch (error) {
      if (caller.cancelled) await queue.leave(key, rev);
      throw error;
    }
    return { header, leader };
  }

  async proclaim(caller: Caller, { leader, value }: ProclaimRequest): Promise<ProclaimResponseInit> {
    if (leader === undefined) throw missingLeader();
    const lease = await this.#queue.leaseFor(caller, leader.lease);
    return this.#proclaim(caller, { ...leader, lease }, value);
  }

  async resign(caller: Caller, { leader }: ResignRequest): Promise<ResignResponseInit> {
    if (leader === undefined) throw missingLeader();
    await this.#queue.leaseFor(caller, leader.lease);
    const { header } = await this.#queue.txn(caller, {
      compare: [createdAt(leader.key, leader.rev)],
      success: [{ requestDeleteRange: { key: leader.key } }],
    });
    return { header };
  }

  async leader(caller: Caller, { name }: LeaderRequest): Promise<LeaderResponseInit> {
    const response = await this.#queue.range(caller, oldestBelow(prefixOf(name)));
    const kv = firstOf(response);
    if (kv === undefined) throw new EtcdError(Code.Unknown, 'election: no leader');
    return { header: response.header, kv };
  }

  /** The leader, and whenever it or its value changes; ends with an error only. */
  async *observe(caller: WaitingCaller, { name }: LeaderRequest): AsyncGenerator<LeaderResponseInit, never> {
    const prefix = prefixOf(name);
    for (;;) {
      const response = await this.#queue.range(caller, oldestBelow(prefix));
      const revision = response.header?.revision ?? 0;
      const kv = firstOf(response);
      const leader =
        kv === undefined || response.header === undefined
          ? await this.#firstCandidate(caller, prefix, revision)
          : { header: response.header, kv };
      yield leader;
      yield* this.#reign(caller, leader);
    }
  }

  /** Waits for one where there is none yet. */
  async #firstCandidate(caller: WaitingCaller, prefix: Uint8Array, startRevision: number): Promise<Leader> {
    for await (const { header, kv, deleted } of this.#events(caller, { ...below(prefix), startRevision })) {
      if (!deleted) return { header: { ...header, revision: kv.modRevision }, kv };
    }
    throw new EtcdError(Code.Canceled, 'the watch for candidates ended');
  }

  /** What the leader proclaims, until it is none any more. */
  async *#reign(caller: WaitingCaller, leader: Leader): AsyncGenerator<LeaderResponseInit, void> {
    const { key } = leader.kv;
    const startRevision = leader.header.revision + 1;
    for await (const { header, kv, deleted } of this.#events(caller, { key, startRevision })) {
      if (deleted) return;
      yield { header, kv };
    }
  }

  async *#events(
    caller: WaitingCaller,
    range: { key: Uint8Array; rangeEnd?: Uint8Array | undefined; startRevision: number },
  ): AsyncGenerator<Leader & { readonly deleted: boolean }, void> {
    const watch = new KeyWatch(this.#hub, range);
    caller.onCancel(() => watch.fail(new EtcdError(Code.Canceled, 'context canceled')));
    try {
      for (;;) {
        const { header, events } = await watch.next();
        for (const bytes of events) {
          const { type, kv } = decodeEvent(bytes);
          if (kv === undefined || header === undefined) continue;
          yield { header, kv: decodeKeyValue(kv), deleted: type === EventType.DELETE };
        }
      }
    } finally {
      watch.close();
    }
  }

  async #proclaim(caller: Caller, { key, rev, lease }: LeaderKey, value: Uint8Array): Promise<ProclaimResponseInit> {
    const { header, succeeded } = await this.#queue.txn(caller, {
      compare: [createdAt(key, rev)],
      success: [{ requestPut: { key, value, lease } }],
    });
    if (!succeeded) throw new EtcdError(Code.Unknown, 'election: not leader');
    return { header };
  }
}

function missingLeader(): EtcdError {
  return new EtcdError(Code.Unknown, '"leader" field must be provided');
}
