/** Members come, change and go while the cluster runs, as etcdctl asks for it. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { etcdctl } from '../support/etcdctl.ts';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import { TestCluster, type ClusterMember } from '../support/test-cluster.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

/** As long as a member must have been connected to count as healthy. */
const HEALTHY_MS = 5500;

describe.skipIf(!available)('members', () => {
  let cluster: TestCluster;

  withBundleForFile();

  beforeAll(async () => {
    cluster = await TestCluster.start(['quorate', 'quorate', 'quorate']);
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  /** Through a follower. */
  async function member(...args: string[]): Promise<string> {
    const [follower] = await cluster.followers();
    const { stdout, stderr } = await etcdctl((follower as ClusterMember).server.endpoint, ['member', ...args]);
    const errors = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{"level"'));
    return stdout + errors.join('\n');
  }

  test('none is added before all are known to be healthy', async () => {
    const url = await cluster.newPeerUrl();
    expect(await member('add', 'early', `--peer-urls=${url}`)).toBe('Error: etcdserver: unhealthy cluster');
  });

  test('a learner is added, serves little, catches up and is promoted', async () => {
    await sleep(HEALTHY_MS);
    const url = await cluster.newPeerUrl();
    expect(await member('add', 'm4', '--learner', `--peer-urls=${url}`)).toMatch(/^Member +[0-9a-f]+ added to cluster/);
    const second = await member('add', 'm5', '--learner', `--peer-urls=${await cluster.newPeerUrl()}`);
    expect(second).toBe('Error: etcdserver: too many learner members in cluster');
    const used = (cluster.members[0] as ClusterMember).peerUrl;
    expect(await member('add', 'm6', `--peer-urls=${used}`)).toBe('Error: etcdserver: Peer URLs already exists');
    const learner = await cluster.join('quorate', url);
    expect((await learner.client.status()).isLearner).toBe(true);
    await expect(learner.client.range({ key: 'x' })).rejects.toMatchObject({
      message: 'etcdserver: rpc not supported for learner',
    });
    expect((await learner.client.range({ key: 'x', serializable: true })).kvs).toEqual([]);
    const id = learner.id.toString(16);
    await expect.poll(() => member('promote', id), { timeout: 5000 }).toMatch(/^Member +[0-9a-f]+ promoted in cluster/);
    expect(await member('promote', id)).toBe('Error: etcdserver: can only promote a learner member');
    await learner.client.put({ key: 'x', value: 'written through the newcomer' });
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test('peer URLs change', async () => {
    const [changed] = await cluster.followers();
    const { id, peerUrl } = changed as ClusterMember;
    const other = peerUrl.replace('127.0.0.1', 'localhost');
    expect(await member('update', id.toString(16), `--peer-urls=${other}`)).toMatch(/updated in cluster/);
    expect(await member('list')).toContain(`${peerUrl.replace('127.0.0.1', 'localhost')}, `);
    expect(await member('update', '4711', `--peer-urls=${other}`)).toBe('Error: etcdserver: member not found');
    await expect.poll(() => member('update', id.toString(16), `--peer-urls=${peerUrl}`)).toMatch(/updated in cluster/);
  });

  test('the leader is removed: its process ends, and the others go on without it', async () => {
    await sleep(HEALTHY_MS);
    const leader = await cluster.leader();
    expect(await member('remove', leader.id.toString(16))).toMatch(/^Member +[0-9a-f]+ removed from cluster/);
    await leader.server.exited();
    expect(leader.server.logTail()).toContain('the member has been permanently removed from the cluster');
    expect(await member('remove', leader.id.toString(16))).toMatch(/^Error: etcdserver: member not found/);
    await expect(leader.server.restart()).rejects.toThrow('permanently removed from the cluster');
    await cluster.drop(leader);
    await (await cluster.leader()).client.put({ key: 'after', value: 'x' });
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test('a founder that lost its data is refused', async () => {
    const [founder] = (await cluster.followers()).filter(({ name }) => name !== 'm4');
    const { server } = founder as ClusterMember;
    await server.kill();
    await rm(join(server.dataDir, 'member'), { recursive: true });
    await expect(server.restart()).rejects.toThrow('has already been bootstrapped');
  });
});
