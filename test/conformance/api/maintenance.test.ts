import { expect, it } from 'vitest';
import { expectError, expectStatus, Status } from '../../support/expect-error.ts';
import { http } from '../../support/http.ts';
import { describeTargets, type Target } from '../../support/target.ts';
import { until } from '../../support/until.ts';
import { under } from '../../support/values.ts';

describeTargets('status of a new store', (target) => {
  it('shows a small database', async () => {
    const { dbSize, dbSizeInUse } = await target().client.status();
    expect(dbSize).toBeGreaterThan(0n);
    expect(dbSize).toBeLessThan(52n * 1024n);
    expect(dbSizeInUse).toBeGreaterThan(0n);
    expect(dbSizeInUse).toBeLessThanOrEqual(dbSize);
  });
});

/**
 * The status once all that is committed is applied. A server writes entries of its own after it is ready, the last of them the
 * cluster's version; and etcd answers a put before it has noted the put's index as applied.
 */
async function settledStatus({ server, client }: Target): Promise<Awaited<ReturnType<Target['client']['status']>>> {
  let status = await client.status();
  await until('the cluster has a version, and all that is committed is applied', async () => {
    const { etcdcluster } = JSON.parse((await http(`http://${server.endpoint}/version`)).body) as {
      etcdcluster: string;
    };
    status = await client.status();
    return etcdcluster !== 'not_decided' && status.raftAppliedIndex === status.raftIndex;
  });
  return status;
}

describeTargets('maintenance', (target) => {
  it('Status fills every field', async () => {
    const { client } = target();
    const { revision } = (await client.put({ key: 'k' })).header;
    const status = await settledStatus(target());
    expect(status.header).toMatchObject({ cluster_id: target().clusterId, member_id: target().memberId, revision });
    expect(status.version).toMatch(/^3\.\d+\.\d+$/);
    expect(status.leader).toBe(target().memberId);
    expect(status.raftTerm).toBe(status.header.raft_term);
    expect(status.raftTerm).toBeGreaterThan(0n);
    expect(status.raftAppliedIndex).toBe(status.raftIndex);
    expect(status.raftIndex).toBeGreaterThan(0n);
    expect(status.isLearner).toBe(false);
    expect(status.errors).toEqual([]);
    if (!target().atLeast('3.6')) return;
    expect(status.storageVersion).toMatch(/^3\.\d+\.0$/);
    expect(status.dbSizeQuota).toBe(2_147_483_648n);
    expect(status.downgradeInfo).toEqual({ enabled: false, targetVersion: '' });
  });

  it('Status shows each write in the raft indexes', async () => {
    const { client } = target();
    const before = await settledStatus(target());
    await client.put({ key: 'k' });
    const after = await settledStatus(target());
    expect(after.raftIndex).toBe(before.raftIndex + 1n);
    expect(after.raftAppliedIndex).toBe(before.raftAppliedIndex + 1n);
    await client.range({ key: 'k' });
    expect((await client.status()).raftIndex).toBe(after.raftIndex);
  });

  it('Status names the version of the gates in Kubernetes, at least 3.5.13', () => {
    expect(target().atLeast('3.5.13')).toBe(true);
  });

  it('compaction and Defragment make the database smaller, and lose nothing', async () => {
    const { client } = target();
    const key = target().prefix();
    const value = 'x'.repeat(100_000);
    for (let i = 0; i < 100; i++) await client.put({ key: `${key}${i % 2}`, value });
    const { revision } = (await client.put({ key: `${key}0`, value: 'small' })).header;
    await client.compact({ revision, physical: true });
    const hash = (await client.hashKv()).hash;
    const full = await client.status();
    expect(full.dbSize).toBeGreaterThan(1_000_000n);
    await client.defragment();
    const defragmented = await client.status();
    expect(defragmented.dbSize).toBeLessThan(full.dbSize / 4n);
    expect(defragmented.dbSizeInUse).toBeLessThanOrEqual(defragmented.dbSize);
    expect((await client.hashKv()).hash).toBe(hash);
    expect((await client.range({ ...under(key), count_only: true })).count).toBe(2n);
    await client.defragment();
    await client.put({ key, value: 'after' });
    expect((await client.range({ key })).count).toBe(1n);
  });

  it('Hash tells states apart', async () => {
    const { client } = target();
    const first = await client.hash();
    expect(first.hash).toBeGreaterThan(0);
    await client.put({ key: 'hashed', value: String(Date.now()) });
    expect((await client.hash()).hash).not.toBe(first.hash);
  });

  it('MoveLeader to itself succeeds, to an unknown member does not', async () => {
    const { client, memberId } = target();
    await client.moveLeader(memberId);
    await expectError(client.moveLeader(0xabcdef), 'BadLeaderTransferee');
  });

  it('Downgrade validates its target version', async () => {
    const { client } = target();
    await expectError(client.downgrade('VALIDATE', 'x'), 'WrongDowngradeVersionFormat');
    await expectError(client.downgrade('VALIDATE', '1.0.0'), 'InvalidDowngradeTargetVersion');
    await expectError(client.downgrade('VALIDATE', target().version), 'InvalidDowngradeTargetVersion');
    const minor = Number(target().version.split('.')[1]);
    const lower = await client.downgrade('VALIDATE', `3.${minor - 1}.0`);
    expect(lower.version).toBe(target().atLeast('3.6') ? `3.${minor}` : `3.${minor}.0`);
    await expectStatus(client.downgrade(7, '3.4.0'), Status.Unknown, 'etcdserver: unknown method');
  });
});

describeTargets('alarms', (target) => {
  const list = async (alarm: 'NONE' | 'NOSPACE' | 'CORRUPT' = 'NONE') =>
    (await target().client.alarm({ alarm })).alarms;

  it('can be raised, listed by type and cleared', async () => {
    const { client, memberId: memberID } = target();
    expect(await list()).toEqual([]);
    const raised = await client.alarm({ action: 'ACTIVATE', memberID, alarm: 'NOSPACE' });
    expect(raised.alarms).toEqual([{ memberID, alarm: 'NOSPACE' }]);
    const again = await client.alarm({ action: 'ACTIVATE', memberID, alarm: 'NOSPACE' });
    expect(again.alarms).toEqual([{ memberID, alarm: 'NOSPACE' }]);
    expect(await list()).toEqual([{ memberID, alarm: 'NOSPACE' }]);
    expect(await list('NOSPACE')).toEqual([{ memberID, alarm: 'NOSPACE' }]);
    expect(await list('CORRUPT')).toEqual([]);
    const cleared = await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
    expect(cleared.alarms).toEqual([{ memberID, alarm: 'NOSPACE' }]);
    expect(await list()).toEqual([]);
    const absent = await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
    expect(absent.alarms).toEqual([]);
  });

  it('of type NONE are never raised', async () => {
    const { client, memberId: memberID } = target();
    expect((await client.alarm({ action: 'ACTIVATE', memberID, alarm: 'NONE' })).alarms).toEqual([]);
    expect(await list()).toEqual([]);
  });

  it('may name any member', async () => {
    const { client } = target();
    await client.alarm({ action: 'ACTIVATE', memberID: 42, alarm: 'NOSPACE' });
    expect(await list()).toEqual([{ memberID: 42n, alarm: 'NOSPACE' }]);
    await client.alarm({ action: 'DEACTIVATE', memberID: 42, alarm: 'NOSPACE' });
    expect(await list()).toEqual([]);
  });

  it('NOSPACE refuses what grows the store, and allows the rest', async () => {
    const { client, memberId: memberID } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await client.put({ key, lease: ID });
    const { revision } = (await client.put({ key, value: '2', lease: ID })).header;
    await client.alarm({ action: 'ACTIVATE', memberID, alarm: 'NOSPACE' });
    expect((await client.status()).errors).toEqual([`memberID:${memberID} alarm:NOSPACE `]);
    await expectError(client.put({ key }), 'NoSpace');
    await expectError(client.txn({ success: [{ request_put: { key } }] }), 'NoSpace');
    await expectError(client.leaseGrant({ TTL: 60 }), 'NoSpace');
    expect((await client.range({ key })).count).toBe(1n);
    expect((await client.txn({ success: [{ request_range: { key } }] })).succeeded).toBe(true);
    const deleting = await client.txn({ success: [{ request_delete_range: { key: `${key}none` } }] });
    expect(deleting.succeeded).toBe(true);
    await client.compact({ revision });
    await client.defragment();
    await client.leaseRevoke(ID);
    expect((await client.deleteRange({ key })).deleted).toBe(0n);
    await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
    await client.put({ key });
  });

  it('CORRUPT refuses every change, and still answers reads', async () => {
    const { client, memberId: memberID } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    const { revision } = (await client.put({ key })).header;
    await client.alarm({ action: 'ACTIVATE', memberID, alarm: 'CORRUPT' });
    expect((await client.status()).errors).toEqual([`memberID:${memberID} alarm:CORRUPT `]);
    await expectError(client.put({ key }), 'Corrupt');
    await expectError(client.deleteRange({ key }), 'Corrupt');
    await expectError(client.txn({ success: [{ request_put: { key } }] }), 'Corrupt');
    await expectError(client.compact({ revision }), 'Corrupt');
    await expectError(client.leaseGrant({ TTL: 60 }), 'Corrupt');
    await expectError(client.leaseRevoke(ID), 'Corrupt');
    expect((await client.range({ key })).count).toBe(1n);
    expect(await list('CORRUPT')).toEqual([{ memberID, alarm: 'CORRUPT' }]);
    await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'CORRUPT' });
    await client.put({ key });
  });

  it('survive a restart', async () => {
    const { client, memberId: memberID, server } = target();
    await client.alarm({ action: 'ACTIVATE', memberID, alarm: 'NOSPACE' });
    await server.kill();
    await server.restart();
    await client.ready();
    await expectError(client.put({ key: 'k' }), 'NoSpace');
    expect(await list()).toEqual([{ memberID, alarm: 'NOSPACE' }]);
    await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
    await client.put({ key: 'k' });
  });
});
