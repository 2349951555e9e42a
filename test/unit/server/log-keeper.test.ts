import { describe, expect, test } from 'vitest';
import type { ConfState } from '../../../src/gen/raftpb.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { Raft } from '../../../src/raft/raft.ts';
import type { DurableLog, LogDone, SnapshotMarkInit } from '../../../src/server/durable-log.ts';
import { LogKeeper } from '../../../src/server/log-keeper.ts';

const CONF_STATE: ConfState = { voters: [1n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

/** A log of entries up to 10,000, of which nothing is forgotten, with followers that have what `matches` says. */
function world(options: { snapshotCount?: number; catchupEntries?: number; marked?: number } = {}) {
  const state = {
    matches: [] as number[],
    logBytes: 0,
    firstIndex: 1,
    marks: [] as SnapshotMarkInit[],
    released: [] as number[],
    compacted: [] as number[],
    waiting: [] as LogDone[],
    errors: [] as string[],
  };
  const raft = {
    committed: 5000,
    get logBytes() {
      return state.logBytes;
    },
    get firstIndex() {
      return state.firstIndex;
    },
    termAt: (index: number) => (index >= state.firstIndex - 1 && index <= 10_000 ? 3 : undefined),
    status: () => ({ progress: new Map(state.matches.map((match, at) => [BigInt(at + 1), { match }])) }),
    compactLog: (index: number) => {
      state.compacted.push(index);
      state.firstIndex = index + 1;
    },
  };
  const log: Pick<DurableLog, 'markSnapshot' | 'release'> = {
    markSnapshot: (mark, done) => {
      state.marks.push(mark);
      state.waiting.push(done);
    },
    release: (index) => void state.released.push(index),
  };
  const keeper = new LogKeeper(
    {
      snapshotCount: options.snapshotCount ?? 1000,
      catchupEntries: options.catchupEntries ?? 100,
      memoryBytesMax: 1_000_000,
    },
    {
      raft: raft as unknown as Raft,
      log: log as DurableLog,
      logger: silentLogger,
      onLogError: (error) => state.errors.push(error.message),
    },
    options.marked ?? 0,
  );
  return { state, keeper, marked: (error?: Error) => state.waiting.shift()?.(error) };
}

describe('LogKeeper', () => {
  test('marks what the database holds every snapshotCount entries, and forgets only what is marked on disk', () => {
    const { state, keeper, marked } = world();
    keeper.flushed(999, CONF_STATE);
    expect(state.marks).toEqual([]);
    keeper.flushed(1000, CONF_STATE);
    expect(state.marks).toEqual([{ index: 1000, term: 3, confState: CONF_STATE }]);
    expect([state.released, state.compacted]).toEqual([[], []]);
    marked();
    expect([state.released, state.compacted]).toEqual([[900], [900]]);
    keeper.flushed(1999, CONF_STATE);
    expect(state.marks.length).toBe(1);
    keeper.flushed(2000, CONF_STATE);
    expect(state.marks.length).toBe(2);
  });

  test('the mark names the members at its index', () => {
    const { state, keeper } = world();
    const three = { ...CONF_STATE, voters: [1n, 2n, 3n] };
    keeper.flushed(1000, three);
    expect(state.marks).toEqual([{ index: 1000, term: 3, confState: three }]);
  });

  test('counts from the mark of the last run', () => {
    const { state, keeper } = world({ marked: 5000 });
    keeper.flushed(5000, CONF_STATE);
    keeper.flushed(5999, CONF_STATE);
    expect(state.marks).toEqual([]);
    keeper.flushed(6000, CONF_STATE);
    expect(state.marks.length).toBe(1);
  });

  test('sets one mark at a time', () => {
    const { state, keeper, marked } = world();
    keeper.flushed(1000, CONF_STATE);
    keeper.flushed(3000, CONF_STATE);
    expect(state.marks.length).toBe(1);
    marked();
    keeper.flushed(3000, CONF_STATE);
    expect(state.marks.length).toBe(2);
  });

  test('a leader keeps what its slowest member lacks', () => {
    const { state, keeper, marked } = world();
    state.matches = [4000, 3990, 250];
    keeper.flushed(4000, CONF_STATE);
    marked();
    expect(state.compacted).toEqual([250]);
    state.matches = [5000, 5000, 5000];
    keeper.flushed(5000, CONF_STATE);
    marked();
    expect(state.compacted).toEqual([250, 4900]);
  });

  test('until that takes too much memory: then the slowest is given up on, for half of what there is', () => {
    const { state, keeper, marked } = world();
    state.logBytes = 1_000_001;
    state.matches = [600, 600, 0];
    keeper.flushed(600, CONF_STATE);
    marked();
    // Earlier than due, and more than the catch-up would leave.
    expect(state.compacted).toEqual([300]);
    state.matches = [700, 700, 700];
    keeper.flushed(700, CONF_STATE);
    marked();
    expect(state.compacted).toEqual([300, 700]);
  });

  test('forgets nothing twice, and nothing before the beginning', () => {
    const { state, keeper, marked } = world({ catchupEntries: 5000 });
    keeper.flushed(1000, CONF_STATE);
    marked();
    expect([state.released, state.compacted]).toEqual([[0], []]);
    keeper.flushed(7000, CONF_STATE);
    marked();
    expect(state.compacted).toEqual([2000]);
  });

  test('does not mark what the log does not tell the term of', () => {
    const { state, keeper } = world();
    state.firstIndex = 5000;
    keeper.flushed(2000, CONF_STATE);
    expect(state.marks).toEqual([]);
  });

  test('a mark that cannot be written ends everything, and forgets nothing', () => {
    const { state, keeper, marked } = world();
    keeper.flushed(1000, CONF_STATE);
    marked(new Error('EIO'));
    expect([state.errors, state.released, state.compacted]).toEqual([['EIO'], [], []]);
  });

  test('after a stop nothing begins', () => {
    const { state, keeper } = world();
    keeper.stop();
    keeper.flushed(5000, CONF_STATE);
    expect(state.marks).toEqual([]);
  });
});

test('what nobody is to get as entries is forgotten once it is in the database, whoever lacks it', () => {
  const { state, keeper, marked } = world();
  state.matches = [10, 5000];
  keeper.forgetCommitted();
  keeper.flushed(900, CONF_STATE);
  keeper.flushed(4999, CONF_STATE);
  marked();
  marked();
  expect(state.compacted.every((index) => index <= 10)).toBe(true);
  keeper.flushed(5001, CONF_STATE);
  marked();
  expect(state.compacted.at(-1)).toBe(5000);
  expect(state.released.at(-1)).toBe(5000);
  // Only once.
  const { length } = state.marks;
  keeper.flushed(5100, CONF_STATE);
  expect(state.marks).toHaveLength(length);
});
