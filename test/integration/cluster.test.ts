/** Three quorate processes as one cluster: replication, elections, restarts, reads, leases and changes of the members. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { RpcError } from '../support/raw-client.ts';
import { TestCluster, Writer, type ClusterMember } from '../support/test-cluster.ts';
import { text } from '../support/values.ts';

withBundleForFile();

async function read(member: ClusterMember, key: string): Promise<string | undefined> {
  const { kvs } = await member.client.range({ key });
  return kvs[0] === undefined ? undefined : text(kvs[0].value);
}

/** Linearizable reads may be told that the leader changed: then they are made again, as clients do. */
async function eventually<T>(action: () => Promise<T>, timeoutMs = 15_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (Date.now() > deadline || !(error instanceof RpcError)) throw error;
      await sleep(50);
    }
  }
}

describe('three members', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start(['quorate', 'quorate', 'quorate']);
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  test('have one leader, one cluster id and a cluster version', async () => {
    const leader = await cluster.leader();
    const lists = await Promise.all(cluster.members.map(({ client }) => client.memberList({ linearizable: true })));
    expect(new Set(lists.map(({ header }) => header.cluster_id)).size).toBe(1);
    for (const { members } of lists) {
      expect(members.map(({ name }) => name).sort()).toEqual(['m1', 'm2', 'm3']);
      expect(members.every(({ clientURLs }) => clientURLs.length === 1)).toBe(true);
    }
    await expect
      .poll(async () => (await fetch(`${leader.server.clientUrl}/version`)).json(), { timeout: 10_000 })
      .toMatchObject({ etcdcluster: '3.6.0' });
  });

  test('a write through any member is read at once through every other', async () => {
    for (const [i, writer] of cluster.members.entries()) {
      await writer.client.put({ key: `from ${i}`, value: `value ${i}` });
      for (const reader of cluster.members) expect(await read(reader, `from ${i}`)).toBe(`value ${i}`);
    }
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test('what a follower applied is served there without asking the leader', async () => {
    const [follower] = await cluster.followers();
    await follower?.client.put({ key: 'local', value: 'x' });
    const { kvs } = (await follower?.client.range({ key: 'local', serializable: true })) ?? { kvs: [] };
    expect(kvs.map(({ value }) => text(value))).toEqual(['x']);
  });

  test('a watch on a follower sees what is written through the leader', async () => {
    const [follower] = await cluster.followers();
    const watch = (follower as ClusterMember).client.watch();
    watch.send({ create_request: { key: 'watched' } });
    expect((await watch.next()).created).toBe(true);
    await (await cluster.leader()).client.put({ key: 'watched', value: 'seen' });
    const { events } = await watch.next();
    expect(events.map(({ kv }) => text(kv.value))).toEqual(['seen']);
    watch.cancel();
  });

  test('a lease is renewed and looked up through every member', async () => {
    const { ID } = await (cluster.members[0] as ClusterMember).client.leaseGrant({ TTL: 30 });
    for (const { client } of cluster.members) {
      const stream = client.leaseKeepAlive();
      stream.send({ ID });
      expect((await stream.next()).TTL).toBe(30n);
      stream.cancel();
      const { TTL, grantedTTL } = await client.leaseTimeToLive({ ID });
      expect(grantedTTL).toBe(30n);
      expect(TTL).toBeGreaterThanOrEqual(28n);
      expect((await client.leaseTimeToLive({ ID: 1n })).TTL).toBe(-1n);
    }
  });

  test('a lock is waited for through one member, and given up through another', async () => {
    const [first, second, third] = cluster.members;
    const lock = (member: ClusterMember | undefined, timeoutMs = 20_000): Promise<{ key: Uint8Array }> => {
      if (member === undefined) throw new Error('a member is missing');
      return member.client.unary('v3lockpb.Lock', 'Lock', { name: 'lock' }, { timeoutMs });
    };
    const held = await lock(first);
    const waiting = lock(second);
    await expect(lock(third, 300)).rejects.toThrow(RpcError);
    await third?.client.unary('v3lockpb.Lock', 'Unlock', { key: held.key });
    expect(text((await waiting).key)).toMatch(/^lock\/[0-9a-f]+$/);
    await expect
      .poll(async () => (await first?.client.range({ key: 'lock/', range_end: 'lock0' }))?.count, { timeout: 10_000 })
      .toBe(1n);
  });

  test('only a voter can be given the leadership, and only by the leader', async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const target = follower as ClusterMember;
    await expect(target.client.moveLeader(target.id)).rejects.toMatchObject({ message: 'etcdserver: not leader' });
    await expect(leader.client.moveLeader(4711n)).rejects.toMatchObject({
      message: 'etcdserver: bad leader transferee',
    });
    await leader.client.moveLeader(target.id);
    expect(await cluster.leader()).toBe(target);
  });

  test('the leader is killed under load: another takes over, nothing acknowledged is lost', async () => {
    const leader = await cluster.leader();
    const survivors = await cluster.followers();
    const writer = new Writer('load/', () => survivors.map(({ client }) => client)).start();
    await sleep(500);
    const before = writer.acknowledged.length;
    await leader.server.kill();
    expect(survivors).toContain(await cluster.leader());
    await expect.poll(() => writer.acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(before + 50);
    await leader.server.restart();
    await cluster.leader();
    const acknowledged = await writer.stop();
    expect(acknowledged.length).toBeGreaterThan(100);
    for (const { client } of cluster.members) expect(await writer.missing(client)).toEqual([]);
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test('a lease outlives its leader, and ends in time under the next', async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const { client } = follower as ClusterMember;
    const { ID } = await client.leaseGrant({ TTL: 4 });
    await client.put({ key: 'leased', value: 'x', lease: ID });
    const grantedMs = Date.now();
    await leader.server.kill();
    await cluster.leader();
    await sleep(Math.max(0, grantedMs + 3500 - Date.now()));
    expect(await eventually(() => read(follower as ClusterMember, 'leased'))).toBe('x');
    await leader.server.restart();
    // The next leader starts the lease anew, and adds an election timeout.
    await expect
      .poll(() => read(follower as ClusterMember, 'leased'), { timeout: 12_000, interval: 200 })
      .toBeUndefined();
  });

  test('all are killed at once and come back with everything', async () => {
    const writer = new Writer('all/', () => cluster.members.map(({ client }) => client)).start();
    await expect.poll(() => writer.acknowledged.length, { timeout: 15_000 }).toBeGreaterThan(50);
    await Promise.all(cluster.members.map(({ server }) => server.kill()));
    await writer.stop();
    await Promise.all(cluster.members.map(({ server }) => server.restart()));
    await cluster.leader();
    for (const { client } of cluster.members) expect(await eventually(() => writer.missing(client))).toEqual([]);
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });

  test('without a majority nothing is written and nothing linearizable is read', async () => {
    const [one, two, three] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
    await Promise.all([one.server.kill(), two.server.kill()]);
    const options = { timeoutMs: 2500 };
    await expect(three.client.put({ key: 'minority', value: 'x' }, options)).rejects.toMatchObject({
      name: 'RpcError',
    });
    await expect(three.client.range({ key: 'minority' }, options)).rejects.toMatchObject({ name: 'RpcError' });
    expect((await three.client.range({ key: 'from 0', serializable: true })).kvs).toHaveLength(1);
    await Promise.all([one.server.restart(), two.server.restart()]);
    await cluster.leader();
    expect(await eventually(() => read(three, 'from 0'))).toBe('value 0');
  });

  test('the leader that is told to stop hands over first', async () => {
    const leader = await cluster.leader();
    const survivors = await cluster.followers();
    const writer = new Writer('hand-over/', () => survivors.map(({ client }) => client)).start();
    await sleep(200);
    leader.server.signal('SIGTERM');
    await leader.server.exited();
    const count = writer.acknowledged.length;
    await expect.poll(() => writer.acknowledged.length, { timeout: 900 }).toBeGreaterThan(count);
    await writer.stop();
    await leader.server.restart();
    for (const { client } of cluster.members) {
      expect(await eventually(() => writer.missing(client))).toEqual([]);
    }
  });
});
