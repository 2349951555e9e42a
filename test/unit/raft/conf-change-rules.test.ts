import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { ConfChangeTransition, ConfChangeType, EntryType, MessageType } from '../../../src/gen/raftpb.ts';
import { LEAVE_JOINT } from '../../../src/raft/conf-change.ts';
import type { ConfChange, ConfChangeV2 } from '../../../src/raft/types.ts';
import { confState, emptyDisk } from './support/member.ts';
import { SmallCluster, entry, message, sent } from './support/small-cluster.ts';

const { ConfChangeAddNode, ConfChangeRemoveNode, ConfChangeAddLearnerNode, ConfChangeUpdateNode } = ConfChangeType;
const { MsgAppResp, MsgTimeoutNow, MsgHeartbeatResp, MsgHeartbeat } = MessageType;

function v1(type: number, nodeId: bigint): ConfChange {
  return { id: 0n, type, nodeId, context: EMPTY };
}

function joint(transition: number, ...changes: [number, bigint][]): ConfChangeV2 {
  return { transition, changes: changes.map(([type, nodeId]) => ({ type, nodeId })), context: EMPTY };
}

const EXPLICIT = ConfChangeTransition.ConfChangeTransitionJointExplicit;
const AUTO = ConfChangeTransition.ConfChangeTransitionAuto;

/** The first `voters` of `size` members vote. */
function cluster(size: number, voters: number): SmallCluster {
  const conf = confState(Array.from({ length: voters }, (_, i) => BigInt(i + 1)));
  return new SmallCluster(size, {}, () => emptyDisk(conf));
}

describe('dissertation §4.1: one member at a time', () => {
  test('a second change waits until the first is applied', () => {
    const c = cluster(4, 3);
    const one = c.elect(1);
    expect(one.raft.proposeConfChange(v1(ConfChangeAddNode, 4n))).toBe('accepted');
    expect(one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 3n))).toBe('conf-change-pending');
    one.takeReadys();
    one.sync();
    for (const from of [2n, 3n]) one.raft.step(message(MsgAppResp, { from, term: 1, index: 2 }));
    one.takeReadys();
    expect(one.raft.committed).toBe(2);
    expect(one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 3n))).toBe('conf-change-pending');
    one.sync();
    one.takeReadys();
    expect(one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 3n))).toBe('conf-change-pending');
    one.apply();
    expect(one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 3n))).toBe('accepted');
  });

  test('a forwarded change that nobody could apply leaves an empty entry in its place', () => {
    const three = new SmallCluster(3);
    const one = three.elect(1);
    for (const type of [EntryType.EntryConfChange, EntryType.EntryConfChangeV2]) {
      const malformed = { type, term: 0, index: 0, data: new Uint8Array([0xff, 0xff]) };
      one.raft.step(message(MessageType.MsgProp, { from: 2n, entries: [malformed, entry(0, 0, 'fine')] }));
    }
    three.settle();
    expect(one.disk.entries.slice(1).map(({ type, data }) => [type, data.length])).toEqual([
      [EntryType.EntryNormal, 0],
      [EntryType.EntryNormal, 4],
      [EntryType.EntryNormal, 0],
      [EntryType.EntryNormal, 4],
    ]);
  });

  test('a new leader assumes that a change may be pending until all it inherited is applied', () => {
    const c = cluster(4, 3);
    c.elect(1);
    c.propose(1, 'a');
    const two = c.member(2);
    two.raft.campaign();
    two.settle();
    two.raft.step(message(MessageType.MsgVoteResp, { from: 3n, term: 2 }));
    expect(two.raft.proposeConfChange(v1(ConfChangeAddNode, 4n))).toBe('accepted');
    const lagging = cluster(4, 3);
    lagging.elect(1);
    const three = lagging.member(3);
    lagging.member(1).raft.propose([new Uint8Array(1)]);
    lagging.member(1).takeReadys();
    for (const m of sent(lagging.member(1)).filter(({ to }) => to === 3n)) three.raft.step(m);
    three.settle();
    three.raft.campaign();
    three.settle();
    three.raft.step(message(MessageType.MsgVoteResp, { from: 2n, term: 2 }));
    expect(three.raft.role).toBe('leader');
    expect(three.raft.proposeConfChange(v1(ConfChangeAddNode, 4n))).toBe('conf-change-pending');
  });

  test('two voters at once without a joint configuration are refused, as is removing the last one', () => {
    const c = cluster(1, 1);
    const { raft } = c.elect(1);
    expect(raft.proposeConfChange(v1(ConfChangeRemoveNode, 1n))).toBe('conf-change-invalid');
    expect(raft.proposeConfChange(LEAVE_JOINT)).toBe('conf-change-invalid');
    expect(() => raft.applyConfChange(v1(ConfChangeRemoveNode, 1n))).toThrow('no voter');
  });

  test('a change that was voided while being applied (node 0), and an update, leave the configuration alone', () => {
    const { raft } = cluster(3, 3).elect(1);
    const before = raft.confState();
    expect(raft.applyConfChange(v1(ConfChangeAddNode, 0n))).toEqual(before);
    expect(raft.applyConfChange(v1(ConfChangeUpdateNode, 2n))).toEqual(before);
  });

  test('a smaller quorum can commit what the larger one could not', () => {
    const c = cluster(4, 4);
    c.elect(1);
    c.member(1).raft.proposeConfChange(v1(ConfChangeRemoveNode, 4n));
    c.settle();
    expect(c.member(1).raft.confState().voters).toEqual([1n, 2n, 3n]);
    for (const id of [3n, 4n]) c.cutOff.add(id);
    c.propose(1, 'a');
    expect(c.member(1).raft.committed).toBe(3);
  });

  test('removal in flight: the entry after it commits with the new majority as soon as the removal is applied', () => {
    const c = cluster(2, 2);
    const one = c.elect(1);
    one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 2n));
    one.raft.propose([new Uint8Array(1)]);
    one.takeReadys();
    one.sync();
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 2 }));
    one.takeReadys();
    expect(one.raft.committed).toBe(2);
    one.sync();
    one.takeReadys();
    one.apply();
    expect(one.raft.committed).toBe(3);
  });
});

describe('dissertation §4.2.1: learners', () => {
  test('get the log, do not vote, do not count, do not campaign', () => {
    const conf = confState([1n, 2n], { learners: [3n] });
    const c = new SmallCluster(3, {}, () => emptyDisk(conf));
    c.elect(1);
    c.cutOff.add(2n);
    c.propose(1, 'a');
    expect(c.member(1).raft.committed).toBe(1);
    expect(c.member(3).raft.lastIndex).toBe(2);
    for (let i = 0; i < 50; i++) c.member(3).raft.tick();
    expect(c.member(3).raft.campaign()).toBe(false);
    expect(c.member(3).raft.role).toBe('follower');
  });

  test('still answer a candidate: they may have been promoted without knowing it yet', () => {
    const conf = confState([1n, 2n], { learners: [3n] });
    const three = new SmallCluster(3, {}, () => emptyDisk(conf)).member(3);
    three.raft.step(message(MessageType.MsgVote, { from: 1n, term: 1 }));
    three.settle();
    expect(sent(three)).toMatchObject([{ type: MessageType.MsgVoteResp, reject: false }]);
  });
});

describe('members that are not in the configuration', () => {
  test('cannot depose a leader with their answers, whatever the term', () => {
    const c = cluster(4, 3);
    const one = c.elect(1);
    for (const type of [MsgAppResp, MsgHeartbeatResp, MessageType.MsgVoteResp, MessageType.MsgPreVoteResp]) {
      one.raft.step(message(type, { from: 4n, term: 9, reject: true }));
    }
    expect(one.raft.status()).toMatchObject({ role: 'leader', term: 1 });
  });
});

describe('a change of the members that is committed', () => {
  test('is known to be so after a crash before anybody acts on it', () => {
    const c = cluster(2, 2);
    const one = c.elect(1);
    one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 2n));
    one.takeReadys();
    one.sync();
    sent(one);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 2 }));
    one.takeReadys();
    expect(one.raft.committed).toBe(2);
    // With its vote, the member that was removed may take away what it would need to commit the change once more.
    one.apply();
    expect([sent(one), one.raft.appliedIndex]).toEqual([[], 1]);
    one.sync();
    expect(one.disk.hardState.commit).toBe(2);
    expect(sent(one)).toMatchObject([{ to: 2n, commit: 2 }]);
    one.settle();
    expect(one.raft.appliedIndex).toBe(2);
  });
});

describe('dissertation §4.2.2: a leader that removes itself', () => {
  test('manages the group until a voter certainly knows, then tells it to campaign', () => {
    const c = cluster(3, 3);
    const one = c.elect(1);
    one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 1n));
    c.settle();
    expect(one.raft.role).toBe('leader');
    expect(one.raft.propose([new Uint8Array(1)])).toBe('not-a-voter');
    // An answer to a heartbeat from before the removal proves nothing.
    one.raft.step(message(MsgHeartbeatResp, { from: 2n, term: 1 }));
    expect(one.raft.role).toBe('leader');
    one.raft.tick();
    one.settle();
    const heartbeat = sent(one, MsgHeartbeat).find(({ to }) => to === 3n);
    one.raft.step(message(MsgHeartbeatResp, { from: 3n, term: 1, context: heartbeat!.context }));
    one.settle();
    expect(sent(one)).toMatchObject([{ type: MsgTimeoutNow, to: 3n }]);
    expect(one.raft.role).toBe('follower');
  });

  test('hands over to nobody whose log is behind', () => {
    const c = cluster(3, 3);
    const one = c.elect(1);
    c.cutOff.add(3n);
    one.raft.proposeConfChange(v1(ConfChangeRemoveNode, 1n));
    c.settle();
    expect(one.raft.committed).toBe(2);
    one.raft.tick();
    one.settle();
    const heartbeat = sent(one, MsgHeartbeat).find(({ to }) => to === 3n);
    one.raft.step(message(MsgHeartbeatResp, { from: 3n, term: 1, context: heartbeat!.context }));
    expect(one.raft.role).toBe('leader');
  });
});

describe('dissertation §4.3: joint consensus', () => {
  test('elections and commits need both majorities', () => {
    const c = cluster(5, 3);
    c.elect(1);
    c.member(1).raft.proposeConfChange(
      joint(
        EXPLICIT,
        [ConfChangeRemoveNode, 2n],
        [ConfChangeRemoveNode, 3n],
        [ConfChangeAddNode, 4n],
        [ConfChangeAddNode, 5n],
      ),
    );
    c.settle();
    const joined = c.member(1).raft.confState();
    expect(joined).toEqual(confState([1n, 4n, 5n], { votersOutgoing: [1n, 2n, 3n] }));
    for (const cut of [
      [2n, 3n],
      [4n, 5n],
    ]) {
      for (const id of cut) c.cutOff.add(id);
      const before = c.member(1).raft.committed;
      c.propose(1, 'a');
      expect(c.member(1).raft.committed).toBe(before);
      c.cutOff.clear();
      c.member(1).raft.tick();
      c.settle();
      expect(c.member(1).raft.committed).toBe(before + 1);
      const candidate = c.member(cut[0] === 2n ? 4 : 2);
      for (const id of cut) c.cutOff.add(id);
      candidate.raft.campaign();
      c.settle();
      expect(candidate.raft.role).not.toBe('leader');
      c.cutOff.clear();
      c.elect(1);
      expect(c.member(1).raft.role).toBe('leader');
    }
  });

  test('the leader leaves an implicit one by itself, an explicit one when told', () => {
    const c = cluster(4, 3);
    const { raft } = c.elect(1);
    raft.proposeConfChange(joint(AUTO, [ConfChangeRemoveNode, 3n], [ConfChangeAddNode, 4n]));
    c.settle();
    expect(raft.confState()).toEqual(confState([1n, 2n, 4n]));
    raft.proposeConfChange(joint(EXPLICIT, [ConfChangeAddLearnerNode, 4n]));
    c.settle();
    expect(raft.confState()).toEqual(confState([1n, 2n], { votersOutgoing: [1n, 2n, 4n], learnersNext: [4n] }));
    expect(raft.proposeConfChange(v1(ConfChangeAddNode, 3n))).toBe('conf-change-pending');
    expect(raft.proposeConfChange(LEAVE_JOINT)).toBe('accepted');
    c.settle();
    expect(raft.confState()).toEqual(confState([1n, 2n], { learners: [4n] }));
    expect(c.members.map((m) => m.raft.confState().voters.length)).toEqual([2, 2, 3, 2]);
  });

  test('a configuration survives a restart, joint and all', () => {
    const c = cluster(3, 3);
    const one = c.elect(1);
    one.raft.proposeConfChange(joint(EXPLICIT, [ConfChangeAddLearnerNode, 3n]));
    c.settle();
    const before = one.raft.confState();
    one.compact(one.raft.appliedIndex);
    one.crash();
    expect(one.raft.confState()).toEqual(before);
  });
});
