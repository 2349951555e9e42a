/** What a change of the members does when its entry is applied: in Raft, in the database, and towards the peers. */
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { Membership } from '../../../src/embed/membership.ts';
import { ConfChangeType, type ConfChange } from '../../../src/gen/raftpb.ts';
import { Cluster, type ClusterTables } from '../../../src/membership/cluster.ts';
import { encodeMember, encodePromotion, type Member } from '../../../src/membership/member.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { applyConfChange } from '../../../src/raft/conf-change.ts';
import { confStateOf, configurationFrom, type Configuration } from '../../../src/raft/configuration.ts';
import type { PeerTransport } from '../../../src/server/peer-transport.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const SELF = 1n;

function memberOf(id: bigint, more: Partial<Member> = {}): Member {
  return { id, name: `m${id}`, peerURLs: [`http://${id}:2380`], clientURLs: [], isLearner: false, ...more };
}

function addition(member: Member): ConfChange {
  const type = member.isLearner ? ConfChangeType.ConfChangeAddLearnerNode : ConfChangeType.ConfChangeAddNode;
  return { id: 5n, type, nodeId: member.id, context: encodeMember(member) };
}

function removal(nodeId: bigint): ConfChange {
  return { id: 5n, type: ConfChangeType.ConfChangeRemoveNode, nodeId, context: EMPTY };
}

function update(id: bigint, ...peerURLs: string[]): ConfChange {
  const context = encodeMember(memberOf(id, { name: '', peerURLs }));
  return { id: 5n, type: ConfChangeType.ConfChangeUpdateNode, nodeId: id, context };
}

function promotion(id: bigint): ConfChange {
  return { id: 5n, type: ConfChangeType.ConfChangeAddNode, nodeId: id, context: encodePromotion(id) };
}

/** Member 1 of a cluster of these ids, which its database knows already. */
function world(ids: bigint[], contacts: Member[] = []) {
  const clock = new ManualClock();
  const cluster = new Cluster(emptyTables());
  for (const id of ids) cluster.add(memberOf(id));
  const state = {
    peers: new Map<bigint, readonly string[]>(),
    /** As this member tells the others. */
    own: undefined as readonly string[] | undefined,
    /** What Raft was given, by node id. */
    inRaft: [] as bigint[],
    isLeader: false,
    left: 0,
  };
  let configuration: Configuration = configurationFrom({
    voters: ids,
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  });
  const transport: Pick<PeerTransport, 'addPeer' | 'updateSelf' | 'updatePeer' | 'removePeer'> = {
    updateSelf: (urls) => void (state.own = urls),
    addPeer: (id, urls) => void state.peers.set(id, urls),
    updatePeer: (id, urls) => void state.peers.set(id, urls),
    removePeer: (id) => void state.peers.delete(id),
  };
  const membership = new Membership({
    memberId: SELF,
    cluster,
    learnersMax: 1,
    transport: transport as PeerTransport,
    clock,
    logger: silentLogger,
    applyToRaft: (change) => {
      state.inRaft.push(change.nodeId);
      configuration = applyConfChange(configuration, change);
      return confStateOf(configuration);
    },
    isLeader: () => state.isLeader,
    leaveMs: 2000,
    onRemoved: () => void state.left++,
    initial: confStateOf(configuration),
    contacts,
  });
  return { clock, cluster, state, membership };
}

function emptyTables(): ClusterTables {
  return { put: () => {}, delete: () => {}, rows: () => [] };
}

describe('at the start', () => {
  test('all members are peers but this one, and those that a joining member was told of', () => {
    const { state, membership } = world([1n, 2n], [memberOf(1n), memberOf(9n)]);
    expect(new Set(state.peers.keys())).toEqual(new Set([2n, 9n]));
    expect(membership.confState.voters).toEqual([1n, 2n]);
  });

  test('what the database says of a member counts more than what was told', () => {
    const { state } = world([1n, 2n], [memberOf(2n, { peerURLs: ['http://old:1'] })]);
    expect(state.peers.get(2n)).toEqual(['http://2:2380']);
  });
});

describe('this member', () => {
  test('is where the cluster says, whatever its flags say', () => {
    const { state, membership } = world([1n, 2n]);
    expect(state.own).toEqual(['http://1:2380']);
    const moved = memberOf(1n, { peerURLs: ['http://moved:1'] });
    const type = ConfChangeType.ConfChangeUpdateNode;
    expect(membership.apply({ id: 1n, type, nodeId: 1n, context: encodeMember(moved) })).toBeUndefined();
    expect(state.own).toEqual(['http://moved:1']);
    expect(state.peers.has(1n)).toBe(false);
  });
});

describe('a change', () => {
  test('adds a voter, a learner, and promotes it', () => {
    const { cluster, state, membership } = world([1n, 2n]);
    expect(membership.apply(addition(memberOf(3n)))).toBeUndefined();
    expect(membership.apply(addition(memberOf(4n, { isLearner: true })))).toBeUndefined();
    expect(membership.confState).toMatchObject({ voters: [1n, 2n, 3n], learners: [4n] });
    expect(membership.apply(promotion(4n))).toBeUndefined();
    expect(membership.confState).toMatchObject({ voters: [1n, 2n, 3n, 4n], learners: [] });
    expect(cluster.member(4n)).toMatchObject({ isLearner: false, name: 'm4', peerURLs: ['http://4:2380'] });
    expect([...state.peers.keys()]).toEqual([2n, 3n, 4n]);
  });

  test('moves a member, also this one, which is no peer of its own', () => {
    const { cluster, state, membership } = world([1n, 2n]);
    expect(membership.apply(update(2n, 'http://new:1', 'http://new:2'))).toBeUndefined();
    expect(membership.apply(update(1n, 'http://self:1'))).toBeUndefined();
    expect(state.peers).toEqual(new Map([[2n, ['http://new:1', 'http://new:2']]]));
    expect(cluster.member(1n)).toMatchObject({ name: 'm1', peerURLs: ['http://self:1'] });
    expect(membership.confState.voters).toEqual([1n, 2n]);
  });

  test('removes a member, which is answered for a moment longer', () => {
    const { clock, cluster, state, membership } = world([1n, 2n, 3n]);
    expect(membership.apply(removal(3n))).toBeUndefined();
    expect([membership.confState.voters, cluster.isRemoved(3n), cluster.member(3n)]).toEqual([
      [1n, 2n],
      true,
      undefined,
    ]);
    expect(state.peers.has(3n)).toBe(true);
    clock.advance(1000);
    expect(state.peers.has(3n)).toBe(false);
    expect(state.left).toBe(0);
  });

  test.each([
    ['adding one that is there', addition(memberOf(2n)), 'member ID already exist'],
    [
      'adding a URL that is in use',
      addition(memberOf(7n, { peerURLs: ['http://2:2380'] })),
      'Peer URLs already exists',
    ],
    ['moving to a URL that is in use', update(1n, 'http://2:2380'), 'Peer URLs already exists'],
    ['moving a stranger', update(7n, 'http://7:1'), 'member not found'],
    ['removing a stranger', removal(7n), 'member not found'],
    ['promoting a voter', promotion(2n), 'can only promote a learner member'],
    ['promoting a stranger', promotion(7n), 'member not found'],
  ])('is refused on every member alike: %s', (_, change, text) => {
    const { cluster, state, membership } = world([1n, 2n]);
    const before = [cluster.members(), membership.confState, [...state.peers]];
    expect(membership.apply(change)?.message).toBe(`etcdserver: ${text}`);
    expect([cluster.members(), membership.confState, [...state.peers]]).toEqual(before);
    // Raft counts it as done, and as changing nothing.
    expect(state.inRaft).toEqual([0n]);
  });

  test('is refused: a second learner, and the id of a member that was removed', () => {
    const { membership } = world([1n, 2n]);
    expect(membership.apply(addition(memberOf(3n, { isLearner: true })))).toBeUndefined();
    expect(membership.apply(addition(memberOf(4n, { isLearner: true })))?.message).toContain(
      'too many learner members',
    );
    expect(membership.apply(removal(3n))).toBeUndefined();
    expect(membership.apply(addition(memberOf(3n)))?.message).toBe('etcdserver: member not found');
    expect(membership.apply(addition(memberOf(4n, { isLearner: true })))).toBeUndefined();
  });
});

describe('this member removed', () => {
  test('leaves after a moment, once', () => {
    const { clock, state, membership } = world([1n, 2n]);
    membership.apply(removal(SELF));
    membership.leave();
    expect(state.left).toBe(0);
    clock.advance(1000);
    expect(state.left).toBe(1);
    clock.advance(10_000);
    expect(state.left).toBe(1);
  });

  test('as the leader waits until it has handed over, but not for ever', () => {
    const handing = world([1n, 2n]);
    handing.state.isLeader = true;
    handing.membership.apply(removal(SELF));
    handing.clock.advance(1500);
    handing.state.isLeader = false;
    expect(handing.state.left).toBe(0);
    handing.clock.advance(500);
    expect(handing.state.left).toBe(1);

    const stuck = world([1n, 2n]);
    stuck.state.isLeader = true;
    stuck.membership.apply(removal(SELF));
    stuck.clock.advance(3000);
    expect(stuck.state.left).toBe(1);
  });

  test('that stops by itself meanwhile is not told to leave', () => {
    const { clock, state, membership } = world([1n, 2n]);
    membership.apply(removal(SELF));
    membership.stop();
    clock.advance(10_000);
    membership.leave();
    clock.advance(10_000);
    expect(state.left).toBe(0);
  });
});
