/** Two of three members are lost: the third one goes on as a cluster of its own, and grows again. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { TestCluster, type ClusterMember } from '../support/test-cluster.ts';
import { text } from '../support/values.ts';

describe('--force-new-cluster', () => {
  let cluster: TestCluster;
  let survivor: ClusterMember;
  let lost: ClusterMember[];

  withBundleForFile();

  beforeAll(async () => {
    cluster = await TestCluster.start(['quorate', 'quorate', 'quorate']);
    survivor = await cluster.leader();
    lost = cluster.members.filter((member) => member !== survivor);
  });

  afterAll(() => cluster?.stop());

  const valueOf = async (key: string, { client } = survivor): Promise<string[]> =>
    (await client.range({ key })).kvs.map(({ value }) => text(value));

  test('keeps what was acknowledged, and gives up what was not', async () => {
    const { client, server, id } = survivor;
    for (let i = 0; i < 50; i++) await client.put({ key: 'kept', value: `${i}` });
    for (const member of lost) await member.server.kill();
    const unanswered = client.put({ key: 'given up', value: 'x' }, { timeoutMs: 500 });
    await expect(unanswered).rejects.toMatchObject({ code: 4 });
    await server.kill();
    await server.restart(['--force-new-cluster']);
    expect(await valueOf('kept')).toEqual(['49']);
    expect(await valueOf('given up')).toEqual([]);
    const { members } = await client.memberList({ linearizable: true });
    expect(members.map(({ ID, name }) => [ID, name])).toEqual([[id, survivor.name]]);
    await client.put({ key: 'kept', value: 'and changed' });
  });

  test('is over after that start', async () => {
    await survivor.server.kill();
    await survivor.server.restart();
    expect(await valueOf('kept')).toEqual(['and changed']);
    expect(await valueOf('given up')).toEqual([]);
  });

  test('the lost ones cannot come back as they were', async () => {
    const [first] = lost as [ClusterMember, ClusterMember];
    // The others would elect one of them, should both come back at once: an operator must not let them.
    await expect(first.server.restart()).rejects.toThrow('permanently removed from the cluster');
  });

  test('new members join', async () => {
    for (const member of lost) {
      await rm(join(member.server.dataDir, 'member'), { recursive: true });
      await cluster.drop(member);
    }
    const peerUrl = await cluster.newPeerUrl();
    await survivor.client.unary('etcdserverpb.Cluster', 'MemberAdd', { peerURLs: [peerUrl] });
    const joined = await cluster.join('quorate', peerUrl);
    expect(await valueOf('kept', joined)).toEqual(['and changed']);
    await joined.client.put({ key: 'by the newcomer', value: 'x' });
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });
});
