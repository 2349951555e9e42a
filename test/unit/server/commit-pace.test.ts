/** When followers are told of a commit: with entries that come soon, or at once, or a moment later. */
import { beforeEach, expect, test } from 'vitest';
import { CommitPace } from '../../../src/server/commit-pace.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let clock: ManualClock;
let raft: { commitHeld: number; holdsCommits: boolean; tellCommit: () => void };
let told: number[];
let pace: CommitPace;

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  raft = {
    commitHeld: 0,
    holdsCommits: false,
    tellCommit() {
      told.push(raft.commitHeld);
      raft.commitHeld = 0;
    },
  };
  pace = new CommitPace({ raft, clock, onChange: () => {} });
});

/** Writes one after the other, each so long after the commit of the one before. */
function write(count: number, gapMs: number): void {
  for (let i = 0; i < count; i++) {
    pace.note(true, false);
    pace.note(false, true);
    clock.advance(gapMs);
  }
  pace.note(true, false);
}

test('writes that follow each other closely let commits wait for them', () => {
  write(30, 0.4);
  expect(raft.holdsCommits).toBe(true);
});

test('writes far apart do not, also after close ones', () => {
  write(30, 5);
  expect(raft.holdsCommits).toBe(false);
  write(30, 0.4);
  write(30, 5);
  expect(raft.holdsCommits).toBe(false);
});

test('a commit that nothing follows is told after a millisecond', () => {
  raft.commitHeld = 7;
  pace.note(false, true);
  clock.advance(0.9);
  expect(told).toEqual([]);
  clock.advance(0.2);
  expect(told).toEqual([7]);
});

test('one that entries took along is not told again; a later one gets its own millisecond', () => {
  raft.commitHeld = 7;
  pace.note(false, true);
  clock.advance(0.5);
  raft.commitHeld = 0;
  pace.note(true, false);
  raft.commitHeld = 8;
  pace.note(false, true);
  clock.advance(0.6);
  expect(told).toEqual([]);
  clock.advance(1);
  expect(told).toEqual([8]);
});

test('nothing is told after the end', () => {
  raft.commitHeld = 7;
  pace.note(false, true);
  pace.stop();
  clock.advance(10);
  expect(told).toEqual([]);
});
