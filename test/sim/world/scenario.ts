/** What a run goes through: work amid faults, then quiet, in which everything has to come right, then one more restart. */
import { isLinearizable } from '../../support/linearizable.ts';
import { checkState, heldBy } from '../checks/process-state.ts';
import { type Shared, SimClient } from '../workload/sim-client.ts';
import { heal, scheduleFaults } from './faults.ts';
import type { SimNode } from './sim-node.ts';
import type { SimWorld } from './sim-world.ts';
import { require, Violation } from './violation.ts';

/** Without faults a member serves again after this at most, and answers a request. */
const SERVES_WITHIN_MS = 5000;
/** Members have to elect a leader first, some after they have waited for one in vain, and the last to bring it up to date. */
const CLUSTER_SERVES_WITHIN_MS = 20_000;
/** A request that was under way when the faults ended is over by then: the server gives up after 7 s. */
const SETTLES_WITHIN_MS = 12_000;
/** As long as anything on a disk takes at the worst. */
const FAILS_WITHIN_MS = 5000;
const WATCHES_LEVEL_WITHIN_MS = 5000;
/** A removed member that can reach one that knows it is gone by then, as it is told, and after it has waited a little. */
const LEFT_WITHIN_MS = 15_000;
/** A lease whose time is over is gone by then: the search for such every 500 ms, one failed try, which is repeated after 7 s. */
const LEASE_GONE_WITHIN_MS = 9000;
const POLL_MS = 50;
const LAST_DOWN_MS = 100;

export class Scenario {
  readonly #world: SimWorld;
  readonly #shared: Shared = { slots: new Map(), registers: new Map() };
  readonly #clients: readonly SimClient[];
  /** For questions at the end. */
  readonly #auditor: SimClient;

  constructor(world: SimWorld) {
    this.#world = world;
    const { clients } = world.plan;
    this.#clients = clients.map((plan, at) => new SimClient(world, at + 1, plan, this.#shared));
    this.#auditor = new SimClient(world, clients.length + 1, { operations: [] }, this.#shared);
  }

  async run(): Promise<void> {
    const world = this.#world;
    for (const node of world.nodes) node.start();
    scheduleFaults(world, this.#clients);
    let running = this.#clients.length;
    const finished = this.#clients.map(async (client) => {
      await client.run().catch((error: unknown) => world.failed(Violation.of(error)));
      running--;
    });
    const done = Promise.all(finished);
    await Promise.race([done, world.sleep(world.plan.knobs.horizonMs, 'horizon')]);
    await world.sleep(Math.max(0, world.plan.knobs.horizonMs - world.nowMs), 'horizon');
    world.line('faults stop');
    await heal(world, this.#clients);
    // What fails of what was begun before ends the process.
    if (world.nodes.some(({ process }) => process?.hadFault === true))
      await world.sleep(FAILS_WITHIN_MS, 'last failures');
    await this.#serves();
    await Promise.race([done, this.#until(() => running === 0, SETTLES_WITHIN_MS, 'requests hang')]);
    await this.#left();
    await this.#progress();
    await this.#leasesEnd();
    await this.#watchesLevel();
    await this.#audit();
    await this.#restart();
    await this.#serves();
    await this.#progress();
    await this.#watchesLevel();
    await this.#audit();
    this.#checkRegisters();
    this.#countUnknown();
  }

  async #until(holds: () => boolean, withinMs: number, rule: string): Promise<void> {
    const deadlineMs = this.#world.nowMs + withinMs;
    while (!holds()) {
      require(this.#world.nowMs < deadlineMs, rule, () => `not within ${withinMs} ms`);
      await this.#world.sleep(POLL_MS, 'wait');
    }
  }

  /** Those that the cluster consists of now. */
  get #members(): SimNode[] {
    const { nodes, roster } = this.#world;
    return nodes.filter(({ name }) => roster.isMember(name));
  }

  #serves(): Promise<void> {
    const all = (): boolean => this.#members.every(({ serving }) => serving !== undefined);
    return this.#until(all, this.#withinMs, 'does not serve');
  }

  /** Whoever was removed has found out and ended; those that know nobody any more are switched off. */
  async #left(): Promise<void> {
    const { nodes, roster } = this.#world;
    const removed = nodes.filter(({ name }) => roster.isRemoved(name));
    for (const node of removed) if (node.process?.peers.knowsMembers === false) node.retire();
    const gone = (): boolean => removed.every(({ process }) => process === undefined);
    await this.#until(gone, LEFT_WITHIN_MS, 'removed member stays');
  }

  /** A write, and a read that sees it, in time. */
  async #progress(): Promise<void> {
    let done = false;
    const work = async (): Promise<void> => {
      const { kv } = this.#auditor;
      const { quotaBytes } = this.#world.plan.knobs;
      while (!(await kv.put({ kind: 'put', key: 'probe' })) && quotaBytes === 0)
        await this.#world.sleep(POLL_MS, 'wait');
      while ((await kv.range({ kind: 'range', key: 'probe' })) === undefined) await this.#world.sleep(POLL_MS, 'wait');
      done = true;
    };
    await Promise.all([work(), this.#until(() => done, this.#withinMs, 'no progress')]);
  }

  async #leasesEnd(): Promise<void> {
    const { reference } = this.#world.log;
    const { electionMs } = this.#world.plan.knobs;
    const left = reference.leasesAt(reference.index);
    const longestMs = Math.max(0, ...left.map(({ ttlSeconds }) => ttlSeconds * 1000));
    const withinMs = longestMs + electionMs + LEASE_GONE_WITHIN_MS;
    const noneLeft = (): boolean => left.every(({ to }) => to < Infinity);
    await this.#until(noneLeft, withinMs, 'leases do not end');
  }

  async #watchesLevel(): Promise<void> {
    const behind = (): string[] => this.#clients.flatMap(({ watches }) => watches.behind());
    await this.#until(() => behind().length === 0, WATCHES_LEVEL_WITHIN_MS, 'watches stay behind');
  }

  /** Every member has applied all that any has. */
  #level(): Promise<void> {
    const { log } = this.#world;
    const applied = (node: SimNode): number => node.serving?.member?.core.parts.applyLoop.appliedIndex ?? 0;
    const all = (): boolean => this.#members.every((node) => applied(node) === log.reference.index);
    return this.#until(all, this.#withinMs, 'members stay behind');
  }

  /** Proposals that were lost with a leader are given up when their time is up. */
  async #idle(): Promise<void> {
    const held = (): string | undefined =>
      this.#world.nodes.map(({ serving }) => serving && heldBy(serving)).find((what) => what !== undefined);
    const deadlineMs = this.#world.nowMs + SETTLES_WITHIN_MS;
    for (let what = held(); what !== undefined; what = held()) {
      require(this.#world.nowMs < deadlineMs, 'held on to', () => what ?? '');
      await this.#world.sleep(POLL_MS, 'wait');
    }
  }

  get #withinMs(): number {
    return this.#world.nodes.length === 1 ? SERVES_WITHIN_MS : CLUSTER_SERVES_WITHIN_MS;
  }

  /** All that can be asked for and compared, once more. */
  async #audit(): Promise<void> {
    const { kv, upkeep, leases } = this.#auditor;
    const all = { kind: 'range', key: '\0', end: '\0' } as const;
    await kv.range(all);
    await kv.range({ ...all, back: 5 });
    await upkeep.hash(undefined);
    await upkeep.hash(5);
    await leases.leases();
    await this.#level();
    await this.#idle();
    for (const { name, serving } of this.#members) {
      require(serving !== undefined, 'does not serve', () => `${name} died without a fault`);
      checkState(serving, this.#world.log.reference);
    }
  }

  async #restart(): Promise<void> {
    const world = this.#world;
    const { lastRestart } = world.plan.knobs;
    const members = this.#members;
    const before = members.map(({ process }) => process);
    for (const node of members) {
      if (lastRestart === 'stop') node.stop(LAST_DOWN_MS);
      else node.crash(lastRestart === 'powerLoss', LAST_DOWN_MS);
    }
    const ended = (): boolean => members.every(({ process }, at) => process !== before[at]);
    await this.#until(ended, this.#withinMs, 'does not end');
  }

  #checkRegisters(): void {
    for (const [key, history] of this.#shared.registers) {
      require(isLinearizable(history), 'not linearizable', () => `${key}: ${JSON.stringify(history)}`);
    }
  }

  #countUnknown(): void {
    const { log, marks, unknownTags } = this.#world;
    for (const tag of unknownTags) marks.hit(log.appliedOf(tag) === undefined ? 'unknownLost' : 'unknownApplied');
  }
}
