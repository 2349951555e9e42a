/** A client: carries out its part of the plan, one operation after the other. */
import type { ClientPlan, Operation } from '../plan.ts';
import type { SimWorld } from '../world/sim-world.ts';
import { Caller } from './caller.ts';
import { KvClient, type Registers } from './kv-client.ts';
import { LeaseClient, type Slots } from './lease-client.ts';
import { UpkeepClient } from './upkeep-client.ts';
import { WatchClient } from './watch-client.ts';

/** How long a client waits before it looks again whether anybody serves. */
const AWAY_MS = 40;
/** Tags of one client's requests begin here, those of the next one so many later. */
const TAGS_PER_CLIENT = 100_000;
/** Ids that clients pick for leases: far from those that servers pick. */
const LEASE_IDS_FROM = 1_000_000n;

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
    this.kv = new KvClient(
      caller,
      () => ++this.#tag,
      (slot) => shared.slots.get(slot) ?? 0n,
      shared.registers,
    );
    this.leases = new LeaseClient(caller, shared.slots);
    this.watches = new WatchClient(caller);
    this.upkeep = new UpkeepClient(caller);
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
        return this.kv.put(operation);
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
        return this.leases.grant(operation.slot, operation.ttl, operation.anyId === true ? 0n : this.#newLeaseId());
      case 'keepAlive':
        return this.leases.keepAlive(operation.slot);
      case 'revoke':
        return this.leases.revoke(operation.slot);
      case 'timeToLive':
        return this.leases.timeToLive(operation.slot);
      case 'leases':
        return this.leases.leases();
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
      default:
        this.#watch(operation);
    }
  }

  #watch(operation: Extract<Operation, { kind: 'watch' | 'cancelWatch' | 'askProgress' | 'hangUp' }>): void {
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
