/**
 * The promise that everything rests on: an entry whose `done` was called is there after a crash at any moment, in its place,
 * and nothing is there that was never appended.
 */
import { describe, expect, test } from 'vitest';
import { CrashScenario } from './crash-scenario.ts';

const SEEDS = 200;
const CRASHES_PER_SEED = 4;

describe('crash at any step', () => {
  const batches = 8;
  for (let batch = 0; batch < batches; batch++) {
    test(`seeds ${batch} mod ${batches}`, () => {
      let recovered = 0;
      for (let seed = batch; seed < SEEDS; seed += batches) {
        const scenario = new CrashScenario(seed);
        try {
          for (let round = 0; round < CRASHES_PER_SEED; round++) scenario.workUntilCrash();
          scenario.open();
        } catch (error) {
          throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
        }
        recovered += scenario.now.entries.length;
      }
      expect(recovered).toBeGreaterThan(SEEDS / batches);
    });
  }
});
