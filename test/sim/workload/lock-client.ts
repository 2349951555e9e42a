/** A lock as etcd's client library has it: a key with a lease under the lock's prefix; whoever's key is the oldest holds it. */
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import { decodeKeyValue } from '../../../src/gen/mvccpb.ts';
import {
  CompareResult,
  CompareTarget,
  decodeTxnResponse,
  encodeTxnRequest,
  type TxnRequestInit,
  type TxnResponse,
} from '../../../src/gen/rpc.ts';
import { withTag } from '../model/tags.ts';
import type { Holder } from '../checks/lock-book.ts';
import type { LockAction } from '../plan.ts';
import type { Caller } from './caller.ts';
import type { KvClient } from './kv-client.ts';
import { LeaseClient, type Slots } from './lease-client.ts';
import { valueOf } from './requests.ts';

const SECOND_MS = 1000;
const POLL_MS = 60;
/** A client that never gets the lock stops waiting. */
const PATIENCE_MS = 6000;
const ATTEMPTS = 3;
const SLOT = 0;

/** Where no other operation of a plan goes. */
function prefixOf(lock: string): string {
  return `s/${lock}/`;
}

/** A lease of its own, and what is known of it. */
interface Session {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly key: string;
  validUntilMs: number;
}

export class LockClient {
  readonly #caller: Caller;
  readonly #kv: KvClient;
  readonly #slots: Slots = new Map();
  readonly #leases: LeaseClient;
  readonly #nextTag: () => number;
  readonly #newLeaseId: () => bigint;

  constructor(caller: Caller, kv: KvClient, nextTag: () => number, newLeaseId: () => bigint) {
    this.#caller = caller;
    this.#kv = kv;
    this.#leases = new LeaseClient(caller, this.#slots);
    this.#nextTag = nextTag;
    this.#newLeaseId = newLeaseId;
  }

  async lock(action: LockAction): Promise<void> {
    const session = await this.#open(action);
    if (session === undefined) return;
    const fence = await this.#enqueue(session);
    if (fence !== undefined && (await this.#wait(action, session, fence))) await this.#work(action, session, fence);
    await this.#leases.revoke(SLOT);
  }

  async #open({ name, ttl }: LockAction): Promise<Session | undefined> {
    const { world } = this.#caller;
    const sentMs = world.nowMs;
    const granted = await this.#leases.grant(SLOT, ttl, this.#newLeaseId());
    if (granted === undefined) return undefined;
    const ttlMs = granted.TTL * SECOND_MS;
    return { id: granted.ID, ttlMs, key: prefixOf(name) + granted.ID, validUntilMs: sentMs + ttlMs };
  }

  /** Returns the revision of its key; undefined if it could not be put, or nobody knows. */
  async #enqueue({ key, id }: Session): Promise<number | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const response = await this.#transact((tag) => ({
        compare: [ifCreatedAt(key, 0)],
        success: [{ requestPut: { key: fromBinaryString(key), value: valueOf(tag, 0), lease: id } }],
        failure: [{ requestRange: { key: fromBinaryString(key) } }],
      }));
      if (response?.succeeded === true) return response.header?.revision;
      const [found] = response?.responses[0]?.responseRange?.kvs ?? [];
      if (found !== undefined) return decodeKeyValue(found).createRevision;
    }
    return undefined;
  }

  /** Until its key is the oldest, or it is gone. */
  async #wait({ name }: LockAction, session: Session, fence: number): Promise<boolean> {
    const { world } = this.#caller;
    const untilMs = Math.min(world.nowMs + PATIENCE_MS, world.plan.knobs.horizonMs);
    while (world.nowMs < untilMs) {
      const found = await this.#kv.range({ kind: 'range', key: prefixOf(name), end: `s/${name}0` });
      const keys = (found?.kvs ?? []).map(decodeKeyValue);
      const first = keys.reduce((oldest, { createRevision }) => Math.min(oldest, createRevision), Infinity);
      if (first === fence) return world.nowMs < session.validUntilMs;
      if (found !== undefined && !keys.some(({ key }) => toBinaryString(key) === session.key)) return false;
      await world.sleep(POLL_MS, 'waits for a lock');
      await this.#keep(session);
    }
    return false;
  }

  async #work(action: LockAction, session: Session, fence: number): Promise<void> {
    const { world, name } = this.#caller;
    const holder: Holder = { name: `${name}/${session.id}`, fence, validUntilMs: session.validUntilMs };
    world.locks.acquired(action.name, holder, world.nowMs);
    world.marks.hit('lockTaken');
    world.line(`${name} holds lock ${action.name} with fence ${fence}`);
    for (let left = action.writes; left > 0; left--) {
      await world.sleep(action.workMs, 'works under a lock');
      if (action.keeps) await this.#keep(session);
      holder.validUntilMs = session.validUntilMs;
      if (!(await this.#write(action, session, holder))) break;
    }
    world.locks.released(holder);
  }

  /** False when the lock is not its own any more. */
  async #write({ name: lock }: LockAction, { key }: Session, holder: Holder): Promise<boolean> {
    const { world } = this.#caller;
    const response = await this.#transact((tag) => ({
      compare: [ifCreatedAt(key, holder.fence)],
      success: [{ requestPut: { key: fromBinaryString(`s-${lock}`), value: valueOf(tag, 0) } }],
      failure: [{ requestRange: { key: fromBinaryString(key) } }],
    }));
    if (response?.succeeded === true) world.locks.wrote(lock, holder, response.header?.revision ?? 0);
    if (response?.succeeded === false) world.marks.hit('fencedOff');
    return response?.succeeded !== false;
  }

  async #keep(session: Session): Promise<void> {
    const { world } = this.#caller;
    const sentMs = world.nowMs;
    if (session.validUntilMs - sentMs > session.ttlMs * (2 / 3)) return;
    const ttl = await this.#leases.keepAlive(SLOT);
    if (ttl !== undefined && ttl > 0) session.validUntilMs = sentMs + ttl * SECOND_MS;
  }

  async #transact(request: (tag: number) => TxnRequestInit): Promise<TxnResponse | undefined> {
    const tag = this.#nextTag();
    const reply = await this.#kv.transact(withTag(encodeTxnRequest(request(tag)), tag), tag);
    return reply && decodeTxnResponse(reply);
  }
}

function ifCreatedAt(key: string, createRevision: number): NonNullable<TxnRequestInit['compare']>[number] {
  return { key: fromBinaryString(key), target: CompareTarget.CREATE, result: CompareResult.EQUAL, createRevision };
}
