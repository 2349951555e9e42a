import { expect, test } from 'vitest';
import type { Job } from '../../../src/ports/job.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { Compactor, type CompactionPauses } from '../../../src/server/compactor.ts';
import type { Flusher } from '../../../src/server/flusher.ts';
import { JobRunner } from '../../../src/server/job-runner.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** When a compaction of so many revisions is done, in ms. */
function durationOf(revisions: number, pauses: CompactionPauses | undefined): number {
  const clock = new ManualClock();
  let left = revisions;
  let doneMs: number | undefined;
  const job: Job<unknown> = {
    step: (units) => {
      left -= units;
      if (left > 0) return false;
      doneMs ??= clock.nowMs;
      return true;
    },
    result: () => undefined,
    close: () => {},
  };
  const jobs = [job];
  const compactor = new Compactor({
    jobs: new JobRunner(clock, () => false),
    logger: silentLogger,
    nextJob: () => jobs.shift(),
    flusher: { noteApplied: () => {}, flush: (done: () => void) => done() } as unknown as Flusher,
    pendingBytes: () => 0,
    monotonicMs: () => clock.monotonicMs(),
    pauses,
  });
  compactor.kick();
  for (let i = 0; i < 10_000 && doneMs === undefined; i++) clock.advance(1);
  return doneMs ?? NaN;
}

test('without pauses, a compaction only gives way', () => {
  expect(durationOf(10_000, undefined)).toBeLessThan(5);
});

test('with pauses, one after each batch', () => {
  const shortMs = durationOf(10_000, { batchRevisions: 1000, sleepMs: 10 });
  // Nine pauses; a pause is noticed to be over within 5 ms.
  expect(shortMs).toBeGreaterThanOrEqual(90);
  expect(shortMs).toBeLessThan(180);
  expect(durationOf(10_000, { batchRevisions: 100, sleepMs: 50 })).toBeGreaterThanOrEqual(99 * 50);
});
