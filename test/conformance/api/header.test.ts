import { expect, it } from 'vitest';
import type { ResponseHeader } from '../../support/api-messages.ts';
import { describeTargets, type Target } from '../../support/target.ts';
import { under } from '../../support/values.ts';

/** The revision of a header, after checking that its other fields name this cluster, this member and a term. */
function revisionOf(target: Target, header: ResponseHeader): bigint {
  expect(header.cluster_id).toBe(target.clusterId);
  expect(header.member_id).toBe(target.memberId);
  expect(header.raft_term).toBeGreaterThan(0n);
  return header.revision;
}

async function currentRevision(target: Target): Promise<bigint> {
  return revisionOf(target, (await target.client.range({ key: 'x' })).header);
}

describeTargets('headers of a new store', (target) => {
  it('starts at revision 1, and the first write yields 2', async () => {
    const { client } = target();
    expect(await currentRevision(target())).toBe(1n);
    const put = await client.put({ key: 'first', value: 'v' });
    expect(put.header.revision).toBe(2n);
    expect((await client.range({ key: 'first' })).kvs[0]).toMatchObject({
      create_revision: 2n,
      mod_revision: 2n,
      version: 1n,
    });
  });
});

describeTargets('headers', (target) => {
  it('names the cluster, the member and the term in every kind of answer', async () => {
    const { client } = target();
    const key = target().prefix();
    const put = await client.put({ key, value: 'v' });
    const revision = revisionOf(target(), put.header);
    expect(revisionOf(target(), (await client.range({ key })).header)).toBe(revision);
    expect(revisionOf(target(), (await client.deleteRange({ key: `${key}none` })).header)).toBe(revision);
    expect(revisionOf(target(), (await client.txn({})).header)).toBe(revision);
    expect(revisionOf(target(), (await client.leaseLeases()).header)).toBe(revision);
    expect(revisionOf(target(), (await client.status()).header)).toBe(revision);
    expect(revisionOf(target(), (await client.alarm({})).header)).toBe(revision);
    expect(revisionOf(target(), (await client.hashKv()).header)).toBe(revision);
  });

  it('answers a read at an old revision with the current revision', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = await client.put({ key, value: '1' });
    const second = await client.put({ key, value: '2' });
    const old = await client.range({ key, revision: first.header.revision });
    expect(old.header.revision).toBe(second.header.revision);
  });

  it('gives each write its own revision, one higher than the last', async () => {
    const { client } = target();
    const key = target().prefix();
    const before = await currentRevision(target());
    expect((await client.put({ key, value: '1' })).header.revision).toBe(before + 1n);
    expect((await client.put({ key, value: '1' })).header.revision).toBe(before + 2n);
    expect((await client.deleteRange({ key })).header.revision).toBe(before + 3n);
    const txn = await client.txn({ success: [{ request_put: { key } }, { request_put: { key: `${key}2` } }] });
    expect(txn.header.revision).toBe(before + 4n);
    expect(await currentRevision(target())).toBe(before + 4n);
  });

  it('does not move the revision for what changes no key', async () => {
    const { client } = target();
    const key = target().prefix();
    const { revision } = (await client.put({ key, value: '1' })).header;
    expect((await client.deleteRange(under(`${key}none`))).header.revision).toBe(revision);
    expect((await client.txn({})).header.revision).toBe(revision);
    expect((await client.txn({ success: [{ request_range: { key } }] })).header.revision).toBe(revision);
    const failed = await client.txn({
      compare: [{ target: 'VERSION', key, version: 99 }],
      success: [{ request_put: { key, value: '2' } }],
    });
    expect(failed).toMatchObject({ succeeded: false, header: { revision } });
    const deletesNothing = await client.txn({ success: [{ request_delete_range: { key: `${key}none` } }] });
    expect(deletesNothing.header.revision).toBe(revision);

    const lease = await client.leaseGrant({ TTL: 60 });
    expect(lease.header.revision).toBe(revision);
    const alive = client.leaseKeepAlive();
    alive.send({ ID: lease.ID });
    expect((await alive.next()).header.revision).toBe(revision);
    alive.cancel();
    expect((await client.leaseTimeToLive({ ID: lease.ID })).header.revision).toBe(revision);
    expect((await client.leaseRevoke(lease.ID)).header.revision).toBe(revision);

    const alarm = { memberID: target().memberId, alarm: 'NOSPACE' } as const;
    expect((await client.alarm({ action: 'ACTIVATE', ...alarm })).header.revision).toBe(revision);
    expect((await client.alarm({ action: 'DEACTIVATE', ...alarm })).header.revision).toBe(revision);
    expect((await client.compact({ revision })).header.revision).toBe(revision);
    expect(await currentRevision(target())).toBe(revision);
  });

  it('moves the revision by one when a lease with keys is revoked, however many keys', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    for (const name of ['c', 'a', 'b']) await client.put({ key: key + name, lease: ID });
    const before = await currentRevision(target());
    expect((await client.leaseRevoke(ID)).header.revision).toBe(before + 1n);
  });

  it('leaves the revision out of the answers of the Cluster service', async () => {
    const { header } = await target().client.memberList();
    expect(revisionOf(target(), header)).toBe(0n);
  });

  it('sends no header with Defragment, MoveLeader and Snapshot', async () => {
    const { client, memberId } = target();
    expect(await client.defragment()).toEqual({});
    expect(await client.moveLeader(memberId)).toEqual({});
    const messages = await client.snapshot().drain();
    expect(messages.length).toBeGreaterThan(1);
    for (const message of messages) expect(message.header).toBeUndefined();
  });

  it('fills only the revision in the headers inside a txn, and nothing in that of a nested txn', async () => {
    const { client } = target();
    const key = target().prefix();
    const txn = await client.txn({
      success: [
        { request_put: { key, value: '1' } },
        { request_range: { key } },
        { request_delete_range: { key: `${key}none` } },
        { request_txn: { success: [{ request_put: { key: `${key}n`, value: '1' } }] } },
      ],
    });
    const { revision } = txn.header;
    const inner = { cluster_id: 0n, member_id: 0n, raft_term: 0n };
    expect(txn.responses[0]?.response_put?.header).toEqual({ ...inner, revision });
    expect(txn.responses[1]?.response_range?.header).toEqual({ ...inner, revision });
    expect(txn.responses[2]?.response_delete_range?.header).toEqual({ ...inner, revision });
    expect(txn.responses[3]?.response_txn?.header).toEqual({ ...inner, revision: 0n });
    expect(txn.responses[3]?.response_txn?.responses[0]?.response_put?.header).toEqual({ ...inner, revision });
  });
});
