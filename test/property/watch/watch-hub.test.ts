/**
 * The hub against a model that looks at one list of all events for every single response: random writes, watches from
 * random revisions, cancels, progress requests and ticks, slow sinks, compactions, slices of catching up, snapshots.
 * Every response is judged when it is sent; at the end everybody catches up, and nothing may be missing.
 */
import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { decodeEvent } from '../../../src/gen/mvccpb.ts';
import type { WatchCreateRequest, WatchResponse } from '../../../src/gen/rpc.ts';
import type { WatchHubOptions } from '../../../src/watch/watch-hub.ts';
import { bytes, inRange, World, type TestStream, type Write } from '../../unit/watch/world.ts';

const SEEDS = 2000;
const STEPS = 120;

const OPTIONS: Partial<WatchHubOptions> = {
  fragmentBytes: 160,
  responseBytesMax: 150,
  streamBacklogBytesMax: 400,
  hubBacklogBytesMax: 1500,
  streamBacklogBytesMin: 100,
  watchersMax: 12,
};

const KEYS = ['a', 'b', 'ba', 'bb', 'c', '\xff'.slice(0, 1), 'b\0', 'd'];
const RANGES: readonly (readonly [string, string])[] = [
  ['a', ''],
  ['b', ''],
  ['b', 'c'],
  ['b', 'c'],
  ['a', 'd'],
  ['ba', 'bb'],
  ['\0', '\0'],
  ['b', '\0'],
  ['', ''],
  ['', '\0'],
  ['c', 'b'],
  ['b', 'b'],
];

interface ModelWatcher {
  readonly request: WatchCreateRequest;
  readonly key: Uint8Array;
  /** The first revision it is to get. */
  readonly firstRev: number;
  /** The next event to look at, as an index into history.events. */
  at: number;
  /** Whether it ever depended on history. */
  mayLag: boolean;
  eventsSinceTick: boolean;
  /** A compaction has overtaken it. */
  compacted: boolean;
}

interface ModelStream extends TestStream {
  readonly watchers: Map<bigint, ModelWatcher>;
  nextId: bigint;
  /** The watcher whose fragments are under way. */
  fragments: bigint | undefined;
  /** Control responses seen and not yet accounted for. */
  controls: WatchResponse[];
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? `${part}n` : part instanceof Uint8Array ? [...part].join(' ') : part,
  );

class Run {
  readonly random: SeededRandom;
  readonly world = new World(OPTIONS);
  streams: ModelStream[] = [];
  events = 0;
  stalls = 0;
  compacted = 0;
  fragments = 0;
  progress = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  get currentRev(): number {
    return this.world.history.currentRev;
  }

  below(bound: number): number {
    return this.random.below(bound);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  step(): void {
    const kind = this.below(100);
    const stream = this.streams.length === 0 ? undefined : this.pick(this.streams);
    if (kind < 40) this.write();
    else if (kind < 44 || stream === undefined) this.open();
    else if (kind < 60) this.create(stream);
    else if (kind < 66) this.cancel(stream);
    else if (kind < 72) this.requestProgress(stream, false);
    else if (kind < 80) this.drain(stream);
    else if (kind < 83) this.compact();
    else if (kind < 95) this.world.hub.catchUp(1 + this.below(12));
    else if (kind < 97) this.tick();
    else if (kind < 98) this.close(stream);
    else this.restore();
    for (const one of this.streams) {
      if (one.stream.full) {
        this.stalls++;
        for (const watcher of one.watchers.values()) watcher.mayLag = true;
      }
      const [left] = one.controls;
      check(left === undefined, `unexpected ${show(left)}`);
    }
  }

  randomWrites(): Write[] {
    const writes = new Map<string, string | undefined>();
    for (let count = 1 + (this.below(4) === 0 ? this.below(5) : 0); count > 0; count--) {
      writes.set(this.pick(KEYS), this.below(4) === 0 ? undefined : 'v'.repeat(this.below(40)));
    }
    return [...writes];
  }

  write(): void {
    this.world.write(...this.randomWrites());
  }

  restore(): void {
    for (let count = this.below(4); count > 0; count--) this.world.history.apply(this.randomWrites());
    if (this.below(3) === 0) this.compact();
    for (const { watchers } of this.streams) for (const watcher of watchers.values()) watcher.mayLag = true;
    this.world.hub.restored();
  }

  compact(): void {
    const { history } = this.world;
    const rev = history.currentRev - this.below(6);
    if (rev > history.compactRev && rev > 0) history.compact(rev);
  }

  open(): void {
    if (this.streams.length >= 6) return;
    const test = this.world.open((key) => (key[0] === 99 && this.denied ? 'denied' : undefined));
    const stream = { ...test, watchers: new Map(), nextId: 0n, fragments: undefined, controls: [] };
    this.streams.push(stream);
    test.sink.onSend = (response) => this.judge(stream, response);
  }

  denied = false;

  create(stream: ModelStream): void {
    const [key, rangeEnd] = this.pick(RANGES);
    const request: WatchCreateRequest = {
      key: bytes(key),
      rangeEnd: bytes(rangeEnd),
      startRevision: this.below(3) === 0 ? 0 : this.currentRev + 3 - this.below(this.below(3) === 0 ? 40 : 10),
      progressNotify: this.below(2) === 0,
      filters: [0, 1].filter(() => this.below(5) === 0),
      prevKv: this.below(2) === 0,
      watchId: this.below(3) === 0 ? BigInt(this.below(30)) : 0n,
      fragment: this.below(3) === 0,
    };
    this.denied = this.below(2) === 0;
    const { currentRev } = this;
    const { compactRev } = this.world.history;
    const refusal = this.refusal(stream, request);
    const total = this.streams.reduce((sum, { watchers }) => sum + watchers.size, 0);
    const wanted: string[] = [];
    if (refusal !== undefined || total >= 12) {
      wanted.push(`-1 created canceled @${currentRev} ${refusal ?? 'etcdserver: too many requests'}`);
    } else {
      let id = request.watchId;
      if (id === 0n) {
        while (stream.watchers.has(stream.nextId)) stream.nextId++;
        id = stream.nextId++;
      }
      wanted.push(`${id} created @${currentRev} `);
      const fromNow = request.startRevision === 0 || request.startRevision > currentRev;
      const firstRev = fromNow ? Math.max(request.startRevision, currentRev + 1) : request.startRevision;
      const compacted = firstRev < compactRev;
      if (compacted) wanted.push(`${id} canceled @0 compact=${compactRev} `);
      const at = this.world.history.events.findIndex((event) => event.main >= firstRev);
      stream.watchers.set(id, {
        request,
        key: key === '' ? bytes('\0') : request.key,
        firstRev,
        at: at < 0 ? this.world.history.events.length : at,
        mayLag: !fromNow || stream.stream.full,
        eventsSinceTick: false,
        compacted,
      });
    }
    stream.stream.request({ createRequest: request, cancelRequest: undefined, progressRequest: undefined });
    this.expectControls(stream, wanted);
  }

  refusal(stream: ModelStream, { key, rangeEnd, startRevision, watchId }: WatchCreateRequest): string | undefined {
    if (this.denied && key[0] === 99) return 'denied';
    if (startRevision < 0) return 'etcdserver: mvcc: required revision has been compacted';
    const from = key.length === 0 ? bytes('\0') : key;
    const open = rangeEnd.length === 0 || (rangeEnd.length === 1 && rangeEnd[0] === 0);
    if (!open && !inRange(from, from, rangeEnd)) return 'mvcc: watcher range is empty';
    const used = watchId !== 0n && stream.watchers.has(watchId);
    return used ? 'mvcc: duplicate watch ID provided on the WatchStream' : undefined;
  }

  cancel(stream: ModelStream): void {
    const id = this.below(2) === 0 ? BigInt(this.below(30)) : this.pick([...stream.watchers.keys(), 0n]);
    const wanted = stream.watchers.has(id) ? [`${id} canceled @${this.currentRev} `] : [];
    stream.watchers.delete(id);
    stream.cancel(id);
    this.expectControls(stream, wanted);
  }

  requestProgress(stream: ModelStream, must: boolean): void {
    const known = [...stream.watchers.values()];
    const may =
      known.length > 0 &&
      known.every((watcher) => this.currentRev >= watcher.request.startRevision && this.level(watcher));
    stream.progress();
    if (stream.controls.length === 0) {
      check(!(must && may), 'a progress request was not answered');
      return;
    }
    check(may, 'a progress request was answered early');
    this.progress++;
    this.expectControls(stream, [`-1 @${this.currentRev} `]);
  }

  drain(stream: ModelStream): void {
    const { sink } = stream;
    sink.backlogBytes = this.below(2) === 0 ? 0 : Math.floor(sink.backlogBytes / 3);
    if (sink.backlogBytes === 0 || this.below(2) === 0) stream.stream.drained();
    sink.take();
  }

  tick(): void {
    const wanted = this.streams.map((stream) => {
      const due: string[] = [];
      for (const [id, watcher] of stream.watchers) {
        if (!watcher.request.progressNotify) continue;
        const may = !watcher.eventsSinceTick && this.currentRev >= watcher.request.startRevision;
        if (may && this.level(watcher)) due.push(`${id} @${this.currentRev} `);
      }
      return due;
    });
    const wasFull = this.streams.map(({ stream }) => stream.full);
    this.world.hub.progressTick();
    for (const [i, stream] of this.streams.entries()) {
      for (const watcher of stream.watchers.values()) {
        if (!wasFull[i] || !stream.stream.full) watcher.eventsSinceTick = false;
      }
      /** Who never lagged must get what is due; the others may be between being served and being level. */
      const seen = stream.controls.map(describeResponse);
      const due = wanted[i]!;
      check(
        seen.every((one) => due.includes(one)),
        `progress ${show(seen)} of ${show(due)}`,
      );
      const lagging = [...stream.watchers.values()].some((watcher) => watcher.mayLag) || wasFull[i];
      check(lagging || seen.length === due.length, `progress ${show(seen)} of ${show(due)}`);
      stream.controls = [];
    }
  }

  close(stream: ModelStream): void {
    stream.stream.close();
    this.streams = this.streams.filter((one) => one !== stream);
    stream.sink.onSend = () => {
      throw new Error('sent to a closed stream');
    };
  }

  /** The next event that the watcher is to get, if there is one yet; moves `at` to it. */
  next(watcher: ModelWatcher): (typeof events)[number] | undefined {
    const { events } = this.world.history;
    const { filters, rangeEnd } = watcher.request;
    for (; watcher.at < events.length; watcher.at++) {
      const event = events[watcher.at]!;
      if (event.main < watcher.firstRev || filters.includes(event.type)) continue;
      if (inRange(event.key, watcher.key, rangeEnd)) return event;
    }
    return undefined;
  }

  /** Whether it has everything up to now. */
  level(watcher: ModelWatcher): boolean {
    return !watcher.compacted && this.next(watcher) === undefined;
  }

  judge(stream: ModelStream, response: WatchResponse): void {
    if (response.events.length > 0) {
      this.judgeEvents(stream, response);
      return;
    }
    check(stream.fragments === undefined, 'a response came between fragments');
    const watcher = stream.watchers.get(response.watchId);
    if (response.compactRevision !== 0 && watcher !== undefined && !watcher.compacted) {
      check(
        describeResponse(response) === `${response.watchId} canceled @0 compact=${this.world.history.compactRev} `,
        'compacted',
      );
      check(watcher.mayLag, 'a watcher that never lagged was cancelled');
      check(watcher.firstRev < response.compactRevision, 'a watcher was cancelled that could still be served');
      watcher.compacted = true;
      this.compacted++;
      return;
    }
    stream.controls.push(response);
  }

  judgeEvents(stream: ModelStream, response: WatchResponse): void {
    const watcher = stream.watchers.get(response.watchId);
    check(watcher?.compacted === false, `events for watcher ${response.watchId}, which is not there`);
    const { created, canceled, compactRevision, cancelReason, fragment, header } = response;
    check(!created && !canceled && compactRevision === 0 && cancelReason === '', 'more than events');
    check(stream.fragments === undefined || stream.fragments === response.watchId, 'a response came between fragments');
    check(stream.fragments !== undefined || stream.sink.backlogBytes <= 400, 'sent to a full sink');
    stream.fragments = fragment ? response.watchId : undefined;
    if (fragment) this.fragments++;
    check(!fragment || watcher.request.fragment, 'a fragment that was not asked for');
    let last = 0;
    for (const encoded of response.events) {
      const wanted = this.next(watcher);
      const event = decodeEvent(encoded);
      check(wanted !== undefined, 'an event too many');
      check(wanted.main >= this.world.history.compactRev, 'an event from below the compaction');
      check(event.type === wanted.type && equalBytes(event.kv!, wanted.kv), `not the next event, ${show(wanted)}`);
      this.judgePrev(watcher, wanted, event.prevKv);
      watcher.at++;
      last = wanted.main;
      this.events++;
    }
    const next = this.next(watcher)?.main ?? Infinity;
    check(header!.revision >= last && header!.revision <= this.currentRev, `header ${header!.revision} after ${last}`);
    check(fragment || next > last, 'a revision was torn');
    check(fragment || next > header!.revision, `header ${header!.revision} is beyond ${next}, which is not sent yet`);
    watcher.eventsSinceTick = true;
  }

  judgePrev(
    watcher: ModelWatcher,
    event: { main: number; prevMain: number; prevSub: number },
    prev: Uint8Array | undefined,
  ): void {
    const exists = watcher.request.prevKv && event.prevMain !== -1;
    if (!exists) check(prev === undefined, 'a prev_kv too many');
    else if (prev === undefined) check(event.main - 1 < this.world.history.compactRev, 'prev_kv is missing');
    else {
      const old = this.world.history.events.find(({ main, sub }) => main === event.prevMain && sub === event.prevSub)!;
      check(equalBytes(prev, old.kv), 'prev_kv is wrong');
    }
  }

  expectControls(stream: ModelStream, wanted: readonly string[]): void {
    const seen = stream.controls.map(describeResponse);
    check(show(seen) === show(wanted), `got ${show(seen)}, not ${show(wanted)}`);
    stream.controls = [];
  }

  finish(): void {
    for (let round = 0; ; round++) {
      for (const one of this.streams) one.drain();
      this.world.settle(1 + this.below(20));
      if (this.streams.every(({ stream }) => stream.stalled.size === 0)) break;
      check(round < 10_000, 'stalled watchers never catch up');
    }
    for (const stream of this.streams) {
      for (const [id, watcher] of stream.watchers) {
        check(watcher.compacted || this.level(watcher), `watcher ${id} misses events`);
      }
      stream.drain();
      this.requestProgress(stream, true);
      stream.drain();
    }
    const { stats } = this.world.hub;
    check(stats.slowWatchers === 0, 'slow watchers after catching up');
    check(stats.watchers === this.streams.reduce((sum, { watchers }) => sum + watchers.size, 0), 'count of watchers');
    check(stats.streams === this.streams.length, 'count of streams');
    check(stats.backlogBytes === this.streams.reduce((sum, { sink }) => sum + sink.backlogBytes, 0), 'backlog');
    for (const stream of this.streams) this.close(stream);
    const { watchers, streams, backlogBytes, pendingEvents } = this.world.hub.stats;
    check(watchers + streams + backlogBytes + pendingEvents === 0, 'something is left after closing');
  }
}

function describeResponse(response: WatchResponse): string {
  const { watchId, created, canceled, header, compactRevision, cancelReason } = response;
  const flags = `${created ? ' created' : ''}${canceled ? ' canceled' : ''}`;
  const compact = compactRevision === 0 ? '' : `compact=${compactRevision} `;
  return `${watchId}${flags} @${header!.revision} ${compact}${cancelReason}`;
}

describe('WatchHub', () => {
  it(`keeps every promise through ${SEEDS} random runs`, { timeout: 120_000 }, () => {
    const seen = { events: 0, stalls: 0, compacted: 0, fragments: 0, progress: 0 };
    for (let seed = 0; seed < SEEDS; seed++) {
      const run = new Run(seed);
      for (let step = 0; step <= STEPS; step++) {
        try {
          if (step < STEPS) run.step();
          else run.finish();
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}`, { cause: error });
        }
      }
      for (const name of ['events', 'stalls', 'compacted', 'fragments', 'progress'] as const) seen[name] += run[name];
    }
    /** The runs must have been through what they are for. */
    expect(seen.events).toBeGreaterThan(SEEDS * 30);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(SEEDS / 2);
  });
});
