/** Backpressure: what a client that does not read costs, and that it costs nobody else. */
import { describe, expect, it } from 'vitest';
import { decodeEvent, decodeKeyValue } from '../../../src/gen/mvccpb.ts';
import { World, type TestStream } from './world.ts';

const revisionsOf = ({ sink }: TestStream): number[] =>
  sink.take().flatMap(({ events }) => events.map((event) => decodeKeyValue(decodeEvent(event).kv!).modRevision));

describe('slow clients', () => {
  it('10,000 stalled watchers hold one response each, take no part in notifying, and lose nothing', () => {
    const world = new World({ streamBacklogBytesMax: 50 });
    const slow = Array.from({ length: 10_000 }, () => world.open());
    for (const stream of slow) stream.create({ k: 'k', end: 'l' });
    const quick = world.open();
    quick.create({ k: 'k' });
    for (let i = 0; i < 200; i++) {
      world.put('k', 'v'.repeat(20));
      quick.sink.backlogBytes = 0;
      quick.stream.drained();
    }
    expect(revisionsOf(quick)).toHaveLength(200);
    const { slowWatchers, backlogBytes, eventsSent } = world.hub.stats;
    expect(slowWatchers).toBe(10_000);
    expect(backlogBytes).toBeLessThan(10_000 * 120);
    expect(eventsSent).toBeLessThan(200 + 10_000 * 2);
    world.history.reads = 0;
    const counts = slow.map(() => 0);
    const drainAll = (): void => {
      for (const [i, stream] of slow.entries()) {
        counts[i]! += revisionsOf(stream).length;
        stream.drain();
      }
    };
    drainAll();
    world.settle();
    drainAll();
    expect(new Set(counts)).toEqual(new Set([200]));
    /** All of them were brought up together. */
    expect(world.history.reads).toBeLessThan(50);
  });

  it('stalls only the watchers that have something to get', () => {
    const world = new World({ streamBacklogBytesMax: 100 });
    const stream = world.open();
    stream.create({ k: 'busy' });
    stream.create({ k: 'idle' });
    for (let i = 0; i < 20; i++) world.put('busy');
    expect(stream.stream.full).toBe(true);
    expect(world.hub.stats.slowWatchers).toBe(1);
    expect(stream.progress()).toEqual([]);
    stream.drain();
    expect(stream.stream.full).toBe(false);
    expect(world.wakes).toBe(1);
    world.settle();
    expect(world.hub.stats.slowWatchers).toBe(0);
    expect(revisionsOf(stream)).toEqual(Array.from({ length: 20 }, (_, i) => i + 2));
  });

  it('lowers the limit of every stream when all together hold too much', () => {
    const world = new World({ streamBacklogBytesMax: 1 << 20, hubBacklogBytesMax: 5000, streamBacklogBytesMin: 200 });
    const streams = Array.from({ length: 20 }, () => world.open());
    for (const stream of streams) stream.create({ k: 'k' });
    for (let i = 0; i < 100; i++) world.put('k', 'v'.repeat(50));
    expect(world.hub.stats.backlogBytes).toBeLessThan(5000 + 20 * 400);
    for (let round = 0; world.hub.stats.slowWatchers > 0; round++) {
      if (round > 1000) throw new Error('never caught up');
      for (const stream of streams) stream.drain();
      world.settle();
    }
    for (const stream of streams) expect(revisionsOf(stream)).toEqual(Array.from({ length: 100 }, (_, i) => i + 2));
  });

  it('a drain reported from within send is as good as one reported later', () => {
    const world = new World({ streamBacklogBytesMax: 10 });
    const stream = world.open();
    stream.create({ k: 'k' });
    stream.sink.onSend = () => {
      stream.sink.backlogBytes = 0;
      stream.stream.drained();
    };
    for (let i = 0; i < 50; i++) {
      world.put('k');
      stream.stream.drained();
      stream.drain();
      world.settle();
    }
    expect(revisionsOf(stream)).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
  });

  it('wakes the server when there is catching up to do, once', () => {
    const world = new World();
    for (let i = 0; i < 5; i++) world.put('k');
    const stream = world.open();
    expect(world.hub.behind).toBe(false);
    stream.create({ k: 'k', startRevision: 2 });
    stream.create({ k: 'k', startRevision: 3 });
    expect(world.wakes).toBe(1);
    expect(world.hub.behind).toBe(true);
    world.settle();
    expect(world.hub.behind).toBe(false);
    stream.create({ k: 'k', startRevision: 3 });
    expect(world.wakes).toBe(2);
  });

  it('brings the foremost up without waiting for the hindmost, and the hindmost too', () => {
    const world = new World();
    for (let i = 0; i < 20_000; i++) world.put(`k${i % 7}`);
    const far = world.open();
    far.create({ k: 'k', end: 'l', startRevision: 1 });
    const near = world.open();
    near.create({ k: 'k', end: 'l', startRevision: 19_900 });
    for (let slice = 0; slice < 4; slice++) world.hub.catchUp(1000);
    expect(near.progress()).toHaveLength(1);
    expect(far.progress()).toHaveLength(0);
    world.settle();
    expect(far.progress()).toHaveLength(1);
    expect(revisionsOf(far)).toHaveLength(20_000);
    expect(revisionsOf(near)).toHaveLength(102);
  });

  it('does not exceed its share of work by much', () => {
    const world = new World();
    for (let i = 0; i < 500; i++) world.put('k', 'v'.repeat(10_000));
    /** Ids beyond the shared ones: each response is written for its watcher alone. */
    const stream = world.open();
    for (let id = 200n; id < 300n; id++) stream.create({ k: 'k', startRevision: 2, watchId: id });
    const before = stream.sink.responses.length;
    world.hub.catchUp(1000);
    /** 1000 units are 1 MB or so: one or two of the responses. */
    const sent = stream.sink.responses.slice(before).reduce((sum, { events }) => sum + events.length, 0);
    expect(sent).toBeLessThan(1000);
  });

  it('a snapshot from a leader is read from history, or cancels who it overtakes', () => {
    const world = new World();
    const stream = world.open();
    stream.create({ k: 'k' });
    stream.create({ k: 'k', startRevision: 9 });
    for (let i = 0; i < 5; i++) world.history.apply([['k', `${i}`]]);
    world.hub.restored();
    world.put('k');
    world.settle();
    expect(revisionsOf(stream)).toEqual([2, 3, 4, 5, 6, 7]);
    for (let i = 0; i < 5; i++) world.history.apply([['k', `${i}`]]);
    world.history.compact(10);
    world.hub.restored();
    world.settle();
    const last = stream.sink.take();
    const cancelled = last.filter(({ canceled, compactRevision }) => canceled && compactRevision === 10);
    expect(new Set(cancelled.map(({ watchId }) => watchId))).toEqual(new Set([0n, 1n]));
  });
});
