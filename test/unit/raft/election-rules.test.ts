import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { MessageType } from '../../../src/gen/raftpb.ts';
import { Member, confState, emptyDisk } from './support/member.ts';
import { SmallCluster, diskWithLog, message, sent } from './support/small-cluster.ts';

const { MsgVote, MsgVoteResp, MsgPreVote, MsgPreVoteResp, MsgApp, MsgAppResp, MsgHeartbeat, MsgTimeoutNow } =
  MessageType;

describe('paper §5.1: terms', () => {
  test.each(['follower', 'candidate', 'leader'] as const)('a later term makes a %s a follower of it', (role) => {
    const cluster = new SmallCluster(3);
    const one = cluster.member(1);
    if (role === 'candidate') one.raft.campaign();
    if (role === 'leader') cluster.elect(1);
    expect(one.raft.role).toBe(role);
    one.raft.step(message(MsgApp, { from: 2n, term: 9 }));
    expect(one.raft.status()).toMatchObject({ role: 'follower', term: 9, leader: 2n, vote: 0n });
  });

  test('a request of an earlier term changes nothing and is not obeyed', () => {
    const cluster = new SmallCluster(3);
    cluster.elect(1);
    cluster.elect(2);
    const three = cluster.member(3);
    const before = three.raft.status();
    three.raft.step(message(MsgApp, { from: 1n, term: 1, index: 1, logTerm: 1, commit: 9 }));
    three.raft.step(message(MsgVote, { from: 1n, term: 1, index: 9, logTerm: 9 }));
    expect(three.raft.status()).toEqual(before);
    three.settle();
    expect(sent(three)).toEqual([]);
  });
});

describe('paper §5.2: leader election', () => {
  test('a follower campaigns when the election timeout passes without a leader', () => {
    const one = new SmallCluster(3, { electionTicks: 10 }).member(1);
    for (let i = 0; i < 9; i++) one.raft.tick();
    expect(one.raft.role).toBe('follower');
    one.raft.tick();
    expect(one.raft.status()).toMatchObject({ role: 'candidate', term: 1, vote: 1n });
  });

  test('a heartbeat starts the election timeout anew', () => {
    const one = new SmallCluster(3, { electionTicks: 10 }).member(1);
    for (let i = 0; i < 50; i++) {
      if (i % 9 === 0) one.raft.step(message(MsgHeartbeat, { from: 2n, term: 1 }));
      one.raft.tick();
    }
    expect(one.raft.role).toBe('follower');
  });

  test('timeouts are drawn from [T, 2T), every value of it, anew for each campaign', () => {
    const one = new Member(1n, emptyDisk(confState([1n, 2n, 3n])), {
      random: new SeededRandom(7),
      electionTicks: 10,
      preVote: false,
    });
    const waits = new Map<number, number>();
    for (let campaigns = 0, wait = 0; campaigns < 1000;) {
      const { term } = one.raft;
      one.raft.tick();
      wait++;
      if (one.raft.term === term) continue;
      waits.set(wait, (waits.get(wait) ?? 0) + 1);
      wait = 0;
      campaigns++;
    }
    expect([...waits.keys()].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    for (const count of waits.values()) expect(count).toBeGreaterThan(50);
  });

  test('one vote per term, first come first served, also when asked again', () => {
    const one = new SmallCluster(3).member(1);
    const ask = (from: bigint) => {
      one.raft.step(message(MsgVote, { from, term: 1 }));
      one.settle();
      return sent(one, MsgVoteResp).map(({ to, reject }) => ({ to, reject }));
    };
    expect(ask(2n)).toEqual([{ to: 2n, reject: false }]);
    expect(ask(3n)).toEqual([{ to: 3n, reject: true }]);
    expect(ask(2n)).toEqual([{ to: 2n, reject: false }]);
  });

  test('a vote survives a restart', () => {
    const one = new SmallCluster(3).member(1);
    one.raft.step(message(MsgVote, { from: 2n, term: 1 }));
    one.settle();
    one.crash();
    one.raft.step(message(MsgVote, { from: 3n, term: 1 }));
    one.settle();
    expect(sent(one, MsgVoteResp)).toMatchObject([{ to: 3n, reject: true }]);
  });

  test('a granted vote leaves only when it is durable; a refusal does not wait', () => {
    const one = new SmallCluster(3).member(1);
    one.raft.step(message(MsgVote, { from: 2n, term: 1 }));
    one.raft.step(message(MsgVote, { from: 3n, term: 1 }));
    one.takeReadys();
    expect(sent(one)).toMatchObject([{ type: MsgVoteResp, to: 3n, reject: true }]);
    one.sync();
    expect(sent(one)).toMatchObject([{ type: MsgVoteResp, to: 2n, reject: false }]);
  });

  test('a candidate asks for votes only when its own vote, term and log are durable', () => {
    const one = new SmallCluster(3).member(1);
    one.raft.campaign();
    one.takeReadys();
    expect(sent(one)).toEqual([]);
    one.sync();
    expect(sent(one).map(({ type, to, term }) => [type, to, term])).toEqual([
      [MsgVote, 2n, 1],
      [MsgVote, 3n, 1],
    ]);
  });

  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [6, 4],
    [7, 4],
  ])('of %i voters, %i make a leader', (size, needed) => {
    const one = new SmallCluster(size).member(1);
    one.raft.campaign();
    for (let votes = 1; votes < needed; votes++) {
      expect(one.raft.role).toBe('candidate');
      const from = BigInt(votes + 1);
      one.raft.step(message(MsgVoteResp, { from, term: 1 }));
      if (votes + 1 < needed) one.raft.step(message(MsgVoteResp, { from, term: 1 })); // twice counts once
    }
    expect(one.raft.role).toBe('leader');
  });

  test('the votes of strangers and learners do not count', () => {
    const conf = confState([1n, 2n, 3n], { learners: [4n] });
    const one = new SmallCluster(4, {}, () => emptyDisk(conf)).member(1);
    one.raft.campaign();
    for (const from of [4n, 9n]) one.raft.step(message(MsgVoteResp, { from, term: 1 }));
    expect(one.raft.role).toBe('candidate');
  });

  test('a candidate follows the leader of its own term', () => {
    const one = new SmallCluster(3).member(1);
    one.raft.campaign();
    one.raft.step(message(MsgHeartbeat, { from: 2n, term: 1 }));
    expect(one.raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 2n, vote: 1n });
  });

  test('a candidate keeps trying while votes split, in later terms', () => {
    const one = new SmallCluster(3, { electionTicks: 5 }).member(1);
    for (let i = 0; i < 25; i++) one.raft.tick();
    expect(one.raft.term).toBe(5);
  });

  test('a leader sends heartbeats every heartbeatTicks', () => {
    const one = new SmallCluster(3, { heartbeatTicks: 3, electionTicks: 10 });
    one.elect(1);
    const counts = [];
    for (let i = 0; i < 6; i++) {
      one.member(1).raft.tick();
      one.member(1).settle();
      counts.push(sent(one.member(1), MsgHeartbeat).length);
    }
    expect(counts).toEqual([0, 0, 2, 0, 0, 2]);
  });
});

describe('paper §5.4.1: only a member with all committed entries can win', () => {
  test.each([
    { own: [1, 1], asks: { index: 2, logTerm: 1 }, granted: true, why: 'equal logs' },
    { own: [1, 1], asks: { index: 3, logTerm: 1 }, granted: true, why: 'same term, longer' },
    { own: [1, 1], asks: { index: 1, logTerm: 1 }, granted: false, why: 'same term, shorter' },
    { own: [1, 1, 1], asks: { index: 1, logTerm: 2 }, granted: true, why: 'later term, shorter' },
    { own: [1, 2], asks: { index: 9, logTerm: 1 }, granted: false, why: 'earlier term, longer' },
    { own: [], asks: { index: 0, logTerm: 0 }, granted: true, why: 'both empty' },
  ])('$why: $granted', ({ own, asks, granted }) => {
    for (const type of [MsgVote, MsgPreVote]) {
      const one = new SmallCluster(3, {}, () => diskWithLog(own, { term: 2 })).member(1);
      one.raft.step(message(type, { from: 2n, term: 3, ...asks }));
      one.settle();
      expect(sent(one)).toMatchObject([{ to: 2n, reject: !granted }]);
    }
  });
});

describe('dissertation §9.6: pre-vote', () => {
  test('asking changes neither term nor vote, on both sides', () => {
    const cluster = new SmallCluster(3, { preVote: true });
    const [one, two] = [cluster.member(1), cluster.member(2)];
    one.raft.campaign();
    one.settle();
    expect(one.raft.status()).toMatchObject({ role: 'pre-candidate', term: 0, vote: 0n });
    two.raft.step(message(MsgPreVote, { from: 1n, term: 1 }));
    two.raft.step(message(MsgPreVote, { from: 3n, term: 1 }));
    two.settle();
    expect(two.raft.status()).toMatchObject({ role: 'follower', term: 0, vote: 0n });
    expect(sent(two)).toMatchObject([
      { type: MsgPreVoteResp, to: 1n, term: 1, reject: false },
      { type: MsgPreVoteResp, to: 3n, term: 1, reject: false },
    ]);
  });

  test('the term rises only once a quorum would vote for the member', () => {
    const one = new SmallCluster(3, { preVote: true }).member(1);
    one.raft.campaign();
    one.raft.step(message(MsgPreVoteResp, { from: 2n, term: 1 }));
    expect(one.raft.status()).toMatchObject({ role: 'candidate', term: 1, vote: 1n });
  });

  test('a quorum of refusals ends it', () => {
    const one = new SmallCluster(3, { preVote: true }, () => diskWithLog([1], { term: 1 })).member(1);
    one.raft.campaign();
    one.raft.step(message(MsgPreVoteResp, { from: 2n, term: 1, reject: true }));
    expect(one.raft.role).toBe('pre-candidate');
    one.raft.step(message(MsgPreVoteResp, { from: 3n, term: 1, reject: true }));
    expect(one.raft.status()).toMatchObject({ role: 'follower', term: 1 });
  });

  test('answers to the other kind of question do not count', () => {
    const one = new SmallCluster(3, { preVote: true }).member(1);
    one.raft.campaign();
    one.raft.step(message(MsgPreVoteResp, { from: 2n, term: 1 }));
    expect(one.raft.role).toBe('candidate');
    one.raft.step(message(MsgPreVoteResp, { from: 3n, term: 1 }));
    expect(one.raft.role).toBe('candidate');
    one.raft.step(message(MsgVoteResp, { from: 3n, term: 1 }));
    expect(one.raft.role).toBe('leader');
  });
});

describe('dissertation §4.2.3: disruptive members', () => {
  test('who hears from a leader ignores vote requests within the election timeout, terms and all', () => {
    const cluster = new SmallCluster(3, { checkQuorum: true, electionTicks: 10 });
    cluster.elect(1);
    const two = cluster.member(2);
    for (let i = 0; i < 9; i++) two.raft.tick();
    two.raft.step(message(MsgVote, { from: 3n, term: 5, index: 9, logTerm: 1 }));
    expect(two.raft.term).toBe(1);
    two.raft.tick();
    expect(two.raft.role).toBe('candidate');
  });

  test('without check-quorum nobody is ignored', () => {
    const cluster = new SmallCluster(3);
    cluster.elect(1);
    cluster.member(2).raft.step(message(MsgVote, { from: 3n, term: 5, index: 9, logTerm: 1 }));
    expect(cluster.member(2).raft.status()).toMatchObject({ term: 5, vote: 3n });
  });

  test('a leader from before learns of the later term by an answer to its heartbeat', () => {
    const cluster = new SmallCluster(3, { checkQuorum: true });
    cluster.elect(1);
    const two = cluster.member(2);
    two.raft.step(message(MsgApp, { from: 3n, term: 4 }));
    two.settle();
    sent(two);
    two.raft.step(message(MsgHeartbeat, { from: 1n, term: 1 }));
    two.settle();
    const [answer] = sent(two);
    expect(answer).toMatchObject({ type: MsgAppResp, to: 1n, term: 4 });
    cluster.member(1).raft.step(answer!);
    expect(cluster.member(1).raft.status()).toMatchObject({ role: 'follower', term: 4 });
  });
});

describe('dissertation §6.2: a leader without a quorum steps down', () => {
  test('within two election timeouts of losing it', () => {
    const cluster = new SmallCluster(5, { checkQuorum: true, electionTicks: 10 });
    const one = cluster.elect(1);
    for (const id of [3n, 4n, 5n]) cluster.cutOff.add(id);
    let ticks = 0;
    while (one.raft.role === 'leader' && ticks < 100) {
      one.raft.tick();
      cluster.settle();
      ticks++;
    }
    expect(ticks).toBeLessThanOrEqual(20);
    expect(one.raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 0n });
  });

  test('never, while a quorum answers', () => {
    const cluster = new SmallCluster(5, { checkQuorum: true, electionTicks: 10 });
    const one = cluster.elect(1);
    for (const id of [4n, 5n]) cluster.cutOff.add(id);
    for (let i = 0; i < 100; i++) {
      one.raft.tick();
      cluster.settle();
    }
    expect(one.raft.role).toBe('leader');
  });
});

describe('dissertation §3.10: leadership transfer', () => {
  test('the target campaigns at once, past pre-vote and stickiness', () => {
    const cluster = new SmallCluster(3, { preVote: true, checkQuorum: true });
    cluster.elect(1);
    cluster.member(1).raft.transferLeader(3n);
    cluster.settle();
    expect(cluster.member(3).raft.status()).toMatchObject({ role: 'leader', term: 2 });
  });

  test('not before its log is complete', () => {
    const cluster = new SmallCluster(3);
    cluster.elect(1);
    cluster.cutOff.add(3n);
    cluster.propose(1, 'a');
    const one = cluster.member(1);
    one.raft.transferLeader(3n);
    one.settle();
    expect(sent(one, MsgTimeoutNow)).toEqual([]);
    cluster.cutOff.clear();
    one.raft.tick();
    cluster.settle();
    expect(cluster.member(3).raft.role).toBe('leader');
    expect(cluster.member(3).raft.committed).toBe(3);
  });

  test('a target that does not take over costs one election timeout of proposals', () => {
    const cluster = new SmallCluster(3, { electionTicks: 10 });
    const { raft } = cluster.elect(1);
    cluster.cutOff.add(3n);
    raft.transferLeader(3n);
    for (let i = 0; i < 10; i++) {
      expect(raft.propose([new Uint8Array(1)])).toBe('transferring');
      raft.tick();
    }
    expect(raft.propose([new Uint8Array(1)])).toBe('accepted');
  });

  test('a candidate is not told twice, a learner and a stranger not at all', () => {
    const conf = confState([1n, 2n], { learners: [3n] });
    const cluster = new SmallCluster(3, {}, () => emptyDisk(conf));
    const one = cluster.elect(1);
    for (const target of [1n, 3n, 7n]) one.raft.transferLeader(target);
    one.settle();
    expect(sent(one)).toEqual([]);
    expect(one.raft.status().leadTransferee).toBe(0n);
    cluster.member(3).raft.step(message(MsgTimeoutNow, { from: 1n, term: 1 }));
    expect(cluster.member(3).raft.role).toBe('follower');
  });
});
