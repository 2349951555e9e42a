import { Etcd3, EtcdLeaseInvalidError, EtcdLockFailedError, type IKeyValue } from 'etcd3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeTargets } from '../support/target.ts';

/** The npm package etcd3 as it is, against each target. */
describeTargets('the etcd3 client', (target) => {
  let client: Etcd3;

  beforeAll(() => {
    client = new Etcd3({ hosts: target().server.clientUrl });
  });

  afterAll(() => {
    client.close();
  });

  it('puts, gets and deletes', async () => {
    await client.put('kv/a').value('1');
    await client.put('kv/b').value(2);
    await client.put('kv/c').value(Buffer.from([0, 255, 1]));
    expect(await client.get('kv/a').string()).toBe('1');
    expect(await client.get('kv/b').number()).toBe(2);
    expect(await client.get('kv/c').buffer()).toEqual(Buffer.from([0, 255, 1]));
    expect(await client.get('kv/none').string()).toBeNull();
    expect(await client.get('kv/a').exists()).toBe(true);
    expect(await client.getAll().prefix('kv/').keys()).toEqual(['kv/a', 'kv/b', 'kv/c']);
    expect(await client.getAll().prefix('kv/').limit(2).sort('Key', 'Descend').keys()).toEqual(['kv/c', 'kv/b']);
    expect(await client.getAll().prefix('kv/').count()).toBe(3);
    const previous = await client.put('kv/a').value('2').getPrevious();
    expect(previous?.value.toString()).toBe('1');
    expect((await client.delete().key('kv/a').exec()).deleted).toBe('1');
    expect((await client.delete().prefix('kv/').exec()).deleted).toBe('2');
  });

  it('reads the past and reports its revisions', async () => {
    await client.put('past').value('old');
    const { kvs } = await client.get('past').exec();
    await client.put('past').value('new');
    const revision = kvs[0]?.mod_revision ?? '0';
    expect(await client.get('past').revision(revision).string()).toBe('old');
    expect(await client.get('past').string()).toBe('new');
  });

  it('runs transactions by its comparators', async () => {
    await client.put('txn').value('1');
    const swap = async (expected: string, next: string): Promise<boolean> => {
      const { succeeded } = await client
        .if('txn', 'Value', '==', expected)
        .and('txn', 'Version', '>', 0)
        .then(client.put('txn').value(next))
        .else(client.get('txn'))
        .commit();
      return succeeded;
    };
    expect(await swap('1', '2')).toBe(true);
    expect(await swap('1', '3')).toBe(false);
    expect(await client.get('txn').string()).toBe('2');
    const created = await client.if('txn/new', 'Create', '==', 0).then(client.put('txn/new').value('x')).commit();
    expect(created.succeeded).toBe(true);
  });

  it('retries its software transactional memory until it fits', async () => {
    await client.put('counter').value(0);
    const increments = Array.from({ length: 5 }, () =>
      client.stm({ retries: 50 }).transact(async (tx) => {
        const count = Number(await tx.get('counter').number());
        await tx.put('counter').value(count + 1);
      }),
    );
    await Promise.all(increments);
    expect(await client.get('counter').number()).toBe(5);
  });

  it('keeps leases alive and revokes them', async () => {
    const lease = client.lease(10);
    await lease.put('leased').value('v');
    const id = await lease.grant();
    expect((await client.leaseClient.leaseTimeToLive({ ID: id, keys: true })).keys.map(String)).toEqual(['leased']);
    await lease.keepaliveOnce();
    await lease.revoke();
    expect(await client.get('leased').string()).toBeNull();
    await expect(lease.keepaliveOnce()).rejects.toThrow(EtcdLeaseInvalidError);
  });

  it('watches keys, prefixes and the past', async () => {
    const watcher = await client.watch().prefix('watch/').withPreviousKV().create();
    const seen: string[] = [];
    const text = (kv: IKeyValue | undefined): string => kv?.value.toString() ?? '-';
    watcher.on('put', (kv, previous) => seen.push(`put ${kv.key.toString()}=${text(kv)} after ${text(previous)}`));
    watcher.on('delete', (kv, previous) => seen.push(`delete ${kv.key.toString()} after ${text(previous)}`));
    await client.put('watch/a').value('1');
    await client.put('watch/a').value('2');
    await client.delete().key('watch/a');
    const expected = ['put watch/a=1 after -', 'put watch/a=2 after 1', 'delete watch/a after 2'];
    await expect.poll(() => seen).toEqual(expected);
    await watcher.cancel();

    const { header } = await client.put('watch/b').value('past').exec();
    const later = await client.watch().key('watch/b').startRevision(header.revision).create();
    const replayed = await new Promise<IKeyValue>((resolve) => later.on('put', resolve));
    expect(replayed.value.toString()).toBe('past');
    await later.cancel();
  });

  it('locks', async () => {
    const lock = client.lock('resource');
    await lock.acquire();
    await expect(client.lock('resource').acquire()).rejects.toThrow(EtcdLockFailedError);
    await lock.release();
    expect(await client.lock('resource').do(() => 'done')).toBe('done');
  });

  it('elects one leader, and the next when that one resigns', async () => {
    const election = client.election('office', 5);
    const first = election.campaign('first');
    await new Promise((resolve) => first.once('elected', resolve));
    expect(await election.leader()).toBe('first');
    const observer = await election.observe();
    expect(observer.leader()).toBe('first');
    const second = client.election('office', 5).campaign('second');
    const elected = new Promise((resolve) => second.once('elected', resolve));
    await first.resign();
    await elected;
    await expect.poll(() => observer.leader()).toBe('second');
    await second.resign();
    await observer.cancel();
  });

  it('answers maintenance and cluster calls', async () => {
    const status = await client.maintenance.status();
    expect(status.version).toBe(target().version);
    const { members } = await client.cluster.memberList({});
    expect(members.map((member) => member.name)).toEqual([target().server.name]);
    expect((await client.maintenance.alarm({ action: 'Get' })).alarms).toEqual([]);
  });
});
