import { expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { WriteBuffer } from '../../../src/mvcc/write-buffer.ts';
import { JobRunner } from '../../../src/server/job-runner.ts';
import { DatabaseSnapshots } from '../../../src/storage/bbolt/database-snapshots.ts';
import { DiskUse } from '../../../src/storage/disk-use.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import { ManualLoop } from '../../support/manual-loop.ts';
import { MemoryFileSystem } from '../../support/memory-file-system.ts';

test('the disk is busy while anybody uses it, and for 100 ms after the last', () => {
  let nowMs = 0;
  const diskUse = new DiskUse(() => nowMs);
  expect(diskUse.isBusy).toBe(false);
  diskUse.begin();
  diskUse.begin();
  diskUse.end();
  nowMs = 10_000;
  expect(diskUse.isBusy).toBe(true);
  diskUse.end();
  nowMs += 99;
  expect(diskUse.isBusy).toBe(true);
  nowMs += 1;
  expect(diskUse.isBusy).toBe(false);
});

test('an end without a beginning is a bug', () => {
  expect(() => new DiskUse(() => 0).end()).toThrow(/not begun/);
});

test('a snapshot uses the disk while it is written and while it is removed, not while it is read', async () => {
  const loop = new ManualLoop();
  const files = new MemoryFileSystem({ defer: loop.defer });
  files.makeDir('/snap', 0o700);
  const buffer = new WriteBuffer(new MemoryBackend());
  const random = new SeededRandom(7);
  for (let i = 0; i < 3000; i++) {
    const revision = new Uint8Array(17);
    new DataView(revision.buffer).setUint32(4, i + 2);
    buffer.put(
      'rev',
      revision,
      Uint8Array.from({ length: 300 }, () => random.below(256)),
    );
  }
  const diskUse = new DiskUse(() => loop.nowMs);
  const jobs = new JobRunner(loop, () => false);
  const meta = (): Map<string, Uint8Array> => new Map();
  const snapshots = new DatabaseSnapshots({
    files,
    dir: '/snap',
    buffer,
    jobs,
    clock: loop,
    diskUse,
    meta,
    version: () => '3.6.0',
  });

  const opening = snapshots.open();
  expect(diskUse.isBusy).toBe(true);
  loop.runAll();
  const snapshot = await opening;
  expect(snapshot.sizeBytes).toBeGreaterThan(3000 * 300);
  loop.nowMs += 1000;
  expect(diskUse.isBusy).toBe(false);

  snapshot.close();
  loop.nowMs += 1000;
  expect(diskUse.isBusy).toBe(true);
  loop.runAll();
  loop.nowMs += 1000;
  expect(diskUse.isBusy).toBe(false);
  expect(files.list('/snap')).toEqual([]);
});
