/** v3lock: a lock is held by who is first in the line of its name. */
import { Code, EtcdError } from '../base/etcd-error.ts';
import { decodeDeleteRangeRequest, encodeDeleteRangeRequest } from '../gen/rpc.ts';
import type { LockRequest, LockResponseInit, UnlockRequest, UnlockResponseInit } from '../gen/v3lockpb.ts';
import type { Caller } from './caller.ts';
import type { ServerCore } from './core.ts';
import { createdAt, firstOf, keyOf, oldestBelow, prefixOf, type KeyQueue, type WaitingCaller } from './key-queue.ts';
import type { KvApi } from './kv-api.ts';

export class LockApi {
  readonly #core: ServerCore;
  readonly #kv: KvApi;
  readonly #queue: KeyQueue;

  constructor(core: ServerCore, kv: KvApi, queue: KeyQueue) {
    this.#core = core;
    this.#kv = kv;
    this.#queue = queue;
  }

  /** Resolves when the caller holds the lock. Rejects with `mutex: session is expired` when its key went while it waited. */
  lock(caller: WaitingCaller, request: LockRequest): Promise<LockResponseInit> {
    return this.#queue.standing(() => this.#lock(caller, request));
  }

  async #lock(caller: WaitingCaller, { name, lease }: LockRequest): Promise<LockResponseInit> {
    const queue = this.#queue;
    const session = await queue.leaseFor(caller, lease);
    const prefix = prefixOf(name);
    const key = keyOf(prefix, session);
    const first = { requestRange: oldestBelow(prefix) };
    const { header, succeeded, responses } = await queue.txn(caller, {
      compare: [createdAt(key, 0)],
      success: [{ requestPut: { key, lease: session } }, first],
      failure: [{ requestRange: { key } }, first],
    });
    const [own, owner] = responses;
    const createRev = succeeded ? (header?.revision ?? 0) : (firstOf(own?.responseRange)?.createRevision ?? 0);
    const holder = firstOf(owner?.responseRange);
    if (!caller.cancelled && (holder === undefined || holder.createRevision === createRev)) return { header, key };
    return this.#wait(caller, prefix, key, createRev);
  }

  async unlock(caller: Caller, { key }: UnlockRequest): Promise<UnlockResponseInit> {
    const encoded = encodeDeleteRangeRequest({ key });
    const { header } = await this.#kv.deleteRange(caller, decodeDeleteRangeRequest(encoded), encoded);
    return this.#core.withHeader({ header });
  }

  async #wait(
    caller: WaitingCaller,
    prefix: Uint8Array,
    key: Uint8Array,
    createRev: number,
  ): Promise<LockResponseInit> {
    try {
      await this.#queue.untilFirst(caller, prefix, createRev);
      const { header, kvs } = await this.#queue.range(caller, { key });
      if (kvs.length > 0) return { header, key };
    } catch (error) {
      await this.#queue.leave(key, createRev);
      throw error;
    }
    throw new EtcdError(Code.Unknown, 'mutex: session is expired');
  }
}
