import { describe, expect, test } from 'vitest';
import {
  compactionVerdict,
  differing,
  SOMEBODY,
  suspectOf,
  type PeerHash,
} from '../../../src/server/corruption-rules.ts';

const SELF = 1n;
const own = { hash: 7, hashRevision: 10, compactRevision: 4, revision: 10 };

function peer(id: bigint, answer: Partial<NonNullable<PeerHash['answer']>> = {}): PeerHash {
  return { id, answer: { ...own, ...answer } };
}

const silent = (id: bigint): PeerHash => ({ id, answer: undefined });

describe('before serving', () => {
  test('only another hash of the same history is another hash', () => {
    expect(differing(own, [peer(2n), silent(3n)])).toEqual([]);
    expect(differing(own, [peer(2n, { hash: 8, compactRevision: 5 })])).toEqual([]);
    expect(differing(own, [peer(2n, { hash: 8 }), peer(3n), peer(4n, { hash: 9 })])).toEqual([2n, 4n]);
  });

  test('a member that has compacted there meanwhile may answer with the twin', () => {
    expect(differing({ ...own, twin: 8 }, [peer(2n, { hash: 8 }), peer(3n), peer(4n, { hash: 9 })])).toEqual([4n]);
  });
});

describe('the data of all members', () => {
  test('are in order where all agree, or do not answer, or have compacted less', () => {
    const peers = [peer(2n), silent(3n), peer(4n, { hash: 8, compactRevision: 3 })];
    expect(suspectOf(SELF, own, { ...own, hashRevision: 12, revision: 12, hash: 70 }, peers)).toBeUndefined();
  });

  test('of the leader changed, and nothing was written', () => {
    expect(suspectOf(SELF, own, { ...own, hash: 8 }, [peer(2n)])).toBe(SELF);
  });

  test('of the leader changed with a compaction in between, which proves nothing', () => {
    expect(suspectOf(SELF, own, { ...own, hash: 8, compactRevision: 9 }, [peer(2n)])).toBeUndefined();
  });

  test('differ: the first such member is suspected', () => {
    expect(suspectOf(SELF, own, own, [peer(2n), peer(3n, { hash: 8 }), peer(4n, { hash: 9 })])).toBe(3n);
  });

  test('a member is ahead of the leader', () => {
    const after = { ...own, hashRevision: 12, revision: 12 };
    expect(suspectOf(SELF, own, after, [peer(2n, { revision: 12 })])).toBeUndefined();
    expect(suspectOf(SELF, own, after, [peer(2n, { revision: 13 })])).toBe(2n);
    expect(suspectOf(SELF, own, after, [peer(2n, { compactRevision: 5 })])).toBe(2n);
  });
});

describe('the hashes of a compaction', () => {
  test('compare with those of members that have not compacted there yet', () => {
    const compacted = { ...own, twin: 8 };
    expect(compactionVerdict(SELF, compacted, [peer(2n, { hash: 8 }), peer(3n)])).toEqual({
      corrupt: [],
      isConclusive: true,
    });
    expect(compactionVerdict(SELF, compacted, [peer(2n, { hash: 8 }), peer(3n, { hash: 9 })]).corrupt).toEqual([3n]);
  });

  test.each<[string, PeerHash[], ReturnType<typeof compactionVerdict>]>([
    ['all agree', [peer(2n), peer(3n)], { corrupt: [], isConclusive: true }],
    ['one does not answer', [peer(2n), silent(3n)], { corrupt: [], isConclusive: false }],
    [
      'one has another history',
      [peer(2n), peer(3n, { hash: 8, compactRevision: 3 })],
      { corrupt: [], isConclusive: false },
    ],
    ['a minority differs', [peer(2n), peer(3n, { hash: 8 })], { corrupt: [3n], isConclusive: true }],
    [
      'the leader is the minority',
      [peer(2n, { hash: 8 }), peer(3n, { hash: 8 })],
      { corrupt: [SELF], isConclusive: true },
    ],
    [
      'two of five, each another',
      [peer(2n), peer(3n), peer(4n, { hash: 8 }), peer(5n, { hash: 9 })],
      { corrupt: [4n, 5n], isConclusive: true },
    ],
    ['one of two', [peer(2n, { hash: 8 })], { corrupt: [SOMEBODY], isConclusive: true }],
    [
      'one of those that answered, which are no majority with it',
      [peer(2n, { hash: 8 }), silent(3n)],
      { corrupt: [SOMEBODY], isConclusive: true },
    ],
    ['nobody agrees', [peer(2n, { hash: 8 }), peer(3n, { hash: 9 })], { corrupt: [SOMEBODY], isConclusive: true }],
  ])('%s', (_, peers, verdict) => expect(compactionVerdict(SELF, own, peers)).toEqual(verdict));
});
