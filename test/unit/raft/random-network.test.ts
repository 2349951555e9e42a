import { describe, expect, test } from 'vitest';
import { RandomCluster, type Scenario } from './support/random-cluster.ts';

type Counts = RandomCluster['counts'];

function runSeeds(from: number, count: number, scenario: Omit<Scenario, 'seed'>): Counts {
  const sums = new RandomCluster({ seed: from, ...scenario }).counts;
  for (let seed = from; seed < from + count; seed++) {
    const cluster = new RandomCluster({ seed, ...scenario });
    cluster.run();
    for (const key of Object.keys(sums) as (keyof Counts)[]) sums[key] += cluster.counts[key];
  }
  if (process.env['RAFT_COUNTS'] !== undefined) console.log(sums);
  return sums;
}

/** A schedule that never elects or commits would prove nothing. */
function expectMuchHappened(counts: Counts, seeds: number): void {
  expect(counts.leaders).toBeGreaterThan(seeds * 2);
  expect(counts.commits).toBeGreaterThan(seeds * 10);
  expect(counts.crashes).toBeGreaterThan(seeds);
  expect(counts.snapshots).toBeGreaterThan(seeds / 10);
  expect(counts.readAnswers).toBeGreaterThan(seeds);
  expect(counts.overwrites).toBeGreaterThan(seeds / 10);
}

const SEEDS = Number(process.env['RAFT_SEEDS'] ?? 100);

describe('random schedules keep the safety properties, and healing brings progress', () => {
  test('three voters', () => {
    const counts = runSeeds(1, SEEDS, { voters: 3, spares: 0, steps: 4000, reconfigure: false });
    expectMuchHappened(counts, SEEDS);
  });

  test('five voters', () => {
    const counts = runSeeds(100_001, SEEDS / 2, { voters: 5, spares: 0, steps: 4000, reconfigure: false });
    expectMuchHappened(counts, SEEDS / 2);
  });

  test('members come and go', () => {
    const counts = runSeeds(200_001, SEEDS, { voters: 3, spares: 2, steps: 4000, reconfigure: true });
    expectMuchHappened(counts, SEEDS);
    expect(counts.confChanges).toBeGreaterThan(SEEDS);
    expect(counts.jointEntered).toBeGreaterThan(SEEDS / 4);
  });
});
