/** A cluster goes back to 3.5, and a real etcd 3.5 takes over from it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { etcdctl } from '../support/etcdctl.ts';
import { expectError } from '../support/expect-error.ts';
import { etcdBinDir, NO_ETCD, etcdIsOlder, etcdSeries } from '../support/real-etcd.ts';
import { TestCluster, type ClusterMember } from '../support/test-cluster.ts';
import { text } from '../support/values.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

/** As long as a member must have been connected to count as healthy. */
const HEALTHY_MS = 5500;
/** The leader looks every four seconds. */
const DECIDED = { timeout: 20_000 };

describe.skipIf(!available)('downgrade', () => {
  let cluster: TestCluster;
  let ours: ClusterMember;

  withBundleForFile();

  beforeAll(async () => {
    cluster = await TestCluster.start(['quorate'], ['--experimental-downgrade-check-time=500ms']);
    [ours] = cluster.members as [ClusterMember];
  });

  afterAll(() => cluster?.stop());

  async function versions(url = ours.server.clientUrl): Promise<unknown> {
    return (await fetch(`${url}/version`)).json();
  }

  test('is cancelled: the cluster is where it was', async () => {
    const { client } = ours;
    await expect.poll(() => versions(), DECIDED).toMatchObject({ etcdcluster: '3.6.0', storage: '3.6.0' });
    expect(await client.downgrade('CANCEL', '')).toMatchObject({ version: '3.6' });
    await expectError(client.downgrade('ENABLE', 'x'), 'WrongDowngradeVersionFormat');
    await expectError(client.downgrade('ENABLE', '3.4'), 'InvalidDowngradeTargetVersion');
    expect(await client.downgrade('ENABLE', '3.5')).toMatchObject({ version: '3.6' });
    expect((await client.status()).downgradeInfo).toEqual({ enabled: true, targetVersion: '3.5.0' });
    await client.downgrade('CANCEL', '');
    expect((await client.status()).downgradeInfo).toEqual({ enabled: false, targetVersion: '' });
    await expect.poll(() => versions(), DECIDED).toMatchObject({ etcdcluster: '3.6.0' });
  });

  test('lowers the version of the cluster and of the storage, and survives a restart', async () => {
    const { client, server } = ours;
    await client.downgrade('ENABLE', '3.5.0');
    await expect.poll(() => versions(), DECIDED).toMatchObject({ etcdcluster: '3.5.0', storage: '3.5.0' });
    await expectError(client.downgrade('VALIDATE', '3.4.0'), 'DowngradeInProcess');
    const metrics = await (await fetch(`${server.clientUrl}/metrics`)).text();
    expect(metrics).toMatch(/^etcd_cluster_version\{cluster_version="3.5"\} 1$/m);
    expect(metrics).toMatch(/^etcd_cluster_version\{cluster_version="3.6"\} 0$/m);
    await server.kill();
    await server.restart();
    expect(await client.status()).toMatchObject({
      storageVersion: '3.5.0',
      downgradeInfo: { enabled: true, targetVersion: '3.5.0' },
    });
    expect(await versions()).toMatchObject({ etcdcluster: '3.5.0' });
  });

  test('etcd 3.5 joins, takes over and ends it', async (context) => {
    if (!etcdIsOlder()) {
      const reason = `the real etcd is ${etcdSeries()}`;
      console.info(`skipped: ${context.task.name}: ${reason}`);
      context.skip(reason);
    }

    await ours.client.put({ key: 'kept', value: 'x' });
    const peerUrl = await cluster.newPeerUrl();
    const added = await etcdctl(ours.server.endpoint, ['member', 'add', 'm2', `--peer-urls=${peerUrl}`]);
    expect(added).toMatchObject({ code: 0 });
    const etcd = await cluster.join('etcd', peerUrl);
    await (await cluster.leader()).client.put({ key: 'common', value: 'x' });
    expect(new Set(await cluster.hashes()).size).toBe(1);
    expect(await ours.client.status()).toMatchObject({ downgradeInfo: { enabled: true } });
    await sleep(HEALTHY_MS);
    const removed = await etcdctl(etcd.server.endpoint, ['member', 'remove', ours.id.toString(16)]);
    expect(removed).toMatchObject({ code: 0 });
    await ours.server.exited();
    await cluster.drop(ours);
    const enabled = async (): Promise<string> => (await fetch(`${peerUrl}/downgrade/enabled`)).text();
    await expect.poll(enabled, DECIDED).toBe('false');
    const { kvs } = await etcd.client.range({ key: 'kept' });
    expect(kvs.map(({ value }) => text(value))).toEqual(['x']);
  });
});
