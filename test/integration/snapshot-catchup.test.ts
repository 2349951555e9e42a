/** Members that lack more than the log holds are brought up with a snapshot: between quorate, from etcd and to etcd. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { etcdctl } from '../support/etcdctl.ts';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import type { ServerKind } from '../support/server-process.ts';
import { TestCluster, type ClusterMember } from '../support/test-cluster.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

/** Logs that forget soon. */
const FLAGS = ['--snapshot-count=20', '--experimental-snapshot-catchup-entries=5'];
/** As long as a member must have been connected to count as healthy. */
const HEALTHY_MS = 5500;

describe.skipIf(!available)('a snapshot', () => {
  let cluster: TestCluster;

  withBundleForFile();

  afterEach(async () => {
    await cluster?.stop();
  });

  /** Puts, overwrites, deletions, a lease and a compaction. */
  async function fill({ client }: ClusterMember, prefix: string): Promise<void> {
    const { ID } = await client.leaseGrant({ TTL: 3600 });
    for (let i = 0; i < 150; i++) {
      const lease = i % 10 === 0 ? ID : 0n;
      await client.put({ key: `${prefix}${i % 60}`, value: `value ${i}`.repeat(1 + (i % 7) * 100), lease });
      if (i % 13 === 0) await client.deleteRange({ key: `${prefix}${i % 60}` });
    }
    const { header } = await client.put({ key: `${prefix}last`, value: 'x' });
    await client.compact({ revision: header.revision - 20n, physical: true });
    await sleep(500);
  }

  async function add(kind: ServerKind): Promise<ClusterMember> {
    const url = await cluster.newPeerUrl();
    const { server } = await cluster.leader();
    const name = `new-${kind}`;
    const added = await etcdctl(server.endpoint, ['member', 'add', name, `--peer-urls=${url}`]);
    expect(added).toMatchObject({ code: 0 });
    return cluster.join(kind, url);
  }

  async function expectEqual(members: number): Promise<void> {
    const hashes = await cluster.hashes();
    expect(hashes).toHaveLength(members);
    expect(new Set(hashes).size).toBe(1);
    for (const { client } of cluster.members) {
      expect((await client.memberList({ linearizable: false })).members).toHaveLength(members);
    }
  }

  test('brings a quorate up that joins late, and it goes on from there', async () => {
    cluster = await TestCluster.start(['quorate'], FLAGS);
    await fill(cluster.members[0] as ClusterMember, 'a/');
    const joined = await add('quorate');
    expect(joined.server.logTail()).toContain('taking over a snapshot from the leader');
    await fill(joined, 'b/');
    await expectEqual(2);
    expect((await joined.client.leaseLeases()).leases).toHaveLength(2);
    await joined.server.kill();
    await joined.server.restart();
    await expectEqual(2);
  });

  test('comes from etcd to quorate, and from quorate to etcd', { timeout: 120_000 }, async () => {
    cluster = await TestCluster.start(['etcd'], FLAGS);
    await fill(cluster.members[0] as ClusterMember, 'a/');
    const ours = await add('quorate');
    expect(ours.server.logTail()).toContain('taking over a snapshot from the leader');
    await expectEqual(2);
    await (await cluster.leader()).client.moveLeader(ours.id);
    expect(await cluster.leader()).toBe(ours);
    await fill(ours, 'b/');
    await sleep(HEALTHY_MS);
    await add('etcd');
    await fill(ours, 'c/');
    await expectEqual(3);
  });

  test('brings a member up that stood still for too long while it served, in the same process', async () => {
    cluster = await TestCluster.start(['quorate', 'quorate', 'quorate'], FLAGS);
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const { server } = follower as ClusterMember;
    const { pid } = server;
    server.signal('SIGSTOP');
    // More than the leader keeps for a follower.
    const value = new Uint8Array(1_000_000);
    for (let i = 0; i < 100; i++) await leader.client.put({ key: `large/${i % 20}`, value });
    server.signal('SIGCONT');
    await expect
      .poll(() => server.logTail(200), { timeout: 20_000 })
      .toContain('taking over a snapshot from the leader');
    expect(server.pid).toBe(pid);
    await expect.poll(() => cluster.hashes(), { timeout: 20_000 }).toHaveLength(3);
    await expectEqual(3);
  }, 90_000);
});
