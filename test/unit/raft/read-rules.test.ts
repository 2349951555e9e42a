import { describe, expect, test } from 'vitest';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { MessageType } from '../../../src/gen/raftpb.ts';
import { ReadOnly } from '../../../src/raft/read-only.ts';
import { confState, emptyDisk, type Member } from './support/member.ts';
import { SmallCluster, message, sent } from './support/small-cluster.ts';

const { MsgHeartbeat, MsgHeartbeatResp, MsgAppResp, MsgReadIndex, MsgReadIndexResp, MsgVoteResp } = MessageType;

function served({ readStates }: Member): [string, number][] {
  return readStates.splice(0).map(({ context, index }) => [new TextDecoder().decode(context), index]);
}

describe('dissertation §6.4: linearizable reads', () => {
  test('the commit index of when the read came, once a quorum confirms the leader', () => {
    const cluster = new SmallCluster(5);
    const one = cluster.elect(1);
    cluster.propose(1, 'a');
    one.raft.readIndex(utf8Encode('r'));
    one.takeReadys();
    const [heartbeat] = sent(one, MsgHeartbeat);
    one.raft.step(message(MsgHeartbeatResp, { from: 2n, term: 1, context: heartbeat!.context }));
    one.takeReadys();
    expect(served(one)).toEqual([]);
    one.raft.step(message(MsgHeartbeatResp, { from: 3n, term: 1, context: heartbeat!.context }));
    one.takeReadys();
    expect(served(one)).toEqual([['r', 2]]);
  });

  test('a heartbeat sent before the read came confirms nothing', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    one.raft.readIndex(utf8Encode('r1'));
    one.takeReadys();
    const [early] = sent(one, MsgHeartbeat);
    one.raft.readIndex(utf8Encode('r2'));
    one.takeReadys();
    one.raft.step(message(MsgHeartbeatResp, { from: 2n, term: 1, context: early!.context }));
    one.takeReadys();
    expect(served(one)).toEqual([['r1', 1]]);
    one.raft.step(message(MsgHeartbeatResp, { from: 2n, term: 1 }));
    one.takeReadys();
    expect(served(one)).toEqual([]);
  });

  test('reads that come together share one round of heartbeats', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    for (let i = 0; i < 100; i++) one.raft.readIndex(utf8Encode(`r${i}`));
    one.takeReadys();
    expect(one.outbox).toHaveLength(2);
    cluster.settle();
    expect(served(one)).toHaveLength(100);
  });

  test('a follower asks the leader, which answers it under the same name', () => {
    const cluster = new SmallCluster(3);
    cluster.elect(1);
    const two = cluster.member(2);
    expect(two.raft.readIndex(utf8Encode('r'))).toBe(true);
    two.takeReadys();
    expect(two.outbox).toMatchObject([{ type: MsgReadIndex, to: 1n, term: 0, entries: [{ data: utf8Encode('r') }] }]);
    cluster.settle();
    expect(served(two)).toEqual([['r', 1]]);
    expect(served(cluster.member(1))).toEqual([]);
  });

  test('a leader that has committed nothing in its term waits for that', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.member(1);
    one.raft.campaign();
    one.settle();
    one.raft.step(message(MsgVoteResp, { from: 2n, term: 1 }));
    one.raft.readIndex(utf8Encode('r'));
    one.settle();
    expect(sent(one, MsgHeartbeat)).toEqual([]);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 1 }));
    one.settle();
    expect(sent(one, MsgHeartbeat)).toHaveLength(2);
  });

  test('a leader that steps down answers none of the reads it had', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    one.raft.readIndex(utf8Encode('r'));
    one.takeReadys();
    const [heartbeat] = sent(one, MsgHeartbeat);
    one.raft.step(message(MsgHeartbeat, { from: 2n, term: 2 }));
    one.raft.step(message(MsgHeartbeatResp, { from: 3n, term: 1, context: heartbeat!.context }));
    cluster.settle();
    expect(served(one)).toEqual([]);
    expect(one.raft.role).toBe('follower');
  });

  test('a sole voter needs to ask nobody, even with learners', () => {
    const conf = confState([1n], { learners: [2n] });
    const one = new SmallCluster(2, {}, () => emptyDisk(conf)).member(1);
    expect(one.raft.readIndexNow()).toBeUndefined();
    one.raft.campaign();
    expect(one.raft.readIndexNow()).toBeUndefined();
    one.raft.readIndex(utf8Encode('early'));
    one.settle();
    expect(one.raft.readIndexNow()).toBe(1);
    one.raft.readIndex(utf8Encode('r'));
    one.takeReadys();
    expect(served(one)).toEqual([
      ['early', 1],
      ['r', 1],
    ]);
  });

  test('waiting reads are limited', () => {
    const cluster = new SmallCluster(3, { pendingReadsMax: 2 });
    const one = cluster.elect(1);
    const read = () => one.raft.readIndex(utf8Encode('r'));
    expect([read(), read(), read()]).toEqual([true, true, false]);
    cluster.settle();
    expect(read()).toBe(true);
  });

  test('malformed requests and answers are ignored', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    one.raft.step(message(MsgReadIndex, { from: 2n }));
    one.raft.step(message(MsgHeartbeatResp, { from: 2n, term: 1, context: utf8Encode('???') }));
    cluster.member(2).raft.step(message(MsgReadIndexResp, { from: 1n, term: 1, index: 1 }));
    cluster.settle();
    expect(served(cluster.member(2))).toEqual([]);
  });
});

describe('ReadOnly', () => {
  test('later answers confirm earlier rounds; an answer to a round not begun counts for nothing', () => {
    const reads = new ReadOnly();
    const add = (name: string) => reads.add({ from: 1n, context: utf8Encode(name), index: 7 });
    add('a');
    reads.begin(1n);
    const first = reads.context(false);
    add('b');
    reads.begin(1n);
    const second = reads.context(false);
    reads.answer(2n, second);
    reads.answer(2n, first);
    expect(reads.answeredRound(2n)).toBe(2);
    const future = second.slice();
    future[7] = 9;
    reads.answer(2n, future);
    expect(reads.answeredRound(2n)).toBe(2);
    expect(reads.take(1)).toHaveLength(1);
    expect(reads.take(2)).toHaveLength(1);
    expect(reads.context(false)).toHaveLength(0);
  });
});
