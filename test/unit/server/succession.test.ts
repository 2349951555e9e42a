/** The leader's process has ended: who is next, and how soon. */
import { expect, test } from 'vitest';
import { ClusterRig, ELECTION_MS } from './support/node-rig.ts';

function leaders(cluster: ClusterRig, alive: readonly number[]): bigint[] {
  return alive.map((id) => cluster.member(id).node.leader);
}

/** `id` leads and its process ends; the members in `told` hear of it. */
async function end(cluster: ClusterRig, id: number, told: readonly number[]): Promise<void> {
  await cluster.elect(id);
  cluster.cutOff.add(BigInt(id));
  cluster.paused.add(BigInt(id));
  for (const other of told) cluster.member(other).node.reportGone(BigInt(id));
}

test('the voter with the lowest id takes over long before an election timeout', async () => {
  const cluster = new ClusterRig(3);
  await end(cluster, 2, [1, 3]);
  expect(leaders(cluster, [1, 3])).toEqual([0n, 0n]);
  await cluster.advance(100);
  expect(leaders(cluster, [1, 3])).toEqual([1n, 1n]);
  expect(ELECTION_MS).toBeGreaterThan(500);
});

test('if that one does not, the next one does', async () => {
  const cluster = new ClusterRig(5);
  await end(cluster, 5, [2, 3, 4]);
  cluster.cutOff.add(1n);
  await cluster.advance(250);
  expect(leaders(cluster, [2, 3, 4])).toEqual([2n, 2n, 2n]);
});

test('one that heard of it too early does not stand in the way of the next', async () => {
  const cluster = new ClusterRig(3);
  await end(cluster, 3, [1]);
  await cluster.advance(60);
  // Its request for a pre-vote was ignored.
  expect(cluster.member(2).node.leader).toBe(3n);
  cluster.member(2).node.reportGone(3n);
  await cluster.advance(250);
  expect(leaders(cluster, [1, 2])).toEqual([2n, 2n]);
});

test('false news changes nothing: the others refuse, and the next heartbeat makes the leader known again', async () => {
  const cluster = new ClusterRig(3);
  await cluster.elect(3);
  const { term } = cluster.member(3).node;
  cluster.member(1).node.reportGone(3n);
  await cluster.advance(ELECTION_MS);
  expect(leaders(cluster, [1, 2, 3])).toEqual([3n, 3n, 3n]);
  expect(cluster.member(3).node.term).toBe(term);
});

test('news of anybody but the leader is nothing', async () => {
  const cluster = new ClusterRig(3);
  await cluster.elect(3);
  cluster.member(1).node.reportGone(2n);
  cluster.member(3).node.reportGone(3n);
  expect(leaders(cluster, [1, 2, 3])).toEqual([3n, 3n, 3n]);
});
