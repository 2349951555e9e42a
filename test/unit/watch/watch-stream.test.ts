/** The rules of one Watch RPC: ids, answers, refusals, cancels, progress. */
import { describe, expect, it } from 'vitest';
import type { WatchResponse } from '../../../src/gen/rpc.ts';
import { bytes, text, World } from './world.ts';

/** What is not at its default, with the header's revision as @. */
function brief(response: WatchResponse): Record<string, unknown> {
  const { header, events, ...fields } = response;
  const set = Object.entries(fields).filter(([, value]) => value !== false && value !== 0 && value !== '');
  return {
    ...Object.fromEntries(set),
    '@': header?.revision,
    ...(events.length > 0 ? { events: events.length } : {}),
  };
}

const REFUSED = { watchId: -1n, created: true, canceled: true };

describe('WatchStream, creating', () => {
  it('allocates ids from 0 upwards, skips those in use, and does not reuse its own', () => {
    const stream = new World().open();
    const ids = [0n, 0n, 3n, 0n, 0n, 1000n].map((watchId) => stream.create({ k: 'a', watchId })[0]!.watchId);
    expect(ids).toEqual([0n, 1n, 3n, 2n, 4n, 1000n]);
    stream.cancel(4n);
    expect(stream.create({ k: 'a' })[0]!.watchId).toBe(5n);
    expect(stream.create({ k: 'a', watchId: 4n })[0]).toMatchObject({ watchId: 4n, created: true, canceled: false });
  });

  it('answers with the current revision and the header of this member', () => {
    const world = new World();
    world.put('a');
    const [created] = world.open().create({ k: 'a' });
    expect(created!.header).toEqual({ clusterId: 0xc1n, memberId: 0x8e9e05c52164694dn, revision: 2, raftTerm: 3 });
    expect(brief(created!)).toEqual({ watchId: 0n, created: true, '@': 2 });
  });

  it('sends created before any event, also from history', () => {
    const world = new World();
    world.put('a');
    const stream = world.open();
    stream.create({ k: 'a', startRevision: 1 });
    world.put('a');
    world.settle();
    expect(stream.sink.take().map(brief)).toEqual([
      { watchId: 0n, created: true, '@': 2 },
      { watchId: 0n, '@': 3, events: 2 },
    ]);
  });

  it('refuses an empty range, a negative start, an id in use; the stream lives on', () => {
    const world = new World();
    world.put('a');
    const stream = world.open();
    stream.create({ k: 'a', watchId: 7n });
    const empty = 'mvcc: watcher range is empty';
    expect(stream.create({ k: 'b', end: 'a' }).map(brief)).toEqual([{ ...REFUSED, '@': 2, cancelReason: empty }]);
    expect(stream.create({ k: 'b', end: 'b' }).map(brief)).toEqual([{ ...REFUSED, '@': 2, cancelReason: empty }]);
    const past = 'etcdserver: mvcc: required revision has been compacted';
    expect(stream.create({ k: 'a', startRevision: -1 }).map(brief)).toEqual([
      { ...REFUSED, '@': 2, cancelReason: past },
    ]);
    expect(stream.create({ k: 'b', end: 'a', startRevision: -1 })[0]).toMatchObject({ cancelReason: past });
    const used = 'mvcc: duplicate watch ID provided on the WatchStream';
    expect(stream.create({ k: 'a', watchId: 7n }).map(brief)).toEqual([{ ...REFUSED, '@': 2, cancelReason: used }]);
    world.put('a');
    expect(stream.sink.take().at(-1)).toMatchObject({ watchId: 7n, canceled: false });
    expect(stream.stream.size).toBe(1);
  });

  it('asks for permission with the range as it came', () => {
    const asked: string[] = [];
    const denied = 'rpc error: code = PermissionDenied desc = etcdserver: permission denied';
    const stream = new World().open((key, end) => {
      asked.push(`${text(key)},${text(end)}`);
      return text(key) === 'x' ? denied : undefined;
    });
    expect(stream.create({ k: 'x' }).map(brief)).toEqual([{ ...REFUSED, '@': 1, cancelReason: denied }]);
    expect(stream.create({ k: '', end: '\0' })[0]).toMatchObject({ created: true, canceled: false });
    expect(asked).toEqual(['x,', '\0,\0']);
  });

  it('refuses more watchers than the hub may have', () => {
    const stream = new World({ watchersMax: 1 }).open();
    expect(stream.create({ k: 'a' }).map(brief)).toEqual([{ watchId: 0n, created: true, '@': 1 }]);
    const reason = 'etcdserver: too many requests';
    expect(stream.create({ k: 'a' }).map(brief)).toEqual([{ ...REFUSED, '@': 1, cancelReason: reason }]);
  });

  it('created comes first, then the cancel, when the start is compacted; the compact revision itself can be read', () => {
    const world = new World();
    for (let i = 0; i < 9; i++) world.put('a');
    world.history.compact(5);
    const stream = world.open();
    expect(stream.create({ k: 'a', startRevision: 4 }).map(brief)).toEqual([
      { watchId: 0n, created: true, '@': 10 },
      { watchId: 0n, canceled: true, compactRevision: 5, '@': 0 },
    ]);
    stream.create({ k: 'a', startRevision: 5 });
    world.settle();
    expect(brief(stream.sink.take().at(-1)!)).toEqual({ watchId: 1n, '@': 10, events: 6 });
  });

  it('keeps the id of a compacted watch taken, and progress unanswered, until the client cancels it', () => {
    const world = new World();
    for (let i = 0; i < 9; i++) world.put('a');
    world.history.compact(5);
    const stream = world.open();
    stream.create({ k: 'z' });
    stream.create({ k: 'a', startRevision: 4, watchId: 6n });
    world.put('a');
    expect(stream.create({ k: 'a', watchId: 6n })[0]).toMatchObject({ watchId: -1n, canceled: true });
    expect(stream.progress()).toEqual([]);
    expect(stream.cancel(6n).map(brief)).toEqual([{ watchId: 6n, canceled: true, '@': 11 }]);
    expect(stream.cancel(6n)).toEqual([]);
    expect(stream.progress().map(brief)).toEqual([{ watchId: -1n, '@': 11 }]);
    expect(stream.create({ k: 'a', watchId: 6n })[0]).toMatchObject({ watchId: 6n, canceled: false });
  });

  it('starts in the future when asked to', () => {
    const world = new World();
    const stream = world.open();
    stream.create({ k: 'a', startRevision: 4 });
    for (let i = 0; i < 4; i++) world.put('a');
    expect(stream.sink.take().map(brief)).toEqual([
      { watchId: 0n, created: true, '@': 1 },
      { watchId: 0n, '@': 4, events: 1 },
      { watchId: 0n, '@': 5, events: 1 },
    ]);
  });

  it('does not keep the request: its buffer may be reused', () => {
    const world = new World();
    const stream = world.open();
    const key = bytes('a');
    const rangeEnd = bytes('c');
    stream.create({ key, rangeEnd });
    key.fill(255);
    rangeEnd.fill(255);
    world.put('b');
    expect(brief(stream.sink.take().at(-1)!)).toEqual({ watchId: 0n, '@': 2, events: 1 });
  });

  it('ignores a message with nothing in it', () => {
    const { stream, sink } = new World().open();
    stream.request({ createRequest: undefined, cancelRequest: undefined, progressRequest: undefined });
    expect(sink.responses).toEqual([]);
  });
});

describe('WatchStream, cancelling', () => {
  it('answers for a known id, is silent for an unknown one, and sends nothing afterwards', () => {
    const world = new World();
    const stream = world.open();
    stream.create({ k: 'a' });
    world.put('a');
    expect(stream.cancel(1n)).toEqual([]);
    expect(stream.cancel(0n).map(brief)).toEqual([{ watchId: 0n, canceled: true, '@': 2 }]);
    expect(stream.cancel(0n)).toEqual([]);
    stream.sink.take();
    world.put('a');
    expect(stream.sink.take()).toEqual([]);
  });

  it('comes after the events that were sent, and drops those that a full sink did not take', () => {
    const world = new World({ streamBacklogBytesMax: 60 });
    const stream = world.open();
    stream.create({ k: 'a' });
    for (let i = 0; i < 9; i++) world.put('a');
    const sent = stream.sink.responses.length;
    expect(sent).toBeLessThan(9);
    stream.cancel(0n);
    stream.drain();
    world.settle();
    expect(stream.sink.responses.slice(sent).map(brief)).toEqual([{ watchId: 0n, canceled: true, '@': 10 }]);
  });

  it('closing ends all watchers and sends nothing', () => {
    const world = new World();
    const stream = world.open();
    stream.create({ k: 'a' });
    stream.create({ k: '', end: '\0', startRevision: 1 });
    world.put('a');
    stream.sink.take();
    stream.stream.close();
    stream.stream.close();
    world.put('a');
    world.settle();
    stream.progress();
    expect(stream.create({ k: 'a' })).toEqual([]);
    expect(stream.sink.take()).toEqual([]);
    expect(world.hub.stats).toMatchObject({ streams: 0, watchers: 0, backlogBytes: 0, pendingEvents: 0 });
  });

  it('may be closed from within send', () => {
    const world = new World();
    const streams = Array.from({ length: 5 }, () => world.open());
    for (const stream of streams) stream.create({ k: 'a' });
    streams[2]!.sink.onSend = () => {
      for (const { stream } of streams.slice(0, 4)) stream.close();
    };
    world.put('a');
    world.put('a');
    expect(streams[4]!.sink.responses).toHaveLength(3);
    expect(world.hub.stats).toMatchObject({ streams: 1, watchers: 1 });
  });
});

describe('WatchStream, progress', () => {
  it('answers a request with id -1 only if there is a watcher and all have everything', () => {
    const world = new World();
    world.put('a');
    const stream = world.open();
    expect(stream.progress()).toEqual([]);
    stream.create({ k: 'a' });
    expect(stream.progress().map(brief)).toEqual([{ watchId: -1n, '@': 2 }]);
    stream.create({ k: 'a', startRevision: 2 });
    expect(stream.progress()).toEqual([]);
    world.settle();
    expect(stream.progress().map(brief)).toEqual([{ watchId: -1n, '@': 2 }]);
    stream.create({ k: 'a', startRevision: 4 });
    expect(stream.progress()).toEqual([]);
    world.put('a');
    expect(stream.progress()).toEqual([]);
    world.put('b');
    expect(stream.progress().map(brief)).toEqual([{ watchId: -1n, '@': 4 }]);
  });

  it('notifies quiet watchers that asked for it, not those that just had events', () => {
    const world = new World();
    const stream = world.open();
    stream.create({ k: 'a', progressNotify: true });
    stream.create({ k: 'b', progressNotify: true });
    stream.create({ k: 'c' });
    stream.create({ k: 'd', progressNotify: true, startRevision: 9 });
    world.put('a');
    stream.sink.take();
    world.hub.progressTick();
    expect(stream.sink.take().map(brief)).toEqual([{ watchId: 1n, '@': 2 }]);
    world.hub.progressTick();
    expect(stream.sink.take().map(brief)).toEqual([
      { watchId: 0n, '@': 2 },
      { watchId: 1n, '@': 2 },
    ]);
  });

  it('does not notify a watcher that is behind', () => {
    const world = new World();
    world.put('a');
    const stream = world.open();
    stream.create({ k: 'b', progressNotify: true, startRevision: 1 });
    stream.sink.take();
    world.hub.progressTick();
    expect(stream.sink.take()).toEqual([]);
    world.settle();
    world.hub.progressTick();
    expect(stream.sink.take().map(brief)).toEqual([{ watchId: 0n, '@': 2 }]);
  });
});

describe('WatchStream, fragments', () => {
  const big = (count: number): [string, string][] =>
    Array.from({ length: count }, (_, i) => [`k${i}`, 'v'.repeat(100)]);

  it('splits a large response between events for those who asked, all but the last marked', () => {
    const world = new World({ fragmentBytes: 400 });
    const stream = world.open();
    stream.create({ k: '', end: '\0', fragment: true });
    stream.create({ k: '', end: '\0' });
    stream.sink.take();
    world.write(...big(7));
    const responses = stream.sink.take();
    const whole = responses.filter(({ watchId }) => watchId === 1n);
    expect(whole.map(brief)).toEqual([{ watchId: 1n, '@': 2, events: 7 }]);
    const fragments = responses.filter(({ watchId }) => watchId === 0n);
    expect(fragments.map(brief)).toEqual([
      { watchId: 0n, '@': 2, fragment: true, events: 3 },
      { watchId: 0n, '@': 2, fragment: true, events: 3 },
      { watchId: 0n, '@': 2, events: 1 },
    ]);
    expect(fragments.flatMap(({ events }) => events)).toEqual(whole[0]!.events);
  });

  it('sends an event larger than the limit alone', () => {
    const world = new World({ fragmentBytes: 50 });
    const stream = world.open();
    stream.create({ k: '', end: '\0', fragment: true });
    stream.sink.take();
    world.write(...big(3));
    world.write(['one', 'v'.repeat(100)]);
    expect(stream.sink.take().map((response) => [response.fragment, response.events.length])).toEqual([
      [true, 1],
      [true, 1],
      [false, 1],
      [false, 1],
    ]);
  });
});
