/** What a run goes through: work amid faults, then quiet, in which everything has to come right, then one more restart. */
import { isLinearizable } from '../checks/linearizable.ts';
import { checkIdle, checkState } from '../checks/process-state.ts';
import { type Shared, SimClient } from '../workload/sim-client.ts';
import { heal, scheduleFaults } from './faults.ts';
import type { SimWorld } from './sim-world.ts';
import { require, Violation } from './violation.ts';

/** Without faults a member serves again after this at most, and answers a request. */
const SERVES_WITHIN_MS = 5000;
/** A request that was under way when the faults ended is over by then: the server gives up after 7 s. */
const SETTLES_WITHIN_MS = 12_000;
/** As long as anything on a disk takes at the worst. */
const FAILS_WITHIN_MS = 5000;
const WATCHES_LEVEL_WITHIN_MS = 5000;
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

  #serves(): Promise<void> {
    const all = (): boolean => this.#world.nodes.every(({ serving }) => serving !== undefined);
    return this.#until(all, SERVES_WITHIN_MS, 'does not serve');
  }

  /** A write, and a read that sees it, in time. */
  async #progress(): Promise<void> {
    let done = false;
    const work = async (): Promise<void> => {
      const { kv } = this.#auditor;
      await kv.put({ kind: 'put', key: 'probe' });
      await kv.range({ kind: 'range', key: 'probe' });
      done = true;
    };
    await Promise.all([work(), this.#until(() => done, SERVES_WITHIN_MS, 'no progress')]);
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

  /** All that can be asked for and compared, once more. */
  async #audit(): Promise<void> {
    const { kv, upkeep, leases } = this.#auditor;
    const all = { kind: 'range', key: '\0', end: '\0' } as const;
    await kv.range(all);
    await kv.range({ ...all, back: 5 });
    await upkeep.hash(undefined);
    await upkeep.hash(5);
    await leases.leases();
    for (const { name, serving } of this.#world.nodes) {
      require(serving !== undefined, 'does not serve', () => `${name} died without a fault`);
      checkState(serving, this.#world.log.reference);
      checkIdle(serving);
    }
  }

  async #restart(): Promise<void> {
    const world = this.#world;
    const { lastRestart } = world.plan.knobs;
    const before = world.nodes.map(({ process }) => process);
    for (const node of world.nodes) {
      if (lastRestart === 'stop') node.stop(LAST_DOWN_MS);
      else node.crash(lastRestart === 'powerLoss', LAST_DOWN_MS);
    }
    const ended = (): boolean => world.nodes.every(({ process }, at) => process !== before[at]);
    await this.#until(ended, SERVES_WITHIN_MS, 'does not end');
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
