import { describe, expect, it } from 'vitest';
import { WriteBuffer } from '../../../src/mvcc/write-buffer.ts';
import { createEtcdMetrics } from '../../../src/observability/etcd-metrics.ts';
import { MetricRegistry } from '../../../src/observability/metric-registry.ts';
import { Flusher } from '../../../src/server/flusher.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const key = (text: string): Uint8Array => new TextEncoder().encode(text);

function setUp() {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ later: (run) => clock.after(5, run) });
  const buffer = new WriteBuffer(backend);
  const flushed: number[] = [];
  const errors: Error[] = [];
  let applied = 0;
  const disk = { hasRoom: true };
  const flusher = new Flusher(
    { intervalMs: 100, flushBytes: 10_000, pendingBytesMax: 20_000 },
    {
      backend,
      buffer,
      clock,
      stamp: () => {
        buffer.put('meta', key('applied'), key(String(applied)));
        return { appliedIndex: applied };
      },
      onFlushed: (index) => flushed.push(index),
      onError: (error) => errors.push(error),
      metrics: createEtcdMetrics(new MetricRegistry()).disk,
      hasRoom: () => disk.hasRoom,
    },
  );
  const apply = (bytes = 10): void => {
    applied++;
    buffer.put('cur', key(`k${applied}`), new Uint8Array(bytes));
    flusher.noteApplied();
  };
  const stored = (): number => {
    const view = backend.view();
    const row = view.get('meta', key('applied'));
    view.close();
    return row === undefined ? 0 : Number(new TextDecoder().decode(row));
  };
  return { clock, backend, flusher, disk, flushed, errors, apply, stored };
}

describe('Flusher', () => {
  it('writes about every interval, the applied index with the changes', () => {
    const { clock, flushed, apply, stored } = setUp();
    apply();
    apply();
    clock.advance(99);
    expect([flushed, stored()]).toEqual([[], 0]);
    clock.advance(10);
    expect([flushed, stored()]).toEqual([[2], 2]);
    clock.advance(1000);
    expect(flushed).toEqual([2]);
  });

  it('writes at once when much has gathered, and then what came meanwhile', () => {
    const { clock, flushed, apply } = setUp();
    apply(10_000);
    apply(10_000);
    clock.advance(20);
    expect(flushed).toEqual([1, 2]);
  });

  it('waits while a commit would not fit on the disk, and keeps what has to be flushed', () => {
    const { clock, flusher, disk, flushed, errors, apply, stored } = setUp();
    disk.hasRoom = false;
    apply();
    let done = 0;
    flusher.flush(() => done++);
    apply(20_000);
    clock.advance(10_000);
    expect([flushed, done, errors, flusher.isFull]).toEqual([[], 0, [], true]);
    disk.hasRoom = true;
    clock.advance(600);
    expect([flushed.at(-1), done, stored(), flusher.isFull]).toEqual([2, 1, 2, false]);
  });

  it('says when it is full, and that it has room again', () => {
    const { clock, flusher, apply } = setUp();
    flusher.hold(() => {});
    apply(25_000);
    expect(flusher.isFull).toBe(true);
    flusher.release();
    clock.advance(200);
    expect(flusher.isFull).toBe(false);
  });

  it('flush() waits for everything applied before it, also during another flush', () => {
    const { clock, flusher, apply, stored } = setUp();
    apply(10_000);
    apply();
    let seen = -1;
    flusher.flush(() => {
      seen = stored();
    });
    clock.advance(20);
    expect(seen).toBe(2);
  });

  it('holds commits back for a defragmentation, which waits for the one under way', () => {
    const { clock, flusher, flushed, apply } = setUp();
    apply(10_000);
    let held = false;
    flusher.hold(() => {
      held = true;
    });
    expect(held).toBe(false);
    clock.advance(10);
    expect([held, flushed]).toEqual([true, [1]]);
    apply(10_000);
    clock.advance(1000);
    expect(flushed).toEqual([1]);
    flusher.release();
    clock.advance(200);
    expect(flushed).toEqual([1, 2]);
  });

  it('reports a failed commit, and commits nothing afterwards', () => {
    const { clock, backend, flushed, errors, apply } = setUp();
    backend.failNextCommit(new Error('disk on fire'));
    apply();
    clock.advance(200);
    apply();
    clock.advance(1000);
    expect(errors.map(({ message }) => message)).toEqual(['disk on fire']);
    expect(flushed).toEqual([]);
  });
});
