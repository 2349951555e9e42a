import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { ConfChangeType, decodeConfChange, encodeConfChange, EntryType, type Entry } from '../../../src/gen/raftpb.ts';
import { decodeMember } from '../../../src/membership/member.ts';
import { forceNewCluster, type ForcedClusterInput } from '../../../src/server/forced-cluster.ts';

const { ConfChangeAddLearnerNode, ConfChangeAddNode, ConfChangeRemoveNode, ConfChangeUpdateNode } = ConfChangeType;
const NOBODY = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

const normal = (index: number, term = 2): Entry => ({ type: EntryType.EntryNormal, term, index, data: EMPTY });

function conf(index: number, type: number, nodeId: bigint): Entry {
  const data = encodeConfChange({ id: 7n, type, nodeId, context: EMPTY });
  return { type: EntryType.EntryConfChange, term: 2, index, data };
}

function force(input: Partial<ForcedClusterInput>) {
  const forced = forceNewCluster({
    self: 1n,
    peerURLs: ['http://b:1', 'http://a:1'],
    confState: { ...NOBODY, voters: [1n, 2n, 3n] },
    appliedIndex: 0,
    hardState: { term: 3, vote: 2n, commit: 0 },
    entries: [],
    ...input,
  });
  const changes = forced.changes.map(({ term, index, type, data }) => {
    expect(type).toBe(EntryType.EntryConfChange);
    const { type: kind, nodeId, context } = decodeConfChange(data);
    return { term, index, kind, nodeId, context };
  });
  return { ...forced, changes, said: changes.map(({ kind, nodeId }) => [kind, nodeId]) };
}

describe('a forced cluster', () => {
  test('lets the others go, in the term of now, after what was committed', () => {
    const { said, changes, entries, hardState } = force({
      hardState: { term: 3, vote: 2n, commit: 5 },
      entries: [4, 5, 6, 7].map((index) => normal(index)),
    });
    expect(said).toEqual([
      [ConfChangeRemoveNode, 2n],
      [ConfChangeRemoveNode, 3n],
    ]);
    expect(changes.map(({ index, term }) => [index, term])).toEqual([
      [6, 3],
      [7, 3],
    ]);
    expect(entries.map(({ index, term }) => [index, term])).toEqual([
      [4, 2],
      [5, 2],
      [6, 3],
      [7, 3],
    ]);
    expect(hardState).toEqual({ term: 3, vote: 2n, commit: 7 });
  });

  test('knows of members that came and went since the database was written, and of no others', () => {
    const entries = [
      conf(9, ConfChangeRemoveNode, 1n),
      conf(10, ConfChangeAddLearnerNode, 4n),
      conf(11, ConfChangeRemoveNode, 2n),
      conf(12, ConfChangeUpdateNode, 5n),
      conf(13, ConfChangeAddNode, 6n),
    ];
    const { said } = force({ appliedIndex: 9, hardState: { term: 3, vote: 0n, commit: 12 }, entries });
    expect(said).toEqual([
      [ConfChangeRemoveNode, 3n],
      [ConfChangeRemoveNode, 4n],
    ]);
  });

  test('of a learner makes it a voter first', () => {
    const { said, changes } = force({ confState: { ...NOBODY, voters: [2n], learners: [1n] } });
    expect(said).toEqual([
      [ConfChangeAddNode, 1n],
      [ConfChangeRemoveNode, 2n],
    ]);
    expect(changes[0] && decodeMember(changes[0].context)).toMatchObject({ id: 1n, isPromote: true });
  });

  test('of one that is no member any more adds it first', () => {
    const { said, changes } = force({ confState: { ...NOBODY, voters: [2n] } });
    expect(said).toEqual([
      [ConfChangeAddNode, 1n],
      [ConfChangeRemoveNode, 2n],
    ]);
    const urls = ['http://a:1', 'http://b:1'];
    expect(changes[0] && decodeMember(changes[0].context)).toMatchObject({ id: 1n, peerURLs: urls, isPromote: false });
  });

  test('of one that is alone already changes nothing but what was not committed', () => {
    const { said, entries, hardState } = force({
      confState: { ...NOBODY, voters: [1n] },
      hardState: { term: 3, vote: 1n, commit: 4 },
      entries: [normal(4), normal(5)],
    });
    expect([said, entries.length, hardState.commit]).toEqual([[], 1, 4]);
  });
});
