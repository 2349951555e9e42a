import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { EntryType, MessageType } from '../../../src/gen/raftpb.ts';
import { confState, emptyDisk } from './support/member.ts';
import { SmallCluster, diskWithLog, entry, logTerms, message, sent } from './support/small-cluster.ts';

const { MsgApp, MsgAppResp, MsgHeartbeat, MsgSnap, MsgVoteResp, MsgProp } = MessageType;

describe('paper §5.3: log replication', () => {
  test('an entry commits when a majority has it, and is applied by everyone in order', () => {
    const cluster = new SmallCluster(5);
    cluster.elect(1);
    for (const id of [4n, 5n]) cluster.cutOff.add(id);
    cluster.propose(1, 'a', 'b');
    expect(cluster.members.map(({ raft }) => raft.appliedIndex)).toEqual([3, 3, 3, 1, 1]);
    cluster.cutOff.add(3n);
    cluster.propose(1, 'c');
    expect(cluster.members.map(({ raft }) => raft.appliedIndex)).toEqual([3, 3, 3, 1, 1]);
  });

  test('a follower refuses entries that do not follow its log', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 1], { term: 2 })).member(1);
    for (const previous of [
      { index: 3, logTerm: 1 },
      { index: 2, logTerm: 2 },
    ]) {
      one.raft.step(message(MsgApp, { from: 2n, term: 2, ...previous, entries: [entry(previous.index + 1, 2)] }));
      one.settle();
      expect(sent(one)).toMatchObject([{ type: MsgAppResp, reject: true, index: previous.index }]);
    }
    expect(logTerms(one)).toEqual([1, 1]);
  });

  test('entries that conflict with the leader go, with all after them', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 1, 1, 1], { term: 2 })).member(1);
    one.raft.step(message(MsgApp, { from: 2n, term: 2, index: 1, logTerm: 1, entries: [entry(2, 2)] }));
    one.settle();
    expect(logTerms(one)).toEqual([1, 2]);
    expect(one.disk.entries.map(({ term }) => term)).toEqual([1, 2]);
  });

  test('an old, shorter message that agrees with the log removes nothing (§5.5: repeating is harmless)', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 1, 1, 1], { term: 1 })).member(1);
    const old = message(MsgApp, { from: 2n, term: 1, index: 1, logTerm: 1, entries: [entry(2, 1)] });
    one.raft.step(old);
    one.raft.step(old);
    one.settle();
    expect(logTerms(one)).toEqual([1, 1, 1, 1]);
    // It answers for what it compared, no more: the rest may not be the leader's.
    expect(sent(one)).toMatchObject([{ index: 2 }, { index: 2 }]);
  });

  test('a follower commits min(leader commit, last entry compared)', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 1, 1, 1], { term: 2 })).member(1);
    one.raft.step(message(MsgApp, { from: 2n, term: 2, index: 1, logTerm: 1, entries: [entry(2, 1)], commit: 4 }));
    expect(one.raft.committed).toBe(2);
    one.raft.step(message(MsgApp, { from: 2n, term: 2, index: 2, logTerm: 1, commit: 1 }));
    expect(one.raft.committed).toBe(2);
  });

  test('committed entries are never removed: a leader that would is a bug', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 1], { term: 1, commit: 1 })).member(1);
    const bad = message(MsgApp, { from: 2n, term: 2, index: 0, logTerm: 0, entries: [entry(1, 2)] });
    one.raft.step(bad);
    one.settle();
    // Below the commit index nothing is compared; it answers with what is committed.
    expect(sent(one)).toMatchObject([{ index: 1, reject: false }]);
    expect(logTerms(one)).toEqual([1, 1]);
  });

  test('a heartbeat tells no follower to commit what it may not have', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    cluster.cutOff.add(3n);
    cluster.propose(1, 'a', 'b');
    one.raft.tick();
    one.settle();
    expect(sent(one, MsgHeartbeat).map(({ to, commit }) => [to, commit])).toEqual([
      [2n, 3],
      [3n, 1],
    ]);
  });

  test('a leader only appends to its own log', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    cluster.propose(1, 'a');
    one.raft.step(message(MsgApp, { from: 2n, term: 1, index: 0, entries: [entry(1, 1, 'x')] }));
    expect(one.raft.role).toBe('leader');
    expect(logTerms(one)).toEqual([1, 1]);
  });

  test('rejections skip whole terms, by both logs (figure 7)', () => {
    // Leader: 1 1 1 4 4; follower: 1 1 1 2 2 2 3 3 3. Entry by entry this would take six exchanges.
    const one = new SmallCluster(3, {}, (id) =>
      diskWithLog(id === 1n ? [1, 1, 1, 4, 4] : [1, 1, 1, 2, 2, 2, 3, 3, 3], { term: 4 }),
    );
    const leader = one.member(1);
    const follower = one.member(2);
    leader.raft.campaign();
    leader.settle();
    leader.raft.step(message(MsgVoteResp, { from: 3n, term: 5 }));
    let exchanges = 0;
    for (; exchanges < 10 && follower.raft.lastIndex !== 6; exchanges++) {
      leader.settle();
      for (const m of sent(leader).filter(({ to }) => to === 2n)) follower.raft.step(m);
      follower.settle();
      for (const m of sent(follower)) leader.raft.step(m);
    }
    expect(logTerms(follower)).toEqual([1, 1, 1, 4, 4, 5]);
    expect(exchanges).toBeLessThanOrEqual(3);
  });
});

describe('paper §5.4.2: entries of earlier terms', () => {
  test('are not committed by counting (figure 8), only with an entry of the leader’s own term', () => {
    // Members 1 and 2 hold entry 2 of term 2; 1 becomes leader of term 4 and replicates it to 3, a majority.
    const cluster = new SmallCluster(5, {}, (id) => diskWithLog(id <= 2n ? [1, 2] : [1], { term: 3, size: 5 }));
    const one = cluster.member(1);
    one.raft.campaign();
    one.settle();
    for (const from of [2n, 3n]) one.raft.step(message(MsgVoteResp, { from, term: 4 }));
    one.settle();
    expect(one.raft.lastIndex).toBe(3);
    for (const from of [2n, 3n, 4n]) one.raft.step(message(MsgAppResp, { from, term: 4, index: 2 }));
    expect(one.raft.committed).toBe(0);
    for (const from of [2n, 3n]) one.raft.step(message(MsgAppResp, { from, term: 4, index: 3 }));
    expect(one.raft.committed).toBe(3);
  });
});

describe('paper §7: compaction', () => {
  test('a follower behind the compacted log gets a snapshot and goes on from there', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    cluster.cutOff.add(3n);
    cluster.propose(1, 'a', 'b', 'c');
    one.compact(4);
    cluster.cutOff.clear();
    one.raft.tick();
    cluster.settle();
    cluster.propose(1, 'd');
    const three = cluster.member(3);
    expect(three.raft.status()).toMatchObject({ applied: 5, firstIndex: 5, lastIndex: 5 });
    expect(three.appliedHash).toBe(one.appliedHash);
  });

  test('a snapshot of what the log holds only moves the commit index, and keeps the entries after it', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 1, 1, 1], { term: 1 })).member(1);
    const metadata = { index: 2, term: 1, confState: confState([1n, 2n, 3n]) };
    one.raft.step(message(MsgSnap, { from: 2n, term: 1, snapshot: { data: EMPTY, metadata } }));
    one.settle();
    expect(one.raft.status()).toMatchObject({ committed: 2, lastIndex: 4, firstIndex: 1 });
    expect(sent(one)).toMatchObject([{ type: MsgAppResp, index: 2 }]);
  });

  test('an old snapshot and one for another group are ignored', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 1], { term: 1, commit: 2 })).member(1);
    for (const [index, voters] of [
      [1, [1n, 2n, 3n]],
      [9, [2n, 3n]],
    ] as const) {
      const metadata = { index, term: 1, confState: confState(voters) };
      one.raft.step(message(MsgSnap, { from: 2n, term: 1, snapshot: { data: EMPTY, metadata } }));
      one.settle();
      expect(sent(one)).toMatchObject([{ type: MsgAppResp, index: 2 }]);
    }
    expect(one.raft.lastIndex).toBe(2);
  });

  test('only applied entries can be compacted', () => {
    const cluster = new SmallCluster(2);
    const one = cluster.elect(1);
    cluster.cutOff.add(2n);
    cluster.propose(1, 'a');
    expect(() => one.raft.compactLog(2)).toThrow('beyond the applied index');
    one.raft.compactLog(1);
    expect(one.raft.firstIndex).toBe(2);
    expect(one.raft.termAt(1)).toBe(1);
  });
});

describe('paper §8: a new leader', () => {
  test('appends an empty entry, and with it commits what earlier terms left', () => {
    const cluster = new SmallCluster(3, {}, () => diskWithLog([1, 1], { term: 1 }));
    const one = cluster.elect(1);
    expect(logTerms(one)).toEqual([1, 1, 2]);
    expect(one.disk.entries.at(-1)).toMatchObject({ type: EntryType.EntryNormal, data: EMPTY });
    expect(one.raft.committed).toBe(3);
  });
});

describe('dissertation §10.2.1: writing to the disk in parallel', () => {
  test('the leader sends entries before they are durable here, and counts itself only afterwards', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    one.raft.propose([new Uint8Array(1)]);
    one.takeReadys();
    expect(sent(one, MsgApp)).toHaveLength(2);
    one.raft.step(message(MsgAppResp, { from: 2n, term: 1, index: 2 }));
    expect(one.raft.committed).toBe(1);
    one.sync();
    expect(one.raft.committed).toBe(2);
  });

  test('followers alone can commit it; the leader then applies it only once it is durable here', () => {
    const cluster = new SmallCluster(3);
    const one = cluster.elect(1);
    one.raft.propose([new Uint8Array(1)]);
    one.takeReadys();
    for (const from of [2n, 3n]) one.raft.step(message(MsgAppResp, { from, term: 1, index: 2 }));
    one.takeReadys();
    expect(one.raft.committed).toBe(2);
    expect(one.unapplied).toEqual([]);
    one.sync();
    one.takeReadys();
    expect(one.unapplied).toMatchObject([{ index: 2 }]);
  });

  test('an accepted entry is acknowledged only when durable, also when it comes again meanwhile', () => {
    const one = new SmallCluster(3).member(1);
    const append = message(MsgApp, { from: 2n, term: 1, entries: [entry(1, 1)] });
    one.raft.step(append);
    one.takeReadys();
    one.raft.step(append);
    one.takeReadys();
    expect(sent(one)).toEqual([]);
    one.sync(1);
    expect(sent(one)).toMatchObject([{ type: MsgAppResp, index: 1 }]);
    one.sync();
    expect(sent(one)).toMatchObject([{ type: MsgAppResp, index: 1 }]);
  });

  test('a sole voter sends nothing to its learner in a term that a crash could take back', () => {
    const conf = confState([1n], { learners: [2n] });
    const one = new SmallCluster(2, {}, () => emptyDisk(conf)).member(1);
    one.raft.campaign();
    one.takeReadys();
    expect(one.raft.role).toBe('leader');
    expect(sent(one)).toEqual([]);
    one.sync();
    expect(sent(one, MsgApp)).toHaveLength(1);
    one.raft.tick();
    one.takeReadys();
    expect(sent(one, MsgHeartbeat)).toHaveLength(1);
  });

  test('one acknowledgement covers all Readys before it; acknowledging what was not offered is a bug', () => {
    const cluster = new SmallCluster(1);
    const { raft } = cluster.member(1);
    raft.campaign();
    raft.ready();
    raft.propose([new Uint8Array(1)]);
    raft.ready();
    raft.propose([new Uint8Array(1)]);
    const last = raft.ready();
    expect(raft.committed).toBe(0);
    raft.appended(last.sequence - 1);
    expect(raft.committed).toBe(2);
    raft.appended(last.sequence);
    expect(raft.committed).toBe(3);
    expect(() => raft.appended(last.sequence + 1)).toThrow('no such Ready');
  });

  test('a torn write can leave entries of a term that the hard state lacks: the member starts in that term, unvoted', () => {
    const one = new SmallCluster(3, {}, () => diskWithLog([1, 3], { term: 1 })).member(1);
    expect(one.raft.status()).toMatchObject({ term: 3, vote: 0n });
    one.settle();
    expect(one.disk.hardState.term).toBe(3);
  });
});

describe('limits', () => {
  test('entries are offered for apply in bounded pieces, and no more than applyingBytesMax at once', () => {
    const cluster = new SmallCluster(1, { committedBytesPerReadyMax: 200, applyingBytesMax: 400 });
    const one = cluster.elect(1);
    one.raft.propose(Array.from({ length: 20 }, () => new Uint8Array(76)));
    one.takeReadys();
    one.sync();
    one.takeReadys();
    expect(one.unapplied.map(({ index }) => index)).toEqual([2, 3, 4, 5]);
    one.apply(1);
    one.takeReadys();
    expect(one.unapplied.map(({ index }) => index)).toEqual([3, 4, 5, 6]);
    one.settle();
    expect(one.raft.appliedIndex).toBe(21);
  });

  test('one entry above every limit still gets through', () => {
    const tiny = { maxSizePerMessageBytes: 1, committedBytesPerReadyMax: 1, applyingBytesMax: 1, inflightBytesMax: 1 };
    const cluster = new SmallCluster(3, { ...tiny, uncommittedBytesMax: 1 });
    cluster.elect(1);
    cluster.propose(1, 'much more than one byte');
    expect(cluster.members.map(({ raft }) => raft.appliedIndex)).toEqual([2, 2, 2]);
  });

  test('uncommitted payload is limited, and the room comes back with the commit', () => {
    const cluster = new SmallCluster(3, { uncommittedBytesMax: 100 });
    const { raft } = cluster.elect(1);
    expect(raft.propose([new Uint8Array(60)])).toBe('accepted');
    expect(raft.propose([new Uint8Array(60)])).toBe('too-much-uncommitted');
    expect(raft.propose([new Uint8Array(40)])).toBe('accepted');
    expect(raft.propose([new Uint8Array(0)])).toBe('accepted');
    cluster.settle();
    expect(raft.propose([new Uint8Array(100)])).toBe('accepted');
  });

  test('a new leader counts the uncommitted entries it inherited', () => {
    const disk = () => diskWithLog([1, 1], { term: 1 });
    const cluster = new SmallCluster(3, { uncommittedBytesMax: 10 }, (id) => {
      const d = disk();
      d.entries = [entry(1, 1, '12345'), entry(2, 1, '67890')];
      return id === 1n ? d : emptyDisk(confState([1n, 2n, 3n]));
    });
    const { raft } = cluster.member(1);
    raft.campaign();
    cluster.member(1).settle();
    raft.step(message(MsgVoteResp, { from: 2n, term: 2 }));
    expect(raft.role).toBe('leader');
    expect(raft.propose([new Uint8Array(1)])).toBe('too-much-uncommitted');
  });

  test('forwarded proposals carry no term; without a leader they are dropped', () => {
    const cluster = new SmallCluster(3);
    const two = cluster.member(2);
    expect(two.raft.propose([new Uint8Array(1)])).toBe('no-leader');
    cluster.elect(1);
    expect(two.raft.propose([new Uint8Array(1), new Uint8Array(2)])).toBe('forwarded');
    two.takeReadys();
    expect(two.outbox).toMatchObject([{ type: MsgProp, to: 1n, from: 2n, term: 0, entries: [{ index: 0 }, {}] }]);
    cluster.settle();
    expect(cluster.member(1).raft.committed).toBe(3);
  });

  test('messages that members only tell themselves are not taken from the network', () => {
    const one = new SmallCluster(3).member(1);
    const before = one.raft.status();
    for (const name of ['MsgHup', 'MsgBeat', 'MsgCheckQuorum', 'MsgSnapStatus', 'MsgUnreachable'] as const) {
      one.raft.step(message(MessageType[name], { from: 2n, term: 5 }));
    }
    expect(one.raft.status()).toEqual(before);
  });
});
