import { beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../../src/ports/logger.ts';
import { createWal } from '../../../../src/storage/wal/open.ts';
import { SyncPolicy } from '../../../../src/storage/wal/sync-policy.ts';
import { ManualLoop } from '../../../support/manual-loop.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';

let loop: ManualLoop;
let policy: SyncPolicy;

beforeEach(() => {
  loop = new ManualLoop();
  policy = new SyncPolicy(loop, true);
});

test('nothing is inline before the disk is known to be fast', () => {
  expect(policy.inline(1, 100)).toBe(false);
  policy.observe(0.1, false);
  expect(policy.inline(1, 100)).toBe(true);
});

test('only small groups are inline', () => {
  policy.observe(0.1, false);
  expect(policy.inline(4, 16 << 10)).toBe(true);
  expect(policy.inline(5, 100)).toBe(false);
  expect(policy.inline(1, (16 << 10) + 1)).toBe(false);
});

test('nothing is inline while others keep the disk busy', () => {
  let isBusy = true;
  policy = new SyncPolicy(loop, true, () => isBusy);
  policy.observe(0.1, false);
  expect(policy.inline(1, 100)).toBe(false);
  isBusy = false;
  expect(policy.inline(1, 100)).toBe(true);
});

test('nothing is inline while much is written, and for four seconds after', () => {
  policy.observe(0.1, false);
  const MB = 1 << 20;
  // At the pace at which it is forgotten: for ever.
  for (let second = 0; second < 100; second++) {
    policy.inline(100, 8 * MB);
    loop.nowMs += 1000;
    expect(policy.inline(1, 100)).toBe(true);
  }
  for (let second = 0; second < 100; second++) {
    policy.inline(100, 20 * MB);
    expect(policy.inline(1, 100)).toBe(false);
    loop.nowMs += 1000;
  }
  policy.inline(100, 48 * MB);
  loop.nowMs += 3999;
  expect(policy.inline(1, 100)).toBe(false);
  loop.nowMs += 2;
  expect(policy.inline(1, 100)).toBe(true);
});

test('one slow sync sends the next ones to the thread pool, twice as many each time', () => {
  policy.observe(0.1, false);
  for (const count of [16, 32, 64]) {
    loop.runAll();
    expect(policy.inline(1, 100)).toBe(true);
    policy.observe(5, true);
    for (let i = 0; i < count; i++) {
      loop.runAll();
      expect(policy.inline(1, 100)).toBe(false);
      policy.observe(0.1, false);
    }
  }
});

test('a disk that was fast for long is forgiven', () => {
  policy.observe(0.1, false);
  policy.observe(5, true);
  for (let i = 0; i < 16; i++) policy.observe(0.1, false);
  for (let i = 0; i < 256; i++) policy.observe(0.1, true);
  policy.observe(5, true);
  for (let i = 0; i < 16; i++) policy.observe(0.1, false);
  loop.runAll();
  expect(policy.inline(1, 100)).toBe(true);
});

test('in the pool a sync may wait for a processor, and says nothing; where it waits for the disk, it stays there', () => {
  policy.observe(3.9, false);
  expect(policy.inline(1, 100)).toBe(true);
  policy = new SyncPolicy(loop, true);
  for (let i = 0; i < 1000; i++) policy.observe(8, false);
  expect(policy.inline(1, 100)).toBe(false);
});

test('a turn of the event loop has a budget', () => {
  policy.observe(0.1, false);
  for (let i = 0; i < 4; i++) {
    expect(policy.inline(1, 100)).toBe(true);
    policy.observe(0.25, true);
  }
  expect(policy.inline(1, 100)).toBe(false);
  loop.runAll();
  expect(policy.inline(1, 100)).toBe(true);
});

test('can be switched off', () => {
  policy = new SyncPolicy(loop, false);
  policy.observe(0.1, false);
  expect(policy.inline(1, 100)).toBe(false);
});

test('a log on a disk that becomes slow holds the loop once, and no more', () => {
  const fs = new MemoryFileSystem({ defer: loop.defer });
  let diskMs = 0.1;
  let heldMs = 0;
  let inCall = false;
  fs.faults.onSync = () => {
    loop.nowMs += diskMs;
    if (inCall) heldMs += diskMs;
  };
  // What the log schedules runs as one call; the ends of asynchronous operations come from elsewhere.
  const scheduled: (() => void)[] = [];
  const options = { fs, dir: '/wal', clock: loop, logger: silentLogger, fillAhead: false };
  const wal = createWal({ ...options, schedule: (run) => scheduled.push(run) }, { nodeID: 1n, clusterID: 2n });
  const put = (index: number): void => {
    wal.append(undefined, [{ term: 1, index, data: new Uint8Array(10) }], true, () => {});
    inCall = true;
    for (const run of scheduled.splice(0)) run();
    inCall = false;
    loop.runAll();
  };
  for (let index = 1; index <= 100; index++) put(index);
  expect(heldMs).toBeGreaterThan(5);
  heldMs = 0;
  diskMs = 20;
  for (let index = 101; index <= 200; index++) put(index);
  expect(heldMs).toBe(20);
});
