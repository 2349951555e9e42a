/** Proposals and reads while leaders come and go, as clients see it. */
import { describe, expect, test } from 'vitest';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { encodeInternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import { encodePutRequest, type PutRequest } from '../../../src/gen/rpc.ts';
import { SELF } from '../../../src/server/caller.ts';
import { ClusterRig, ELECTION_MS, type NodeRig, REQUEST_MS } from './support/node-rig.ts';

function putRequest(key: string): PutRequest {
  return {
    key: utf8Encode(key),
    value: new Uint8Array(0),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
}

interface Outcome {
  text: string;
}

/** Proposes a put; the outcome fills in when it is known. */
function put(member: NodeRig, key: string): Outcome {
  const request = putRequest(key);
  const outcome = { text: 'waiting' };
  const done = member.core.propose(SELF, 'put', encodePutRequest(request), { kind: 'put', request });
  watch(done, outcome);
  return outcome;
}

function read(member: NodeRig): Outcome {
  const outcome = { text: 'waiting' };
  watch(member.core.linearizable() ?? Promise.resolve(), outcome);
  return outcome;
}

function watch(promise: Promise<unknown>, outcome: Outcome): void {
  promise.then(
    () => (outcome.text = 'ok'),
    (error: unknown) => (outcome.text = String(error)),
  );
}

function keysOf(member: NodeRig): string[] {
  return member.applied.flatMap((command) =>
    command.kind === 'put' ? [Buffer.from(command.request.key).toString('utf8')] : [],
  );
}

describe('proposals', () => {
  test('at the leader and through a follower end up in every member, in one order', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    const outcomes = [1, 2, 3, 1, 2].map((id, at) => put(cluster.member(id), `k${at}`));
    await cluster.advance(300);
    expect(outcomes.map(({ text }) => text)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect(keysOf(cluster.member(1)).sort()).toEqual(['k0', 'k1', 'k2', 'k3', 'k4']);
    for (const id of [2, 3]) expect(keysOf(cluster.member(id))).toEqual(keysOf(cluster.member(1)));
  });

  test('wait for a leader, and go to it', async () => {
    const cluster = new ClusterRig(3);
    const outcome = put(cluster.member(2), 'early');
    await cluster.advance(200);
    expect(outcome.text).toBe('waiting');
    await cluster.elect(3);
    await cluster.advance(300);
    expect(outcome.text).toBe('ok');
  });

  test('without a quorum time out, and are not made when there is one again', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.cutOff.add(2n);
    cluster.cutOff.add(3n);
    // Long enough to notice: then there is no leader to give it to.
    await cluster.advance(3 * ELECTION_MS);
    const outcome = put(cluster.member(1), 'late');
    await cluster.advance(REQUEST_MS + 200);
    expect(outcome.text).toBe('EtcdError: etcdserver: request timed out');
    cluster.cutOff.clear();
    await cluster.advance(5 * ELECTION_MS);
    for (const member of cluster.members) expect(keysOf(member)).toEqual([]);
  });

  test('of a leader that is cut off are lost with its entries; what it acknowledged is not', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    const kept = put(cluster.member(1), 'kept');
    await cluster.advance(200);
    expect(kept.text).toBe('ok');
    cluster.cutOff.add(1n);
    const lost = put(cluster.member(1), 'lost');
    await cluster.advance(ELECTION_MS + 200);
    await cluster.elect(2);
    const after = put(cluster.member(2), 'after');
    await cluster.advance(300);
    expect([lost.text, after.text]).toEqual(['waiting', 'ok']);
    cluster.cutOff.clear();
    await cluster.advance(REQUEST_MS);
    expect(lost.text).toContain('request timed out');
    for (const member of cluster.members) expect(keysOf(member)).toEqual(['kept', 'after']);
  });

  test('pass through a handover of the leadership, at either side', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.member(1).node.transferLeader(2n);
    const outcomes = [1, 2, 3].map((id) => put(cluster.member(id), `k${id}`));
    await cluster.advance(1000);
    expect(cluster.member(2).node.isLeader).toBe(true);
    expect(outcomes.map(({ text }) => text)).toEqual(['ok', 'ok', 'ok']);
  });

  test('nothing is acknowledged, here or to the leader, before it is on the disk', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    for (const id of [2, 3]) cluster.member(id).log.isSlow = true;
    const outcome = put(cluster.member(1), 'k');
    await cluster.advance(500);
    expect(outcome.text).toBe('waiting');
    cluster.member(3).log.sync();
    await cluster.advance(100);
    expect(outcome.text).toBe('ok');
    expect(keysOf(cluster.member(2))).toEqual([]);
  });

  test('are refused when the member stops, once and for all', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.cutOff.add(1n);
    const outcome = put(cluster.member(1), 'k');
    const waiting = read(cluster.member(1));
    cluster.member(1).core.stop();
    cluster.member(1).node.stop();
    await cluster.advance(100);
    expect([outcome.text, waiting.text]).toEqual([
      'EtcdError: etcdserver: server stopped',
      'EtcdError: etcdserver: server stopped',
    ]);
    expect(() => put(cluster.member(1), 'l')).toThrow('etcdserver: server stopped');
  });
});

describe('linearizable reads', () => {
  test('are answered by every member while there is a quorum', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    const reads = [1, 2, 3].map((id) => read(cluster.member(id)));
    await cluster.advance(200);
    expect(reads.map(({ text }) => text)).toEqual(['ok', 'ok', 'ok']);
  });

  test('see what was acknowledged before, also through a follower that is behind in applying', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.member(3).log.isSlow = true;
    const written = put(cluster.member(1), 'k');
    await cluster.advance(200);
    expect(written.text).toBe('ok');
    const late = read(cluster.member(3));
    await cluster.advance(300);
    expect(late.text).toBe('waiting');
    cluster.member(3).log.sync();
    await cluster.advance(200);
    expect(late.text).toBe('ok');
    expect(keysOf(cluster.member(3))).toEqual(['k']);
  });

  test('are not answered on the side without a quorum: there they time out', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.cutOff.add(1n);
    const early = read(cluster.member(1));
    await cluster.advance(3 * ELECTION_MS);
    const later = read(cluster.member(1));
    await cluster.advance(REQUEST_MS + 200);
    expect([early.text, later.text]).toEqual([
      'EtcdError: etcdserver: request timed out',
      'EtcdError: etcdserver: request timed out',
    ]);
  });

  test('that wait when another member comes to lead are told so', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.cutOff.add(1n);
    const waiting = [2, 3].map((id) => read(cluster.member(id)));
    await cluster.advance(ELECTION_MS + 100);
    await cluster.elect(2);
    expect(waiting.map(({ text }) => text)).toEqual([
      'EtcdError: etcdserver: leader changed',
      'EtcdError: etcdserver: leader changed',
    ]);
  });

  test('at a new leader wait for the first entry of its term, which tells it what is committed', async () => {
    const cluster = new ClusterRig(3);
    await cluster.elect(1);
    cluster.cutOff.add(1n);
    await cluster.advance(ELECTION_MS + 100);
    // Its votes arrive, its entry is not on any disk.
    for (const id of [2, 3]) cluster.member(id).log.isSlow = true;
    cluster.member(2).node.campaign();
    for (let turn = 0; turn < 20 && !cluster.member(2).node.isLeader; turn++) {
      await cluster.advance(10);
      cluster.member(2).log.sync();
      cluster.member(3).log.sync();
    }
    expect(cluster.member(2).node.isLeader).toBe(true);
    const early = read(cluster.member(2));
    await cluster.advance(300);
    expect(early.text).toBe('waiting');
    for (const id of [2, 3]) {
      cluster.member(id).log.isSlow = false;
      cluster.member(id).log.sync();
    }
    await cluster.advance(300);
    expect(early.text).toBe('ok');
  });
});

test('an entry of the run before with the id of a proposal of now is applied as it stands in the log', async () => {
  const cluster = new ClusterRig(3);
  await cluster.elect(1);
  const [leader, follower] = [cluster.member(1), cluster.member(2)];
  follower.log.isSlow = true;
  const outcome = put(follower, 'mine');
  const id = follower.core.parts.requestIds.next() - 1n;
  const request = putRequest('theirs');
  leader.raft.propose([encodeInternalRaftRequest({ header: { ID: id }, put: encodePutRequest(request) })]);
  await cluster.advance(300);
  follower.log.isSlow = false;
  follower.log.sync();
  await cluster.advance(300);
  expect(outcome.text).toBe('ok');
  expect(keysOf(follower)).toContain('theirs');
  expect(keysOf(follower)).toEqual(keysOf(leader));
});
