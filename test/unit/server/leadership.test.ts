import { describe, expect, test } from 'vitest';
import { handOver, moveLeader } from '../../../src/server/leadership.ts';
import { ClusterRig, ELECTION_MS } from './support/node-rig.ts';

async function outcomeOf(promise: Promise<void>, cluster: ClusterRig, withinMs: number): Promise<string> {
  let outcome = 'waiting';
  promise.then(
    () => (outcome = 'done'),
    (error: unknown) => (outcome = String(error)),
  );
  await cluster.advance(withinMs);
  return outcome;
}

describe('moving the leadership', () => {
  test('ends when the target leads', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    expect(await outcomeOf(moveLeader(cluster.member(1).core, 3n), cluster, 300)).toBe('done');
    expect(cluster.member(3).node.isLeader).toBe(true);
  });

  test('to the leader itself is done at once', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    expect(await outcomeOf(moveLeader(cluster.member(1).core, 1n), cluster, 10)).toBe('done');
    expect(cluster.member(1).node.isLeader).toBe(true);
  });

  test('is for the leader to do, and to a member', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    await expect(moveLeader(cluster.member(2).core, 3n)).rejects.toThrow('etcdserver: not leader');
    await expect(moveLeader(cluster.member(1).core, 9n)).rejects.toThrow('etcdserver: bad leader transferee');
  });

  test('to a member that does not answer is given up, and the leader goes on', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.cutOff.add(3n);
    const outcome = await outcomeOf(moveLeader(cluster.member(1).core, 3n), cluster, ELECTION_MS + 200);
    expect(outcome).toBe('EtcdError: etcdserver: request timed out, leader transfer took too long');
    expect(cluster.member(1).node.isLeader).toBe(true);
  });
});

describe('handing over before the end', () => {
  test('goes to the voter that has been heard from for longest', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.member(1).activeSince.set(2n, 500).set(3n, 100);
    expect(await outcomeOf(handOver(cluster.member(1).core), cluster, 300)).toBe('done');
    expect(cluster.member(3).node.isLeader).toBe(true);
  });

  test('is nothing to wait for without others, or where another leads', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    await handOver(cluster.member(1).core);
    await handOver(cluster.member(2).core);
    expect(cluster.member(1).node.isLeader).toBe(true);
  });

  test('ends after a while where the other is gone after all', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.cutOff.add(2n);
    cluster.member(1).activeSince.set(2n, 100);
    expect(await outcomeOf(handOver(cluster.member(1).core), cluster, ELECTION_MS + 200)).toBe('done');
  });
});
