/** A lease never ends before its time, whoever leads: what a leader that was replaced without knowing it must not do. */
import { describe, expect, test } from 'vitest';
import { SELF } from '../../../src/server/caller.ts';
import { LeaseKeeper } from '../../../src/server/lease-keeper.ts';
import { ClusterRig, ELECTION_MS } from './support/node-rig.ts';

const LEASE = 77n;
const TTL_SECONDS = 5;

/** Three members led by 1, with one lease. */
async function withLease(): Promise<ClusterRig> {
  const cluster = new ClusterRig(3);
  await cluster.elect(1);
  const granted = cluster.member(1).leases.grant(SELF, { ID: LEASE, TTL: TTL_SECONDS });
  await cluster.advance(100);
  expect((await granted).TTL).toBe(TTL_SECONDS);
  await cluster.advance(200);
  return cluster;
}

/** Member 1 stands still until another leads; its owner renews the lease there. Returns for how long. */
async function replaceLeader(cluster: ClusterRig): Promise<number> {
  cluster.paused.add(1n);
  await cluster.advance(ELECTION_MS + 100);
  await cluster.elect(2);
  return ELECTION_MS + 400;
}

describe('a leader that stood still while another took over', () => {
  test('lets its revokes be forwarded to nobody', async () => {
    const cluster = await withLease();
    const old = cluster.member(1);
    const keeper = new LeaseKeeper(old.core);
    keeper.start();
    let stoodMs = await replaceLeader(cluster);
    for (; stoodMs < 2 * TTL_SECONDS * 1000; stoodMs += 1000) {
      const renewed = cluster.member(2).leases.keepAlive(SELF, LEASE);
      await cluster.advance(1000);
      expect((await renewed).TTL).toBe(TTL_SECONDS);
    }
    // Its timers come due, and then it hears from the leader of now.
    cluster.wake(1, stoodMs, 'kept');
    await cluster.advance(1000);
    keeper.stop();
    expect(old.node.leader).toBe(2n);
    expect(cluster.member(2).lessor.has(LEASE)).toBe(true);
    expect(cluster.member(2).kinds()).toEqual(['leaseGrant']);
  });

  test('does not promise its owner more time', async () => {
    const cluster = await withLease();
    const stoodMs = await replaceLeader(cluster);
    cluster.wake(1, stoodMs, 'lost');
    cluster.cutOff.add(1n);
    let answered = false;
    const renewal = Promise.resolve(cluster.member(1).leases.keepAlive(SELF, LEASE));
    renewal.then(
      () => (answered = true),
      () => {},
    );
    await cluster.advance(ELECTION_MS);
    expect(answered).toBe(false);
    cluster.member(1).core.stop();
    cluster.member(1).node.stop();
    await cluster.advance(200);
    await expect(renewal).rejects.toThrow('etcdserver: server stopped');
  });
});

test('a leader that leads renews without waiting longer than one round', async () => {
  const cluster = await withLease();
  const renewed = cluster.member(1).leases.keepAlive(SELF, LEASE);
  await cluster.advance(50);
  expect((await renewed).TTL).toBe(TTL_SECONDS);
});

test('alone, a renewal is answered at once', async () => {
  const cluster = new ClusterRig(1);
  await cluster.elect(1);
  const granted = cluster.member(1).leases.grant(SELF, { ID: LEASE, TTL: TTL_SECONDS });
  await cluster.advance(100);
  await granted;
  expect(cluster.member(1).leases.keepAlive(SELF, LEASE)).toMatchObject({ TTL: TTL_SECONDS });
});

test('a lease that nobody renews ends, once, by the leader of now', async () => {
  const cluster = await withLease();
  const keepers = cluster.members.map(({ core }) => new LeaseKeeper(core));
  for (const keeper of keepers) keeper.start();
  await cluster.advance((TTL_SECONDS + 2) * 1000);
  for (const keeper of keepers) keeper.stop();
  for (const member of cluster.members) expect(member.kinds()).toEqual(['leaseGrant', 'leaseRevoke']);
});
