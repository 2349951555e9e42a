/**
 * Clients that stand in line: each has a key `<name>/<lease in hex>`, and the one whose key was created first is at the front
 * (etcd-behaviour §2.13). Locks and elections are such lines.
 */
import { concatBytes, prefixEnd } from '../base/bytes.ts';
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import { EventType, decodeEvent, decodeKeyValue, type KeyValue } from '../gen/mvccpb.ts';
import {
  CompareResult,
  CompareTarget,
  SortOrder,
  SortTarget,
  decodeRangeRequest,
  decodeRangeResponse,
  decodeTxnRequest,
  decodeTxnResponse,
  encodeRangeRequest,
  encodeTxnRequest,
  encodeTxnResponse,
  type CompareInit,
  type RangeRequestInit,
  type RangeResponse,
  type TxnRequestInit,
  type TxnResponse,
} from '../gen/rpc.ts';
import type { WatchHub } from '../watch/watch-hub.ts';
import { SELF, type Caller } from './caller.ts';
import type { ServerCore } from './core.ts';
import { KeyWatch } from './key-watch.ts';
import type { KvApi } from './kv-api.ts';
import type { LeaseApi } from './lease-api.ts';

/** A caller that may go away while it waits. */
export interface WaitingCaller extends Caller {
  onCancel(callback: () => void): void;
}

/** Of a lease that is granted to a client that brings none. */
const LEASE_SECONDS = 60;
/** Clients that wait at once: each looks at the keys of all that wait for the same. */
const IN_LINE_MAX = 1024;

const SLASH = new Uint8Array([0x2f]);

interface Waiting {
  error: EtcdError | undefined;
  watch: KeyWatch | undefined;
}

export interface KeyQueueParts {
  readonly core: ServerCore;
  readonly kv: KvApi;
  readonly leases: LeaseApi;
  readonly hub: WatchHub;
}

export class KeyQueue {
  readonly #parts: KeyQueueParts;
  readonly #waiting = new Set<Waiting>();
  #inLine = 0;
  #isStopped = false;

  constructor(parts: KeyQueueParts) {
    this.#parts = parts;
  }

  /** For all that a client does to get in line, and to wait there. Rejects with TooManyRequests. */
  async standing<T>(body: () => Promise<T>): Promise<T> {
    if (this.#inLine >= IN_LINE_MAX) throw etcdError('TooManyRequests');
    this.#inLine++;
    try {
      return await body();
    } finally {
      this.#inLine--;
    }
  }

  /** The lease as it is, or a new one. Nobody keeps it alive but the client. */
  async leaseFor(caller: Caller, lease: bigint): Promise<bigint> {
    if (lease !== 0n) return lease;
    const { ID = 0n } = await this.#parts.leases.grant(caller, { ID: 0n, TTL: LEASE_SECONDS });
    return ID;
  }

  async range(caller: Caller, request: RangeRequestInit): Promise<RangeResponse> {
    const pieces = await this.#parts.kv.range(caller, decodeRangeRequest(encodeRangeRequest(request)));
    return decodeRangeResponse(concatBytes(...pieces));
  }

  async txn(caller: Caller, request: TxnRequestInit): Promise<TxnResponse> {
    const { core, kv } = this.#parts;
    const encoded = encodeTxnRequest(request);
    const response = await kv.txn(caller, decodeTxnRequest(encoded), encoded);
    return decodeTxnResponse(encodeTxnResponse(core.withHeader(response)));
  }

  /**
   * Resolves when no key below `prefix` is left that was created before `createRev`, whoever stood there. Rejects with Canceled
   * when the caller is gone, with Stopped, and with what its reads are refused with.
   */
  async untilFirst(caller: WaitingCaller, prefix: Uint8Array, createRev: number): Promise<void> {
    const waiting: Waiting = { error: this.#isStopped ? etcdError('Stopped') : undefined, watch: undefined };
    this.#waiting.add(waiting);
    caller.onCancel(() => interrupt(waiting, new EtcdError(Code.Canceled, 'context canceled')));
    try {
      for (;;) {
        if (waiting.error !== undefined) throw waiting.error;
        const { header, kvs } = await this.range(caller, { ...newestBelow(prefix), maxCreateRevision: createRev - 1 });
        const [ahead] = kvs;
        if (ahead === undefined) return;
        await this.#untilDeleted(waiting, decodeKeyValue(ahead).key, header?.revision ?? 0);
      }
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  /**
   * Takes the key of one that has given up out of the line, unless it is another's by now. In this server's name: the caller,
   * who was allowed to put it there, may be gone by now, and its token with it. Not while the server stops: the client may come
   * back to another member, and finds its place kept until its lease ends.
   */
  async leave(key: Uint8Array, createRev: number): Promise<void> {
    if (this.#isStopped) return;
    try {
      await this.txn(SELF, {
        compare: [createdAt(key, createRev)],
        success: [{ requestDeleteRange: { key } }],
      });
    } catch (error) {
      // Its lease will end.
      const { logger } = this.#parts.core.parts;
      logger.warn('failed to remove the key of a client that gave up waiting', { error: String(error) });
    }
  }

  /** Everybody's wait ends with Stopped. */
  stop(): void {
    this.#isStopped = true;
    for (const waiting of this.#waiting) interrupt(waiting, etcdError('Stopped'));
  }

  async #untilDeleted(waiting: Waiting, key: Uint8Array, startRevision: number): Promise<void> {
    if (waiting.error !== undefined) throw waiting.error;
    const watch = new KeyWatch(this.#parts.hub, { key, startRevision });
    waiting.watch = watch;
    try {
      for (;;) {
        const { events } = await watch.next();
        if (events.some((event) => decodeEvent(event).type === EventType.DELETE)) return;
      }
    } finally {
      waiting.watch = undefined;
      watch.close();
    }
  }
}

function interrupt(waiting: Waiting, error: EtcdError): void {
  waiting.error ??= error;
  waiting.watch?.fail(error);
}

export function prefixOf(name: Uint8Array): Uint8Array {
  return concatBytes(name, SLASH);
}

export function keyOf(prefix: Uint8Array, lease: bigint): Uint8Array {
  return concatBytes(prefix, new TextEncoder().encode(lease.toString(16)));
}

/** The first in line. */
export function oldestBelow(prefix: Uint8Array): RangeRequestInit {
  return { ...below(prefix), sortOrder: SortOrder.ASCEND, sortTarget: SortTarget.CREATE, limit: 1 };
}

function newestBelow(prefix: Uint8Array): RangeRequestInit {
  return { ...below(prefix), sortOrder: SortOrder.DESCEND, sortTarget: SortTarget.CREATE, limit: 1 };
}

/** The range of all keys that begin so; `prefix` ends in a slash, so there is an end. */
export function below(prefix: Uint8Array): { key: Uint8Array; rangeEnd: Uint8Array | undefined } {
  return { key: prefix, rangeEnd: prefixEnd(prefix) };
}

/** 0: that there is no such key. */
export function createdAt(key: Uint8Array, createRevision: number): CompareInit {
  return { result: CompareResult.EQUAL, target: CompareTarget.CREATE, key, createRevision };
}

export function firstOf(response: RangeResponse | undefined): KeyValue | undefined {
  const [first] = response?.kvs ?? [];
  return first === undefined ? undefined : decodeKeyValue(first);
}
