/** A real etcd 3.5 and quorate as members of one cluster: each kind leads in turn, and all hold the same. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { etcdctl } from '../support/etcdctl.ts';
import { etcdBinDir, NO_ETCD, etcdSeries } from '../support/real-etcd.ts';
import { TestCluster, Writer, type ClusterMember } from '../support/test-cluster.ts';
import { until } from '../support/until.ts';
import { text } from '../support/values.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

describe.skipIf(!available)('one etcd and two quorate', () => {
  let cluster: TestCluster;

  withBundleForFile();

  beforeAll(async () => {
    cluster = await TestCluster.start(['etcd', 'quorate', 'quorate']);
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  async function handTo(member: ClusterMember): Promise<void> {
    const leader = await cluster.leader();
    if (leader !== member) await leader.client.moveLeader(member.id);
    expect(await cluster.leader()).toBe(member);
  }

  test('agree on the members and on the version', async () => {
    await cluster.leader();
    for (const { server, client } of cluster.members) {
      const { members } = await client.memberList({ linearizable: true });
      expect(members.map(({ name }) => name).sort()).toEqual(['m1', 'm2', 'm3']);
      expect(members.every(({ clientURLs }) => clientURLs.length === 1)).toBe(true);
      const version = async (): Promise<unknown> => (await fetch(`${server.clientUrl}/version`)).json();
      await expect.poll(version, { timeout: 15_000 }).toMatchObject({ etcdcluster: `${etcdSeries()}.0` });
    }
  });

  test.each([0, 1, 2])('serve through all while member %i leads', async (index) => {
    await handTo(cluster.members[index] as ClusterMember);
    for (const [i, writer] of cluster.members.entries()) {
      const key = `led by ${index}, written through ${i}`;
      await writer.client.put({ key, value: 'x' });
      await writer.client.txn({
        compare: [{ key, target: 'VERSION', result: 'EQUAL', version: 1 }],
        success: [{ request_put: { key, value: 'y' } }],
      });
      for (const { client } of cluster.members) {
        const { kvs } = await client.range({ key });
        expect(kvs.map(({ value }) => text(value))).toEqual(['y']);
      }
    }
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test.each([0, 1])('leases work through all while member %i leads', async (index) => {
    await handTo(cluster.members[index] as ClusterMember);
    const first = cluster.members[2] as ClusterMember;
    const { ID } = await first.client.leaseGrant({ TTL: 20 });
    await first.client.put({ key: `leased ${index}`, value: 'x', lease: ID });
    for (const { client } of cluster.members) {
      const stream = client.leaseKeepAlive();
      stream.send({ ID });
      expect((await stream.next()).TTL).toBe(20n);
      stream.cancel();
      const { TTL, keys } = await client.leaseTimeToLive({ ID, keys: true });
      expect(TTL).toBeGreaterThanOrEqual(18n);
      expect(keys.map(text)).toEqual([`leased ${index}`]);
    }
    await (cluster.members[1] as ClusterMember).client.leaseRevoke(ID);
    expect((await first.client.range({ key: `leased ${index}` })).kvs).toEqual([]);
  });

  test('leaders of each kind are killed in turn and nothing acknowledged is lost', async () => {
    const writer = new Writer('load/', () => cluster.running.map(({ client }) => client)).start();
    for (const member of [cluster.members[0], cluster.members[1]] as ClusterMember[]) {
      await handTo(member);
      await sleep(300);
      await member.server.kill();
      expect(await cluster.leader()).not.toBe(member);
      const count = writer.acknowledged.length;
      await expect.poll(() => writer.acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(count + 20);
      await member.server.restart();
      await cluster.leader();
    }
    await writer.stop();
    for (const { client } of cluster.members) expect(await writer.missing(client)).toEqual([]);
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test('compaction through one kind is compaction on the other', async () => {
    const [etcd, ours] = cluster.members as [ClusterMember, ClusterMember];
    const { header } = await ours.client.put({ key: 'compact', value: 'x' });
    await etcd.client.compact({ revision: header.revision, physical: true });
    await expect(ours.client.range({ key: 'compact', revision: header.revision - 1n })).rejects.toMatchObject({
      message: 'etcdserver: mvcc: required revision has been compacted',
    });
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test('a quorate joins as a learner, is promoted, and a voter is removed', async () => {
    const [etcd, ours] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
    // A member counts as healthy once it has been connected for five seconds.
    await sleep(5500);
    await handTo(etcd);
    const peerUrl = await cluster.newPeerUrl();
    const added = await etcdctl(ours.server.endpoint, ['member', 'add', 'm4', '--learner', `--peer-urls=${peerUrl}`]);
    expect(added).toMatchObject({ code: 0 });
    const learner = await cluster.join('quorate', peerUrl);
    const hex = learner.id.toString(16);
    await expect
      .poll(async () => (await etcdctl(ours.server.endpoint, ['member', 'promote', hex])).code, { timeout: 10_000 })
      .toBe(0);
    // It has to hear of its promotion first.
    await until('a put through the newcomer', async () => {
      await learner.client.put({ key: 'by the newcomer', value: 'x' });
      return true;
    });
    expect(new Set(await cluster.hashes()).size).toBe(1);
    await sleep(5500);
    const removed = await etcdctl(learner.server.endpoint, ['member', 'remove', ours.id.toString(16)]);
    expect(removed).toMatchObject({ code: 0 });
    await ours.server.exited();
    await cluster.drop(ours);
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });
});
