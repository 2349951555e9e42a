/** A slow disk shows in the metrics that etcd's alerts on it look at. */
import { expect, test } from 'vitest';
import { createEtcdMetrics } from '../../../../src/observability/etcd-metrics.ts';
import { MetricRegistry } from '../../../../src/observability/metric-registry.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import { createWal } from '../../../../src/storage/wal/open.ts';
import { parseExposition, sampleKey, samplesOf } from '../../../support/exposition.ts';
import { ManualLoop } from '../../../support/manual-loop.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';

test('a sync of 700 ms is in the bucket that the alert for 0.5 s looks for', () => {
  const loop = new ManualLoop();
  const fs = new MemoryFileSystem({ defer: loop.defer });
  fs.makeDir('/wal', 0o700);
  const registry = new MetricRegistry();
  const { disk } = createEtcdMetrics(registry);
  const metrics = {
    fsyncSeconds: disk.walFsyncDuration,
    writeSeconds: disk.walWriteDuration,
    writtenBytes: { inc: (by?: number) => disk.walWriteBytes.add(by ?? 1) },
  };
  const options = { fs, dir: '/wal', clock: loop, logger: silentLogger, metrics, inlineSync: false, fillAhead: false };
  const wal = createWal({ ...options, schedule: loop.defer, segmentBytes: 64_000 }, { nodeID: 1n, clusterID: 2n });
  loop.runAll();
  const bucket = (le: string): number => {
    const samples = samplesOf(parseExposition(registry.expose()));
    return samples.get(sampleKey('etcd_disk_wal_fsync_duration_seconds_bucket', { le })) ?? Number.NaN;
  };
  const before = { below: bucket('0.512'), all: bucket('+Inf') };
  let isDone = false;
  wal.append(undefined, [{ term: 1, index: 1, data: new Uint8Array(100) }], true, () => {
    isDone = true;
  });
  // The group is written in the next turn; its sync is over in a later one.
  loop.run();
  loop.nowMs += 700;
  loop.runAll();
  expect(isDone).toBe(true);
  expect([bucket('0.512') - before.below, bucket('1.024') - before.all, bucket('+Inf') - before.all]).toEqual([
    0, 1, 1,
  ]);
  expect(disk.walFsyncDuration.sum).toBeCloseTo(0.7);
  expect(disk.walWriteDuration.sum).toBeCloseTo(0.7);
  expect(disk.walWriteBytes.read()).toBeGreaterThan(100);
});
