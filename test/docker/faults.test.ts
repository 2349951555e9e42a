/** Three members as containers under load: cut off, paused, killed, deleted, and all of it at once. */
import { availableParallelism, loadavg } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContinuousLoad } from '../support/continuous-load.ts';
import type { RawClient } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import { under } from '../support/values.ts';
import { ContainerCluster, type ContainerMember } from './support/container-cluster.ts';
import { image, isLong, NO_ENGINE } from './support/engine.ts';

const KEYS = 10_000;
const CYCLES = isLong ? 25 : 5;
/** A deleted member serves again within this. */
const RECOVERY_MS = 5000;

describe.skipIf(NO_ENGINE !== undefined)(
  'three members in containers',
  { timeout: isLong ? 1_200_000 : 180_000 },
  () => {
    let cluster: ContainerCluster;
    let load: ContinuousLoad;

    beforeAll(async () => {
      cluster = await ContainerCluster.start(await image(), { size: 3, flags: ['--snapshot-count=5000'] });
      await cluster.leader();
      await fill(cluster.members[0]?.client);
      load = new ContinuousLoad(cluster.endpoints);
      await load.start();
    }, 600_000);

    afterAll(async () => {
      await cluster.stop();
    });

    test('are cut off one after the other: the others go on, and it catches up', async () => {
      const leader = await cluster.leader();
      for (const member of [leader, ...cluster.others(leader).slice(0, 1)]) {
        await member.isolate();
        const others = cluster.others(member);
        await cluster.leader(others);
        await writes(load, 20);
        await expect.poll(() => metricSum(others, 'etcd_server_is_leader'), { timeout: 30_000 }).toBe(1);
        // It does not take itself for the leader, nor serves what may be old.
        await expect.poll(() => member.metric('etcd_server_is_leader'), { timeout: 30_000 }).toBe(0);
        await expect(member.client.range({ key: 'a' }, { timeoutMs: 1000 })).rejects.toThrow();
        await member.rejoin();
        await cluster.leader();
        await untilAnswers(member);
      }
    });

    test('the leader stands still for a while: another one takes over, and it follows', async () => {
      const old = await cluster.leader();
      const others = cluster.others(old);
      const changes = await metricSum(others, 'etcd_server_leader_changes_seen_total');
      await old.pause();
      try {
        expect((await cluster.leader(others)).name).not.toBe(old.name);
        await writes(load, 20);
        expect(await metricSum(others, 'etcd_server_leader_changes_seen_total')).toBeGreaterThan(changes);
      } finally {
        await old.unpause();
      }
      await cluster.leader();
      await untilAnswers(old);
      await expect.poll(() => metricSum(cluster.members, 'etcd_server_is_leader'), { timeout: 30_000 }).toBe(1);
    });

    test('are killed and started again, the leader among them', async () => {
      for (const member of [await cluster.leader(), cluster.members[0], cluster.members[2]] as ContainerMember[]) {
        await member.kill();
        await cluster.leader(cluster.others(member));
        await writes(load, 10);
        await member.start();
        await untilAnswers(member);
        await expect.poll(() => member.isReady(), { timeout: 30_000 }).toBe(true);
      }
    });

    test(`are deleted and come back on their volumes, ${CYCLES} times, and serve within ${RECOVERY_MS} ms`, async () => {
      const times: number[] = [];
      for (let i = 0; i < CYCLES; i++) {
        const member = cluster.members[i % 3] as ContainerMember;
        await member.remove();
        await writes(load, 10);
        await member.create();
        await untilAnswers(member);
        times.push(Date.now() - (await member.startedMs()));
        const { count } = await member.client.range({ ...under('filled/'), count_only: true, serializable: true });
        expect(count).toBe(BigInt(KEYS));
      }
      const share = shareOfOthers();
      console.log(`serving again after ${times.join(', ')} ms, with ${share.toFixed(1)} processes for each processor`);
      expect(Math.max(...times) / share).toBeLessThan(RECOVERY_MS);
    });

    test('are all killed at once and started again', async () => {
      await Promise.all(cluster.members.map((member) => member.kill()));
      await Promise.all(cluster.members.map((member) => member.start()));
      await cluster.leader();
      await Promise.all(cluster.members.map(untilAnswers));
      await writes(load, 20);
      await expect.poll(() => metricSum(cluster.members, 'etcd_server_has_leader'), { timeout: 30_000 }).toBe(3);
    });

    test('one loses its volume and is replaced', async () => {
      const member = cluster.others(await cluster.leader())[0] as ContainerMember;
      await cluster.replace(member);
      await untilAnswers(member);
      const { count } = await member.client.range({ ...under('filled/'), count_only: true, serializable: true });
      expect(count).toBe(BigInt(KEYS));
    });

    test('after all of it: nothing acknowledged was lost, no read was stale, no watch missed a revision, hashes are equal', async () => {
      await cluster.leader();
      const { violations, writes: written, reads, events, longestGapMs } = await load.stop();
      expect(violations).toEqual([]);
      expect(new Set(await cluster.hashes()).size).toBe(1);
      console.log(
        `${written} writes, ${reads} reads, ${events} events; longest time without a write: ${longestGapMs} ms`,
      );
    });
  },
);

async function fill(client: RawClient | undefined): Promise<void> {
  for (let i = 0; i < KEYS; i += 100) {
    const puts = Array.from({ length: 100 }, (_, j) => ({
      request_put: { key: `filled/${String(i + j).padStart(6, '0')}`, value: 'x'.repeat(256) },
    }));
    await client?.txn({ success: puts });
  }
}

/** How many times longer everything takes, as more want to run than there are processors; 1 on a machine of one's own. */
function shareOfOthers(): number {
  return Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}

/** Until so many more writes were acknowledged. */
async function writes(load: ContinuousLoad, more: number): Promise<void> {
  const enough = load.writes + more;
  await until(`${more} more writes are acknowledged`, () => Promise.resolve(load.writes >= enough), 60_000);
}

/** Linearizable: it has a leader and is not behind. */
async function untilAnswers({ name, client }: ContainerMember): Promise<void> {
  await until(`${name} answers`, async () => {
    await client.range({ key: 'filled/000000' }, { timeoutMs: 1000 });
    return true;
  });
}

async function metricSum(members: readonly ContainerMember[], name: string): Promise<number> {
  const values = await Promise.all(members.map((member) => member.metric(name)));
  return values.reduce((sum, value) => sum + value, 0);
}
