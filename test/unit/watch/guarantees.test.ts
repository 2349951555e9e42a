/** One test for each promise at the top of src/watch/watch-hub.ts. */
import { describe, expect, it } from 'vitest';
import { decodeEvent, decodeKeyValue } from '../../../src/gen/mvccpb.ts';
import type { WatchResponse } from '../../../src/gen/rpc.ts';
import { text, World } from './world.ts';

/** "key=value@mod" for a put, "-key@mod" for a delete. */
function describeEvent(encoded: Uint8Array): string {
  const { type, kv } = decodeEvent(encoded);
  const { key, value, modRevision } = decodeKeyValue(kv!);
  return type === 1 ? `-${text(key)}@${modRevision}` : `${text(key)}=${text(value)}@${modRevision}`;
}

const eventsOf = (responses: readonly WatchResponse[]): string[] =>
  responses.flatMap((response) => response.events.map(describeEvent));

const NOPUT = 0;
const NODELETE = 1;

describe('what a watcher can rely on', () => {
  it('filter: it gets the events of its range and type from its start revision on, and no others', () => {
    const world = new World();
    world.put('b', 'old');
    const watcher = world.open();
    watcher.create({ k: 'b', watchId: 1n });
    watcher.create({ k: 'b', end: 'c', watchId: 2n, filters: [NODELETE] });
    watcher.create({ k: 'b', end: '\0', watchId: 3n, filters: [NOPUT] });
    watcher.create({ k: '', end: '\0', watchId: 4n, startRevision: 5 });
    watcher.create({ k: 'b', watchId: 5n, filters: [NOPUT, NODELETE] });
    watcher.sink.take();
    world.put('a', '1');
    world.put('ba', '2');
    world.put('b', '3');
    world.del('b');
    world.put('c', '4');
    world.del('c');
    const responses = watcher.sink.take();
    const of = (id: bigint): string[] => eventsOf(responses.filter((response) => response.watchId === id));
    expect(of(1n)).toEqual(['b=3@5', '-b@6']);
    expect(of(2n)).toEqual(['ba=2@4', 'b=3@5']);
    expect(of(3n)).toEqual(['-b@6', '-c@8']);
    expect(of(4n)).toEqual(['b=3@5', '-b@6', 'c=4@7', '-c@8']);
    expect(of(5n)).toEqual([]);
  });

  it('ordered: by revision, and within one by the order of the writes, live and from history', () => {
    const world = new World();
    const live = world.open();
    live.create({ k: '', end: '\0' });
    world.write(['z', '1'], ['a', '2'], ['m', '3']);
    world.write(['b', '4'], ['z', undefined]);
    const wanted = ['z=1@2', 'a=2@2', 'm=3@2', 'b=4@3', '-z@3'];
    expect(eventsOf(live.sink.take())).toEqual(wanted);
    const late = world.open();
    late.create({ k: '', end: '\0', startRevision: 1 });
    world.settle();
    expect(eventsOf(late.sink.take())).toEqual(wanted);
  });

  it('unique: nothing comes twice when history and the present meet', () => {
    const world = new World();
    for (let i = 0; i < 50; i++) world.put('k', `${i}`);
    const watcher = world.open();
    watcher.create({ k: 'k', startRevision: 2 });
    for (let i = 50; i < 100; i++) {
      world.hub.catchUp(3);
      world.put('k', `${i}`);
    }
    world.settle(3);
    const seen = eventsOf(watcher.sink.take());
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => `k=${i}@${i + 2}`));
  });

  it('atomic: the events of one revision come in one response, live and from history', () => {
    const world = new World({ responseBytesMax: 1 });
    const live = world.open();
    live.create({ k: '', end: '\0' });
    for (let i = 0; i < 20; i++) world.write(['a', `${i}`], ['b', `${i}`], ['c', `${i}`]);
    const late = world.open();
    late.create({ k: '', end: '\0', startRevision: 2 });
    world.settle(2);
    for (const { sink } of [live, late]) {
      const responses = sink.take().filter(({ created }) => !created);
      expect(responses.map(({ events }) => events.length)).toEqual(Array.from({ length: 20 }, () => 3));
    }
  });

  it('resumable: from the revision after any response seen, a new watch continues without a gap', () => {
    const world = new World({ responseBytesMax: 60 });
    for (let i = 0; i < 30; i++) world.write(['a', `${i}`], ['b', `${i}`]);
    const first = world.open();
    first.create({ k: '', end: '\0', startRevision: 2 });
    world.settle(7);
    const responses = first.sink.take().filter(({ events }) => events.length > 0);
    expect(responses.length).toBeGreaterThan(10);
    for (const [i, response] of responses.entries()) {
      const resumed = world.open();
      resumed.create({ k: '', end: '\0', startRevision: response.header!.revision + 1 });
      world.settle();
      const all = [...responses.slice(0, i + 1), ...resumed.sink.take()];
      expect(eventsOf(all)).toEqual(eventsOf(responses));
      resumed.stream.close();
    }
  });

  it('reliable: a client that does not read for a while misses nothing afterwards', () => {
    const world = new World({ streamBacklogBytesMax: 500 });
    const watcher = world.open();
    watcher.create({ k: 'k' });
    const seen: string[] = [];
    for (let i = 0; i < 300; i++) {
      world.put('k', `${i}`);
      world.hub.catchUp(10);
      if (i % 40 === 39) {
        seen.push(...eventsOf(watcher.sink.take()));
        watcher.drain();
      }
      expect(watcher.sink.backlogBytes).toBeLessThan(1000);
    }
    for (; seen.length < 300; world.settle()) {
      seen.push(...eventsOf(watcher.sink.take()));
      watcher.drain();
    }
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => `k=${i}@${i + 2}`));
  });

  it('reliable: a watcher overtaken by a compaction is told so and gets nothing more', () => {
    const world = new World({ streamBacklogBytesMax: 100 });
    const watcher = world.open();
    watcher.create({ k: 'k' });
    for (let i = 0; i < 50; i++) world.put('k', `${i}`);
    const seen = eventsOf(watcher.sink.take()).length;
    expect(seen).toBeLessThan(50);
    world.history.compact(40);
    watcher.drain();
    world.settle();
    world.put('k', 'after');
    const [last, ...more] = watcher.sink.take();
    expect(last).toMatchObject({ watchId: 0n, canceled: true, created: false, compactRevision: 40, cancelReason: '' });
    expect(last!.header!.revision).toBe(0);
    expect(more).toEqual([]);
  });

  it('bookmarkable: a progress notice comes after every event up to its revision, or not at all', () => {
    const world = new World({ streamBacklogBytesMax: 300 });
    for (let i = 0; i < 50; i++) world.put('k', `${i}`);
    const watcher = world.open();
    watcher.create({ k: 'k', startRevision: 2, progressNotify: true });
    const bookmarks: number[] = [];
    /** Every revision writes k: at a bookmark, all up to it must have been seen. */
    const seen: number[] = [];
    let last = 1;
    for (let step = 0; step < 200; step++) {
      if (step % 3 === 0) world.put('k', 'more');
      world.hub.catchUp(2);
      if (step % 2 === 0) watcher.drain();
      watcher.progress();
      world.hub.progressTick();
      for (const { events, header, created } of watcher.sink.take()) {
        if (created) continue;
        if (events.length === 0) {
          bookmarks.push(header!.revision);
          seen.push(last);
        }
        for (const event of events) last = decodeKeyValue(decodeEvent(event).kv!).modRevision;
      }
    }
    expect(bookmarks).toEqual(seen);
    expect(bookmarks.length).toBeGreaterThan(20);
  });

  it('prev_kv exact: the value just before, none for a create, none when it is compacted', () => {
    const world = new World();
    const live = world.open();
    live.create({ k: 'k', prevKv: true });
    world.put('k', 'one');
    world.put('k', 'two');
    world.del('k');
    world.put('k', 'three');
    world.put('k', 'four');
    const late = world.open();
    late.create({ k: 'k', prevKv: true, startRevision: 2 });
    world.settle();
    const prevs = (responses: readonly WatchResponse[]): (string | undefined)[] =>
      responses
        .flatMap(({ events }) => events)
        .map((event) => {
          const { prevKv } = decodeEvent(event);
          if (prevKv === undefined) return undefined;
          const { value, modRevision } = decodeKeyValue(prevKv);
          return `${text(value)}@${modRevision}`;
        });
    const wanted = [undefined, 'one@2', 'two@3', undefined, 'three@5'];
    expect(prevs(live.sink.take())).toEqual(wanted);
    expect(prevs(late.sink.take())).toEqual(wanted);
    world.history.compact(3);
    const compacted = world.open();
    compacted.create({ k: 'k', prevKv: true, startRevision: 3 });
    world.settle();
    expect(prevs(compacted.sink.take())).toEqual([undefined, 'two@3', undefined, 'three@5']);
  });

  it('prev_kv is not even looked up when nobody who gets the event wants it', () => {
    const world = new World();
    const watcher = world.open();
    watcher.create({ k: 'k' });
    watcher.create({ k: 'k', prevKv: true, filters: [NOPUT] });
    world.put('k', 'one');
    world.put('k', 'two');
    expect(world.history.kvReads).toBe(0);
    world.del('k');
    expect(world.history.kvReads).toBe(1);
  });

  it('create and modify exact: create_revision, mod_revision and version are those of the event', () => {
    const world = new World();
    const watcher = world.open();
    watcher.create({ k: 'k' });
    world.put('other');
    world.put('k');
    world.put('k');
    world.del('k');
    world.put('k');
    const late = world.open();
    late.create({ k: 'k', startRevision: 2 });
    world.settle();
    const versions = (responses: readonly WatchResponse[]): number[][] =>
      responses
        .flatMap(({ events }) => events)
        .map((event) => {
          const { createRevision, modRevision, version } = decodeKeyValue(decodeEvent(event).kv!);
          return [createRevision, modRevision, version];
        });
    const wanted = [
      [3, 3, 1],
      [3, 4, 2],
      [0, 5, 0],
      [6, 6, 1],
    ];
    expect(versions(watcher.sink.take())).toEqual(wanted);
    expect(versions(late.sink.take())).toEqual(wanted);
  });
});
