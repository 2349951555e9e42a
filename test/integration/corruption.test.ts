/** Members whose databases were altered while they did not run are found: when they start, and by the leader, of either kind. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { alterDatabase } from '../support/altered-database.ts';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { etcdBinDir, NO_ETCD, etcdIsOlder } from '../support/real-etcd.ts';
import type { ServerKind } from '../support/server-process.ts';
import { TestCluster, type ClusterMember } from '../support/test-cluster.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped with etcd: ${NO_ETCD}`);

const RIGHT = 'what was acknowledged';
const WRONG = 'something else really';
const CORRUPT = { message: 'etcdserver: corrupt cluster', code: 15 };
/** For what was applied to be in the database file of each kind. */
const FLUSHED_MS = 400;
const ALARM = { timeout: 15_000 };

describe('a database that was altered', () => {
  let cluster: TestCluster;

  withBundleForFile();

  afterEach(() => cluster?.stop());

  async function start(kinds: readonly ServerKind[], flags: readonly string[]): Promise<ClusterMember[]> {
    cluster = await TestCluster.start(kinds, flags);
    const { client } = await cluster.leader();
    await client.put({ key: 'altered', value: RIGHT });
    await sleep(FLUSHED_MS);
    return cluster.members;
  }

  async function alterStopped({ server }: ClusterMember, from = RIGHT, to = WRONG): Promise<void> {
    await server.kill();
    await alterDatabase(server.dataDir, from, to);
  }

  async function handTo(member: ClusterMember): Promise<void> {
    const leader = await cluster.leader();
    if (leader !== member) await leader.client.moveLeader(member.id);
    await expect.poll(async () => (await cluster.leader()).name).toBe(member.name);
  }

  const alarms = async ({ client }: ClusterMember): Promise<unknown> => (await client.alarm({})).alarms;

  test.skipIf(!available)('keeps its member from starting, whatever kind it and the others are', async () => {
    const [etcd, first, second] = (await start(
      ['etcd', 'quorate', 'quorate'],
      ['--experimental-initial-corrupt-check=true', '--snapshot-count=10'],
    )) as [ClusterMember, ClusterMember, ClusterMember];
    // etcd knows its peers at that moment only from a snapshot.
    for (let i = 0; i < 20; i++) await second.client.put({ key: `filler ${i}`, value: 'x' });
    await sleep(FLUSHED_MS);
    await first.server.kill();
    await first.server.restart();
    expect(first.server.logTail()).toContain('initial corruption check passed');
    for (const member of [first, etcd]) {
      await alterStopped(member);
      await expect(member.server.restart()).rejects.toThrow('found data inconsistency with peers');
      await alterStopped(member, WRONG, RIGHT);
      await member.server.restart();
    }
    await cluster.leader();
    await second.client.put({ key: 'all', value: 'well' });
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test.skipIf(!available)(
    'is found by a leader of the other kind; writes stop until the alarm is disarmed',
    async () => {
      const [etcd, ours, third] = (await start(
        ['etcd', 'quorate', 'quorate'],
        ['--experimental-corrupt-check-time=500ms'],
      )) as [ClusterMember, ClusterMember, ClusterMember];
      for (const [leader, altered] of [
        [etcd, ours],
        [ours, etcd],
      ] as const) {
        await handTo(leader);
        await sleep(1500);
        expect(await alarms(third)).toEqual([]);
        await alterStopped(altered);
        await altered.server.restart();
        // etcd up to 3.5 does not say whose data are wrong.
        const alarm = { memberID: leader === etcd && etcdIsOlder() ? 0n : altered.id, alarm: 'CORRUPT' } as const;
        await expect.poll(() => alarms(third), ALARM).toEqual([alarm]);
        for (const { client } of cluster.members) {
          await expect(client.put({ key: 'refused', value: 'x' })).rejects.toMatchObject(CORRUPT);
          await expect(client.compact({ revision: 2 })).rejects.toMatchObject(CORRUPT);
          await expect(client.leaseGrant({ TTL: 10 })).rejects.toMatchObject(CORRUPT);
          expect((await client.range({ key: 'refused' })).kvs).toEqual([]);
        }
        await alterStopped(altered, WRONG, RIGHT);
        await altered.server.restart();
        // A comparison under way may raise it once more.
        const write = async (): Promise<unknown> => {
          await third.client.alarm({ action: 'DEACTIVATE', ...alarm });
          return third.client.put({ key: 'accepted', value: 'again' }).then(() => 'accepted', String);
        };
        await expect.poll(write, ALARM).toBe('accepted');
      }
    },
  );

  test.skipIf(!available)('shows when a compaction hashes it: the minority is corrupt', async () => {
    const [etcd, ours, altered] = (await start(
      ['etcd', 'quorate', 'quorate'],
      ['--experimental-compact-hash-check-enabled=true', '--experimental-compact-hash-check-time=500ms'],
    )) as [ClusterMember, ClusterMember, ClusterMember];
    const compact = async (): Promise<void> => {
      const { header } = await ours.client.put({ key: 'next', value: 'x' });
      for (const { client } of cluster.members) await client.range({ key: 'next' });
      await ours.client.compact({ revision: header.revision, physical: true });
    };
    await handTo(ours);
    await compact();
    await sleep(1500);
    expect(await alarms(etcd)).toEqual([]);
    await alterStopped(altered);
    await altered.server.restart();
    await cluster.leader();
    await handTo(ours);
    await compact();
    // As long as only two of three answer, nobody knows which is wrong, and one for no member may come first.
    const alarm = { memberID: altered.id, alarm: 'CORRUPT' };
    await expect.poll(() => alarms(etcd), ALARM).toContainEqual(alarm);
  });
});
