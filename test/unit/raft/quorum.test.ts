import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jointIndex, jointVote, majorityIndex, majorityVote, quorumSize } from '../../../src/raft/quorum.ts';

const ids = fc.uniqueArray(fc.bigInt(1n, 8n), { maxLength: 7 }).map((list) => new Set(list));
const indexes = fc.array(fc.nat(6), { minLength: 9, maxLength: 9 });
const votes = fc.array(fc.constantFrom(true, false, undefined), { minLength: 9, maxLength: 9 });

/** By definition: the highest index that more than half have reached. */
function slowMajorityIndex(voters: ReadonlySet<bigint>, reached: (id: bigint) => number): number {
  for (let index = 6; index > 0; index--) {
    if ([...voters].filter((id) => reached(id) >= index).length * 2 > voters.size) return index;
  }
  return 0;
}

/** By definition: try both for every missing vote. */
function slowVote(
  incoming: ReadonlySet<bigint>,
  outgoing: ReadonlySet<bigint>,
  voteOf: (id: bigint) => boolean | undefined,
): string {
  const missing = [...new Set([...incoming, ...outgoing])].filter((id) => voteOf(id) === undefined);
  const wins = (granted: (id: bigint) => boolean): boolean =>
    [incoming, outgoing].every((half) => half.size === 0 || [...half].filter(granted).length * 2 > half.size);
  let best = false;
  let worst = true;
  for (let mask = 0; mask < 1 << missing.length; mask++) {
    const outcome = wins((id) => voteOf(id) ?? (mask & (1 << missing.indexOf(id))) !== 0);
    best ||= outcome;
    worst &&= outcome;
  }
  return worst ? 'won' : best ? 'pending' : 'lost';
}

describe('quorums, against their definitions', () => {
  test('sizes', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(quorumSize)).toEqual([1, 2, 2, 3, 3, 4, 4]);
  });

  test('committed index of a majority', () => {
    fc.assert(
      fc.property(ids, indexes, (voters, reached) => {
        const of = (id: bigint): number => reached[Number(id)]!;
        expect(majorityIndex(voters, of)).toBe(voters.size === 0 ? Infinity : slowMajorityIndex(voters, of));
      }),
    );
  });

  test('committed index of a joint configuration: what both halves have', () => {
    fc.assert(
      fc.property(ids, ids, indexes, (incoming, outgoing, reached) => {
        fc.pre(incoming.size > 0);
        const of = (id: bigint): number => reached[Number(id)]!;
        const slow = (half: ReadonlySet<bigint>) => (half.size === 0 ? 99 : slowMajorityIndex(half, of));
        expect(jointIndex(incoming, outgoing, of)).toBe(Math.min(slow(incoming), slow(outgoing)));
      }),
    );
  });

  test('votes', () => {
    fc.assert(
      fc.property(ids, ids, votes, (incoming, outgoing, cast) => {
        const of = (id: bigint): boolean | undefined => cast[Number(id)];
        expect(majorityVote(incoming, of)).toBe(slowVote(incoming, new Set(), of));
        const fast = jointVote(incoming, outgoing, of);
        expect(fast).toBe(slowVote(incoming, outgoing, of));
      }),
      { numRuns: 500 },
    );
  });
});
