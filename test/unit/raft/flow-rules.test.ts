/** How fast a leader sends: dissertation §10.2.2 (pipelining), §3.5 and §7 (probing, snapshots), §6.2 (who counts as alive). */
import { describe, expect, test } from 'vitest';
import { MessageType } from '../../../src/gen/raftpb.ts';
import type { Member } from './support/member.ts';
import { SmallCluster, diskWithLog, message, sent } from './support/small-cluster.ts';

const { MsgApp, MsgAppResp, MsgHeartbeat, MsgHeartbeatResp, MsgSnap, MsgTimeoutNow } = MessageType;

function propose(one: Member, bytes: number): void {
  one.raft.propose([new Uint8Array(bytes)]);
  one.takeReadys();
  one.sync();
}

/** The last index of each append to `to` since the last look; those without entries count as their previous one. */
function appendsTo(one: Member, to: bigint): number[] {
  const taken = sent(one, MsgApp).filter((append) => append.to === to);
  return taken.map(({ index, entries }) => index + entries.length);
}

describe('dissertation §10.2.2: pipelining', () => {
  test('appends go on without waiting for answers, each from where the one before ends', () => {
    const one = new SmallCluster(3).elect(1);
    for (let at = 0; at < 3; at++) propose(one, 1);
    expect(appendsTo(one, 2n)).toEqual([2, 3, 4]);
    expect(one.raft.status().progress.get(2n)).toMatchObject({ match: 1, next: 5, inflightMessages: 3 });
  });

  test('one that was lost is noticed by what comes after it, and all is sent again from there', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    propose(one, 1);
    sent(one);
    propose(one, 1);
    for (const append of sent(one, MsgApp)) cluster.member(Number(append.to)).raft.step(append);
    cluster.settle();
    expect(cluster.members.map(({ raft }) => raft.appliedIndex)).toEqual([3, 3, 3]);
  });

  test('a window limits messages under way; an answer opens it, by as much as it covers', () => {
    const one = new SmallCluster(3, { inflightMessagesMax: 2 }).elect(1);
    for (let at = 0; at < 4; at++) propose(one, 1);
    expect(appendsTo(one, 2n)).toEqual([2, 3]);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 3 }));
    one.takeReadys();
    // What waited goes together.
    expect(appendsTo(one, 2n)).toEqual([5]);
  });

  test('and their bytes; the message that crosses the limit still goes', () => {
    const one = new SmallCluster(3, { inflightBytesMax: 100 }).elect(1);
    for (let at = 0; at < 4; at++) propose(one, 60);
    expect(appendsTo(one, 2n)).toEqual([2, 3]);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 2 }));
    one.takeReadys();
    expect(appendsTo(one, 2n)).toEqual([5]);
  });

  test('a full window whose messages were all lost does not stay full: an answer to a heartbeat gets an empty append', () => {
    const cluster = new SmallCluster(3, { inflightMessagesMax: 1 });
    const one = cluster.elect(1);
    for (let at = 0; at < 3; at++) propose(one, 1);
    sent(one);
    one.raft.step(message(MsgHeartbeatResp, { from: 2n, term: 1 }));
    one.takeReadys();
    const [probe] = sent(one, MsgApp);
    expect(probe).toMatchObject({ to: 2n, index: 2, entries: [] });
    cluster.settle();
    cluster.member(2).raft.step(probe as NonNullable<typeof probe>);
    cluster.settle();
    expect(cluster.member(2).raft.appliedIndex).toBe(4);
  });

  test('what was handed to a connection that broke is probed for, one message at a time', () => {
    const one = new SmallCluster(3).elect(1);
    propose(one, 1);
    sent(one);
    one.raft.reportUnreachable(2n);
    for (let at = 0; at < 3; at++) propose(one, 1);
    expect(appendsTo(one, 2n)).toEqual([3]);
    expect(appendsTo(one, 2n)).toEqual([]);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 3 }));
    one.takeReadys();
    expect(appendsTo(one, 2n)).toEqual([5]);
    expect(one.raft.status().progress.get(2n)).toMatchObject({ state: 'replicate' });
  });
});

describe('paper §7: a member that needs a snapshot', () => {
  /** A leader of three that has forgotten its log up to 5; the others have nothing. */
  function compacted(): Member {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    cluster.cutOff.add(3n);
    for (let at = 0; at < 6; at++) cluster.propose(1, 'x');
    one.compact(5);
    sent(one);
    return one;
  }

  test('gets nothing else meanwhile, and no second one until it is known how the first went', () => {
    const one = compacted();
    one.raft.step(message(MsgAppResp, { from: 3n, term: 1, index: 7, reject: true, rejectHint: 1, logTerm: 1 }));
    one.takeReadys();
    expect(sent(one, MsgSnap)).toMatchObject([{ to: 3n, snapshot: { metadata: { index: 7 } } }]);
    propose(one, 1);
    one.raft.step(message(MsgHeartbeatResp, { from: 3n, term: 1 }));
    one.takeReadys();
    expect([appendsTo(one, 3n), sent(one, MsgSnap)]).toEqual([[], []]);
    one.raft.reportSnapshot(3n, true);
    one.raft.step(message(MsgHeartbeatResp, { from: 3n, term: 1 }));
    one.takeReadys();
    // It goes on after the snapshot.
    expect(appendsTo(one, 3n)).toEqual([8]);
  });

  test('is not sent one while it is not heard from', () => {
    const one = compacted();
    for (let tick = 0; tick < 50; tick++) one.raft.tick();
    one.takeReadys();
    expect(sent(one, MsgSnap)).toEqual([]);
  });
});

describe('dissertation §3.10: a transfer', () => {
  test('to a member that is behind sends it what it lacks, and only then tells it', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    propose(one, 1);
    sent(one);
    one.raft.transferLeader(2n);
    one.takeReadys();
    expect(sent(one, MsgTimeoutNow)).toEqual([]);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 2 }));
    one.takeReadys();
    expect(sent(one, MsgTimeoutNow)).toMatchObject([{ to: 2n }]);
  });

  test('is for a follower to do, not for a candidate of that term or a member that may not be elected', () => {
    const outsider = new SmallCluster(3, {}, () => diskWithLog([1], { term: 1, size: 2 })).member(3);
    outsider.raft.step(message(MsgTimeoutNow, { from: 1n, to: 3n, term: 1 }));
    expect([outsider.raft.role, outsider.raft.term]).toEqual(['follower', 1]);
  });
});

describe('§4.2.3 and forgetting the leader', () => {
  test('a follower that forgot its leader votes at once, within the election timeout', () => {
    const cluster = new SmallCluster(3, { checkQuorum: true, preVote: true });
    cluster.elect(1);
    cluster.cutOff.add(1n);
    cluster.member(3).raft.campaign();
    cluster.settle();
    expect(cluster.member(3).raft.role).not.toBe('leader');
    for (const id of [2, 3]) cluster.member(id).raft.forgetLeader();
    cluster.member(3).raft.campaign();
    cluster.settle();
    expect(cluster.member(3).raft.role).toBe('leader');
  });

  test('a leader and a candidate have nothing to forget', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    one.raft.forgetLeader();
    expect([one.raft.role, one.raft.leader]).toEqual(['leader', 1n]);
  });
});

describe('a commit index that is held back (holdsCommits)', () => {
  function leaderThatHolds(): { cluster: SmallCluster; one: Member } {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    cluster.settle();
    sent(one);
    one.raft.holdsCommits = true;
    return { cluster, one };
  }

  function commit(one: Member, index: number): void {
    propose(one, 1);
    sent(one);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index }));
    one.takeReadys();
  }

  test('goes with the next entries', () => {
    const { one } = leaderThatHolds();
    commit(one, 2);
    expect(one.raft.committed).toBe(2);
    expect(sent(one, MsgApp)).toEqual([]);
    expect(one.raft.commitHeld).toBe(2);
    propose(one, 1);
    expect(sent(one, MsgApp).map(({ to, commit: told, entries }) => [to, told, entries.length])).toEqual([
      [2n, 2, 1],
      [3n, 2, 1],
    ]);
    expect(one.raft.commitHeld).toBe(0);
  });

  test('goes by itself when it is told to', () => {
    const { one } = leaderThatHolds();
    commit(one, 2);
    one.raft.tellCommit();
    one.takeReadys();
    expect(sent(one, MsgApp).map(({ to, commit: told, entries }) => [to, told, entries.length])).toEqual([
      [2n, 2, 0],
      [3n, 2, 0],
    ]);
    expect(one.raft.commitHeld).toBe(0);
  });

  test('goes at once to the member whose client waits for it', () => {
    const { one } = leaderThatHolds();
    const entries = [{ type: 0, term: 0, index: 0, data: new Uint8Array(1) }];
    one.raft.step(message(MessageType.MsgProp, { from: 3n, term: 0, entries }));
    one.takeReadys();
    one.sync();
    sent(one);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 2 }));
    one.takeReadys();
    expect(sent(one, MsgApp).map(({ to, commit: told }) => [to, told])).toEqual([[3n, 2]]);
    expect(one.raft.commitHeld).toBe(2);
  });

  test('is forgotten with the leadership', () => {
    const { one } = leaderThatHolds();
    commit(one, 2);
    one.raft.step(message(MsgHeartbeat, { from: 2n, term: 2 }));
    expect(one.raft.commitHeld).toBe(0);
    one.raft.tellCommit();
    one.takeReadys();
    expect(sent(one, MsgApp)).toEqual([]);
  });
});
