import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runBatch } from './batch.ts';
import { generate } from './generator.ts';
import { readPlan, REGRESSIONS, regressions } from './plan-file.ts';
import { runPlan } from './run.ts';
import { type Mark, missingMarks } from './world/marks.ts';

const SEEDS_FROM = 1;
const SEEDS = 120;
/** Too rare to come up in so few runs: a batch of 5000 has to have them. */
const RARE: readonly Mark[] = [
  'tornTail',
  'commitKeptByKernelLost',
  'compactionResumed',
  'watchFragmented',
  'learnerRefuses',
  'servedByLearner',
  'memberPromoted',
  'powerLossInSnapshot',
  'joinRepeated',
  'messageOvertakes',
  'keepAliveTooLate',
];

describe('simulator', () => {
  test(`${SEEDS} seeds without a violation, and every fault among them`, { timeout: 120_000 }, async () => {
    const { failures, marks, runs } = await runBatch({ from: SEEDS_FROM, count: SEEDS, failuresMax: 1 });
    expect(failures.map(({ seed, message }) => `seed ${seed}: ${message}`)).toEqual([]);
    expect(runs).toBe(SEEDS);
    expect(missingMarks(new Map(marks)).filter((mark) => !RARE.includes(mark))).toEqual([]);
  });

  test('the same seed gives the same trace', async () => {
    for (const seed of [3, 11, 42, 77, 130]) {
      const first = await runPlan(generate(seed), { withText: true });
      const second = await runPlan(generate(seed), { withText: true });
      expect(second.trace).toEqual(first.trace);
      expect(second.traceHash).toBe(first.traceHash);
      expect(first.trace.length).toBeGreaterThan(20);
    }
  });

  test('another seed gives another trace', async () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 10; seed++) hashes.add((await runPlan(generate(seed))).traceHash);
    expect(hashes.size).toBe(10);
  });

  test.each(regressions())('%s', async (name) => {
    const { violation } = await runPlan(readPlan(join(REGRESSIONS, name)).plan);
    expect(violation?.message).toBeUndefined();
  });
});
