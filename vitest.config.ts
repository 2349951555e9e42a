import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

const UNIT = 'test/unit/**/*.test.ts';

export default defineConfig({
  test: {
    // Against tests that hang, on whatever machine: what has to be fast says so itself.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // Many tests wait for processes and timers: more workers than cores.
    maxWorkers: 5,
    sequence: { sequencer: LongestFirst },
    projects: [
      // They leave nothing behind in their process, so that its modules need not be loaded for each file anew.
      { extends: true, test: { name: 'unit', include: [UNIT], isolate: false } },
      { extends: true, test: { name: 'system', include: ['test/**/*.test.ts'], exclude: [UNIT] } },
    ],
  },
});
