/** A client: carries out its part of the plan, one operation after the other. */
import type { Action, ClientPlan, Operation } from '../plan.ts';
import type { SimWorld } from '../world/sim-world.ts';
import { Caller } from './caller.ts';
import { KvClient, type Registers } from './kv-client.ts';
import { LeaseClient, type Slots } from './lease-client.ts';
import { LockClient } from './lock-client.ts';
import { MemberClient } from './member-client.ts';
import { UpkeepClient } from './upkeep-client.ts';
import { WatchClient } from './watch-client.ts';

/** How long a client waits before it looks again whether anybody serves. */
const AWAY_MS = 40;
/** Tags of one client's requests begin here, those of the next one so many later. */
const TAGS_PER_CLIENT = 100_000;
/** Ids that clients pick for leases: far from those that servers pick. */
const LEASE_IDS_FROM = 1_000_000n;

type WatchKind = Extract<Action, { kind: 'watch' | 'cancelWatch' | 'askProgress' | 'hangUp' }>;
type MemberAction = Extract<
  Action,
  { kind: 'addMember' | 'promoteMember' | 'removeMember' | 'updateMember' | 'listMembers' }
>;

/** What all clients of a run share. */
export interface Shared {
  readonly slots: Slots;
  readonly registers: Registers;
}

export class SimClient {
  readonly watches: WatchClient;
  readonly kv: KvClient;
  readonly leases: LeaseClient;
  readonly upkeep: UpkeepClient;
  readonly members: MemberClient;
  readonly locks: LockClient;
  readonly #world: SimWorld;
  readonly #plan: ClientPlan;
  readonly #caller: Caller;
  #tag: number;

  constructor(world: SimWorld, number: number, plan: ClientPlan, shared: Shared) {
    this.#world = world;
    this.#plan = plan;
    this.#tag = number * TAGS_PER_CLIENT;
    this.#caller = new Caller(world, number);
    const caller = this.#caller;
    const nextTag = (): number => ++this.#tag;
    this.kv = new KvClient(caller, nextTag, (slot) => shared.slots.get(slot) ?? 0n, shared.registers);
    this.leases = new LeaseClient(caller, shared.slots);
    this.watches = new WatchClient(caller);
    this.upkeep = new UpkeepClient(caller);
    this.members = new MemberClient(caller);
    this.locks = new LockClient(caller, this.kv, nextTag, () => this.#newLeaseId());
  }

  async run(): Promise<void> {
    const { horizonMs } = this.#world.plan.knobs;
    for (const operation of this.#plan.operations) {
      await this.#world.sleep(operation.afterMs, `${this.#caller.name} thinks`);
      while (this.#caller.node.serving === undefined && this.#world.nowMs < horizonMs) {
        await this.#world.sleep(AWAY_MS, `${this.#caller.name} waits`);
      }
      if (this.#world.nowMs >= horizonMs || this.#world.violation !== undefined) return;
      await this.perform(operation);
    }
  }

  async perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'put':
        await this.kv.put(operation);
        return;
      case 'delete':
        return this.kv.delete(operation);
      case 'txn':
        return this.kv.txn(operation);
      case 'fill':
        return this.kv.fill(operation.from, operation.count);
      case 'swap':
        return this.kv.swap(operation.key);
      case 'compact':
        return this.kv.compact(operation.back, operation.physical ?? false);
      case 'range':
        await this.kv.range(operation);
        return;
      case 'grant':
        await this.leases.grant(operation.slot, operation.ttl, operation.anyId === true ? 0n : this.#newLeaseId());
        return;
      case 'keepAlive':
        await this.leases.keepAlive(operation.slot);
        return;
      case 'revoke':
        return this.leases.revoke(operation.slot);
      case 'timeToLive':
        return this.leases.timeToLive(operation.slot);
      case 'leases':
        return this.leases.leases();
      case 'lock':
        return this.locks.lock(operation);
      case 'hash':
        return this.upkeep.hash(operation.back);
      case 'defragment':
        return this.upkeep.defragment();
      case 'moveLeader':
        return this.upkeep.moveLeader(operation.to);
      case 'status':
        return this.upkeep.status();
      case 'snapshot':
        return this.upkeep.snapshot(operation.giveUpMs);
      case 'disarm':
        return this.#disarm();
      case 'watch':
      case 'cancelWatch':
      case 'askProgress':
      case 'hangUp':
        this.#watch(operation);
        return;
      default:
        return this.#operate(operation);
    }
  }

  #operate(operation: MemberAction): Promise<void> {
    const { members } = this;
    switch (operation.kind) {
      case 'addMember':
        return members.add(operation.learner);
      case 'promoteMember':
        return members.promote();
      case 'removeMember':
        return members.remove(operation);
      case 'updateMember':
        return members.update(operation.which);
      case 'listMembers':
        return members.list(operation.linearizable);
    }
  }

  #watch(operation: WatchKind): void {
    if (operation.kind === 'watch') this.watches.watch(operation);
    else if (operation.kind === 'cancelWatch') this.watches.cancel(operation.watch);
    else if (operation.kind === 'hangUp') this.watches.hangUp();
    else this.watches.askProgress();
  }

  async #disarm(): Promise<void> {
    await this.kv.compact(0, true);
    await this.upkeep.defragment();
    await this.upkeep.disarm();
  }

  #newLeaseId(): bigint {
    return LEASE_IDS_FROM + BigInt(++this.#tag);
  }
}
