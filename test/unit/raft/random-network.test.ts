import { describe, expect, test } from 'vitest';
import { RandomCluster, type Scenario } from './support/random-cluster.ts';

type Counts = RandomCluster['counts'];

/** Runs `count` seeds from `from` on; a broken property throws with its seed. Returns what happened in all of them. */
function runSeeds(from: number, count: number, scenario: Omit<Scenario, 'seed'>): Counts {
  const sums = new RandomCluster({ seed: from, ...scenario }).counts;
  for (let seed = from; seed < from + count; seed++) {
    const cluster = new RandomCluster({ seed, ...scenario });
    cluster.run();
    for (const key of Object.keys(sums) as (keyof Counts)[]) sums[key] += cluster.counts[key];
  }
  return sums;
}

const SEEDS = Number(process.env['RAFT_SEEDS'] ?? 100);

describe('random schedules keep the safety properties, and healing brings progress', () => {
  test.each([
    { name: 'three voters', from: 1, seeds: SEEDS, voters: 3, spares: 0, reconfigure: false },
    { name: 'five voters', from: 100_001, seeds: SEEDS / 2, voters: 5, spares: 0, reconfigure: false },
    { name: 'members come and go', from: 200_001, seeds: SEEDS, voters: 3, spares: 2, reconfigure: true },
  ])('$name', ({ from, seeds, voters, spares, reconfigure }) => {
    const counts = runSeeds(from, seeds, { voters, spares, steps: 2500, reconfigure });
    // A schedule that never elects or commits would prove nothing.
    expect(counts.leaders).toBeGreaterThan(seeds * 2);
    expect(counts.commits).toBeGreaterThan(seeds * 20);
    expect(counts.crashes).toBeGreaterThan(seeds);
    expect(counts.snapshots).toBeGreaterThan(seeds / 2);
    expect(counts.readAnswers).toBeGreaterThan(seeds * 5);
    expect(counts.overwrites).toBeGreaterThan(seeds / 10);
    expect(counts.confChanges).toBeGreaterThanOrEqual(reconfigure ? seeds : 0);
    expect(counts.jointEntered).toBeGreaterThanOrEqual(reconfigure ? seeds / 2 : 0);
  });
});

test('regression, seed 200946: the only voter left does not know it, and members that know refuse it their vote', () => {
  const cluster = new RandomCluster({ seed: 200_946, voters: 3, spares: 2, steps: 2500, reconfigure: true });
  expect(() => cluster.run()).not.toThrow();
});
