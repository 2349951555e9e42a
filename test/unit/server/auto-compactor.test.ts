import { expect, test } from 'vitest';
import type { Command } from '../../../src/apply/command.ts';
import { etcdError } from '../../../src/base/etcd-error.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { AutoCompactor } from '../../../src/server/auto-compactor.ts';
import type { AutoCompaction } from '../../../src/server/compaction-schedule.ts';
import type { ServerCore } from '../../../src/server/core.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A leader whose revision grows by one a second. `compactions`: when (in seconds) and up to where. */
function world(wanted: AutoCompaction) {
  const clock = new ManualClock();
  const state = {
    clock,
    isLeader: true,
    compactions: [] as [number, number][],
    answer: undefined as Error | undefined,
    terms: new Set<number | undefined>(),
    rev: () => 1 + Math.floor(clock.nowMs / 1000),
    /** In steps short enough that an answer comes before the next look. */
    pass: async (ms: number, stepMs: number): Promise<void> => {
      for (let at = 0; at < ms; at += stepMs) {
        clock.advance(stepMs);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
  const parts = {
    clock,
    logger: silentLogger,
    store: {
      get currentRev() {
        return state.rev();
      },
    },
    node: {
      term: 7,
      get isLeader() {
        return state.isLeader;
      },
    },
  };
  const core = {
    parts,
    proposeInternal: (_request: unknown, command: Command, term?: number) => {
      if (command.kind !== 'compaction') throw new Error(command.kind);
      state.terms.add(term);
      state.compactions.push([clock.nowMs / 1000, command.request.revision]);
      return state.answer === undefined ? Promise.resolve(undefined) : Promise.reject(state.answer);
    },
  };
  const compactor = new AutoCompactor(core as unknown as ServerCore, wanted);
  compactor.start();
  return { state, compactor };
}

test('periodic: first after the retention, then once per retention, up to what was current about one ago', async () => {
  const { state } = world({ mode: 'periodic', retentionMs: 10 * MINUTE_MS });
  await state.pass(31 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toEqual([
    [600, 1],
    [1200, 541],
    [1800, 1141],
  ]);
  expect(state.terms).toEqual(new Set([7]));
});

test('periodic, longer than an hour: hourly after the first', async () => {
  const { state } = world({ mode: 'periodic', retentionMs: 5 * HOUR_MS });
  await state.pass(7 * HOUR_MS, 6 * MINUTE_MS);
  expect(state.compactions).toEqual([
    [5 * 3600, 1],
    [6 * 3600, 3241],
    [7 * 3600, 6841],
  ]);
});

test('periodic: what failed is tried again at the next sample', async () => {
  const { state } = world({ mode: 'periodic', retentionMs: 10 * MINUTE_MS });
  state.answer = new Error('etcdserver: request timed out');
  await state.pass(11 * MINUTE_MS, MINUTE_MS);
  state.answer = undefined;
  await state.pass(12 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toEqual([
    [600, 1],
    [660, 1],
    [720, 61],
    [1320, 661],
  ]);
});

test('compacted further already: done', async () => {
  const { state } = world({ mode: 'periodic', retentionMs: 10 * MINUTE_MS });
  state.answer = etcdError('Compacted');
  await state.pass(21 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions.map(([at]) => at)).toEqual([600, 1200]);
});

test('nothing new: nothing to compact', async () => {
  const { state } = world({ mode: 'periodic', retentionMs: 10 * MINUTE_MS });
  state.rev = () => 5;
  await state.pass(60 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toEqual([
    [600, 1],
    [1200, 5],
  ]);
});

test('only the leader; whoever becomes it knows the past', async () => {
  const { state } = world({ mode: 'periodic', retentionMs: 10 * MINUTE_MS });
  state.isLeader = false;
  await state.pass(15 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toEqual([]);
  state.isLeader = true;
  await state.pass(5 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toEqual([[960, 301]]);
});

test('revision: every five minutes up to so many revisions back', async () => {
  const { state, compactor } = world({ mode: 'revision', retentionRevisions: 500 });
  await state.pass(16 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toEqual([
    [600, 101],
    [900, 401],
  ]);
  compactor.stop();
  await state.pass(16 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toHaveLength(2);
});

test('revision: a failure is tried again five minutes later', async () => {
  const { state } = world({ mode: 'revision', retentionRevisions: 100 });
  state.rev = () => 150;
  state.answer = new Error('no leader');
  await state.pass(10 * MINUTE_MS, MINUTE_MS);
  state.answer = undefined;
  await state.pass(20 * MINUTE_MS, MINUTE_MS);
  expect(state.compactions).toEqual([
    [300, 50],
    [600, 50],
    [900, 50],
  ]);
});
