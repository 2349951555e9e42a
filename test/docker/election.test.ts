/** Controllers that elect a leader among themselves on three members in containers: one holder, hand-over, and never two. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import { ContainerCluster, type ContainerMember } from './support/container-cluster.ts';
import { type Contender, ElectionContender, KUBERNETES_TIMES, LeaseContender } from './support/contender.ts';
import { image, isLong, NO_ENGINE } from './support/engine.ts';
import { Holders } from './support/holders.ts';

/** With the proportions of Kubernetes', which the long tests take. */
const TIMES = isLong ? KUBERNETES_TIMES : { leaseMs: 6000, renewDeadlineMs: 4000, retryMs: 800 };
const TTL_S = isLong ? 15 : 5;
/** When the holder stops in order. */
const HAND_OVER_MS = 15_000;
/** What a busy machine, an election among the members and a contender's pause between two looks add to a lease. */
const SLACK_MS = 8000;

describe.skipIf(NO_ENGINE !== undefined)('contenders on three members', { timeout: isLong ? 600_000 : 180_000 }, () => {
  let cluster: ContainerCluster;

  beforeAll(async () => {
    cluster = await ContainerCluster.start(await image(), { size: 3 });
    await cluster.leader();
  }, 600_000);

  afterAll(async () => {
    await cluster.stop();
  });

  const byLease = (name: string, client: RawClient, holders: Holders): Contender =>
    new LeaseContender(name, client, '/registry/leases/kube-system/controller', TIMES, holders).start();
  const byElection = (name: string, client: RawClient, holders: Holders): Contender =>
    new ElectionContender(name, client, 'controller', TTL_S, holders).start();

  test.for([
    { kind: 'coordination Leases', start: byLease, leaseMs: TIMES.leaseMs },
    { kind: 'the election service', start: byElection, leaseMs: TTL_S * 1000 },
  ])('by $kind', async ({ start, leaseMs }) => {
    const contest = new Contest(cluster, start);
    try {
      await contest.newHolder(undefined, leaseMs + SLACK_MS);
      await sleep(2 * leaseMs);
      // On a machine without a moment to spare it may once be too late to renew.
      expect(contest.holders.terms.length).toBeLessThanOrEqual(2);

      const stopped = await contest.newHolder(undefined, leaseMs + SLACK_MS);
      await contest.contender(stopped).stop();
      const second = await contest.newHolder(stopped, HAND_OVER_MS);

      contest.contender(second).kill();
      const third = await contest.newHolder(second, leaseMs + SLACK_MS);
      contest.restart(stopped);
      contest.restart(second);

      await splitBrain(contest, third, leaseMs);
      expect(contest.holders.violations).toEqual([]);
      console.log(
        contest.holders.terms.map(({ holder, fromMs }) => `${holder} from ${Math.round(fromMs)} ms`).join(', '),
      );
    } finally {
      contest.stop();
    }
  });

  /** The holder is cut off with the member it talks to, which is made the leader before. */
  async function splitBrain(contest: Contest, holder: string, leaseMs: number): Promise<void> {
    const member = cluster.member(contest.memberOf(holder));
    const others = cluster.others(member);
    await moveLeader(cluster, member);
    await member.isolate();
    await contest.newHolder(holder, leaseMs + SLACK_MS);
    await cluster.leader(others);
    await expect.poll(() => leadersOf(cluster.members), { timeout: 30_000 }).toBe(1);
    await sleep(leaseMs);
    // Whoever is cut off does not come to hold it, however often it asks.
    const next = await contest.newHolder(holder, leaseMs + SLACK_MS);
    expect(contest.memberOf(next)).not.toBe(member.name);

    await member.rejoin();
    await cluster.leader();
    await until(
      'it answers',
      async () => (await member.client.range({ key: 'any' }, { timeoutMs: 1000 })).count === 0n,
    );
    await sleep(leaseMs);
    await contest.newHolder(undefined, leaseMs + SLACK_MS);
    expect(new Set(await cluster.hashes()).size).toBe(1);
  }
});

/** How many of them take themselves for the leader. */
async function leadersOf(members: readonly ContainerMember[]): Promise<number> {
  const each = await Promise.all(members.map((one) => one.metric('etcd_server_is_leader')));
  return each.reduce((sum, one) => sum + one, 0);
}

async function moveLeader(cluster: ContainerCluster, to: ContainerMember): Promise<void> {
  const leader = await cluster.leader();
  if (leader === to) return;
  await leader.client.moveLeader((await to.client.status()).header.member_id);
  expect((await cluster.leader()).name).toBe(to.name);
}

/** Three contenders, each with a member of its own to talk to. */
class Contest {
  readonly holders = new Holders();
  readonly #start: (name: string, client: RawClient, holders: Holders) => Contender;
  readonly #contenders = new Map<string, Contender>();
  readonly #clients = new Map<string, RawClient>();

  constructor(cluster: ContainerCluster, start: (name: string, client: RawClient, holders: Holders) => Contender) {
    this.#start = start;
    for (const { name, endpoint } of cluster.members) {
      const client = new RawClient(endpoint);
      client.timeoutMs = 2000;
      this.#clients.set(this.#nameOn(name), client);
      this.restart(this.#nameOn(name));
    }
  }

  #nameOn(member: string): string {
    return `contender on ${member}`;
  }

  memberOf(contender: string): string {
    return contender.slice(this.#nameOn('').length);
  }

  contender(name: string): Contender {
    const contender = this.#contenders.get(name);
    if (contender === undefined) throw new Error(`no ${name}`);
    return contender;
  }

  /** A new one of its name. */
  restart(name: string): void {
    const client = this.#clients.get(name);
    if (client === undefined) throw new Error(`no ${name}`);
    this.#contenders.set(name, this.#start(name, client, this.holders));
  }

  /** Waits for another one than `old` to hold it. */
  async newHolder(old: string | undefined, timeoutMs: number): Promise<string> {
    const isNew = (holder: string | undefined): boolean => holder !== undefined && holder !== old;
    await until(`another holder than ${old}`, () => Promise.resolve(isNew(this.holders.holder)), timeoutMs);
    return this.holders.holder ?? '';
  }

  stop(): void {
    for (const contender of this.#contenders.values()) contender.kill();
    for (const client of this.#clients.values()) client.close();
  }
}
