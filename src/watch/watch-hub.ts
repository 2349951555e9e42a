/**
 * Watches: every applied change goes to whoever watches its key.
 *
 * What a watcher can rely on (test/unit/watch/guarantees.test.ts has a test for each):
 *
 * - **Filter**: it gets the events of its range that pass its filters, from its start revision on, and no others.
 * - **Ordered**: events come in order of (main, sub).
 * - **Unique**: no event comes twice.
 * - **Atomic**: the events of one revision come in one response (or in the fragments of one).
 * - **Resumable**: a new watch that starts one after the last revision seen (of an event, or of any response's header)
 *   continues without a gap.
 * - **Reliable**: no event between the first and the last seen is missing. A watcher that can not be served in full any
 *   more, because of a compaction, is cancelled and told so.
 * - **Bookmarkable**: a progress notice at revision R comes after every event up to R.
 * - **prev_kv exact**: what an event carries is the value just before it, whenever that revision is still readable.
 * - **Create and modify exact**: an event's create_revision, mod_revision and version are those of its own revision.
 *
 * How: a **synced** watcher has everything up to `currentRev` in its stream's sink and gets new events as they are applied.
 * Any other has a position, `nextRev`, and is served from history until it is level. The step between the two loses and
 * doubles nothing because both happen between two applied revisions: a revision is either before the position, or read
 * from history, or notified. A slow client costs its sink's limit and no more: its watchers stall at the exact revision
 * that was not sent and go on from history when the sink has drained.
 *
 * Behaviour: etcd, section Watch.
 */
import { assert } from '../base/assert.ts';
import type { MvccEvent } from '../mvcc/event.ts';
import { CatchUp } from './catch-up.ts';
import { FanOut } from './fan-out.ts';
import { Matched } from './matched.ts';
import type { HeaderSource, WatchAuthorizer, WatchHistory, WatchSink } from './ports.ts';
import type { RangeGroup } from './range-index.ts';
import { ResponseEncoder } from './response-encoder.ts';
import { SharedEvent } from './shared-event.ts';
import { WatcherRegistry } from './watcher-registry.ts';
import type { Watcher } from './watcher.ts';
import { WatchStream, type StreamHost } from './watch-stream.ts';

export interface WatchHubOptions {
  /** Responses to watchers that asked for fragments are cut at this size: max-request-bytes + 512 KiB. */
  readonly fragmentBytes: number;
  /** A response from history takes no more revisions once it has this many bytes of events. */
  readonly responseBytesMax: number;
  /** A stream with more than this in its sink gets no more events until it has drained to half of it. */
  readonly streamBacklogBytesMax: number;
  /** When all sinks together hold more than this, `streamBacklogBytesMin` takes the place of the limit above. */
  readonly hubBacklogBytesMax: number;
  readonly streamBacklogBytesMin: number;
  /** Further watches are refused with "too many requests". */
  readonly watchersMax: number;
  /** Of the keys and range ends of all watches; beyond, further ones are refused, too. */
  readonly keyBytesMax: number;
}

export const DEFAULT_WATCH_HUB_OPTIONS: WatchHubOptions = {
  fragmentBytes: 1_572_864 + (512 << 10),
  responseBytesMax: 1 << 20,
  streamBacklogBytesMax: 4 << 20,
  hubBacklogBytesMax: 256 << 20,
  streamBacklogBytesMin: 64 << 10,
  watchersMax: 1_000_000,
  keyBytesMax: 128 << 20,
};

export interface WatchHubStats {
  readonly streams: number;
  readonly watchers: number;
  /** Watchers that wait for events from history. */
  readonly slowWatchers: number;
  /** Events in sinks that have not drained since. */
  readonly pendingEvents: number;
  /** Bytes in all sinks when last looked at. */
  readonly backlogBytes: number;
  /** Total since the start. */
  readonly eventsSent: number;
}

export class WatchHub {
  readonly #history: WatchHistory;
  readonly #options: WatchHubOptions;
  readonly #wake: () => void;
  readonly #encoder: ResponseEncoder;
  readonly #registry = new WatcherRegistry();
  readonly #fanOut: FanOut;
  readonly #catchUp: CatchUp;
  readonly #host: StreamHost;
  readonly #streams = new Set<WatchStream>();
  /** All revisions up to it were notified, or applied before the hub began. */
  #currentRev: number;
  #backlogBytes = 0;
  #pendingEvents = 0;
  /** Within a delivery: the sets it walks must not change under it. */
  #busy = false;
  /** What was asked for from within the delivery. Bounded: a stream closes once, and its transport stops reading when full. */
  #deferred: (() => void)[] = [];
  readonly #found: RangeGroup[] = [];

  /**
   * `wake` is called when there is work for catchUp where there was none; it must not call back at once.
   */
  constructor(history: WatchHistory, headers: HeaderSource, options: WatchHubOptions, wake: () => void) {
    this.#history = history;
    this.#options = options;
    this.#wake = wake;
    this.#encoder = new ResponseEncoder(headers);
    this.#fanOut = new FanOut(this.#registry, options.fragmentBytes);
    const { responseBytesMax } = options;
    this.#catchUp = new CatchUp(history, this.#encoder, this.#registry, this.#fanOut, responseBytesMax);
    this.#currentRev = history.currentRev;
    this.#host = this.#makeHost();
  }

  get stats(): WatchHubStats {
    return {
      streams: this.#streams.size,
      watchers: this.#registry.size,
      slowWatchers: this.#registry.slow,
      pendingEvents: this.#pendingEvents,
      backlogBytes: this.#backlogBytes,
      eventsSent: this.#fanOut.eventsSent,
    };
  }

  /** `authorize` is asked at every create request. */
  openStream(sink: WatchSink, authorize?: WatchAuthorizer): WatchStream {
    const stream = new WatchStream(this.#host, sink, authorize);
    this.#streams.add(stream);
    return stream;
  }

  /**
   * Revision `revision` was applied, with these events, in order of sub. Called once for each revision, in order, in the
   * same step as the apply.
   */
  notify(revision: number, events: readonly MvccEvent[]): void {
    assert(revision === this.#currentRev + 1, 'a revision was left out', { revision, currentRev: this.#currentRev });
    this.#currentRev = revision;
    if (this.#registry.synced.watchers === 0) return;
    this.#run(() => this.#deliver(events));
  }

  /** Whether catchUp has something to do. */
  get behind(): boolean {
    return this.#registry.catchingUp.size > 0;
  }

  /**
   * Serves watchers that are behind from history, for about `unitsMax` units (an event read, a response sent, 1 KiB
   * written). Returns whether there is more to do. Not from within an apply: history must stand at the last notified
   * revision.
   */
  catchUp(unitsMax: number): boolean {
    this.#run(() => this.#catchUp.slice(unitsMax, this.#currentRev), false);
    return this.behind;
  }

  /** Once every progress-notify interval: notices to quiet watchers that asked for them. */
  progressTick(): void {
    this.#run(() => {
      for (const stream of this.#streams) stream.progressTick();
    });
  }

  /** The store was replaced by a later state (a snapshot): what lies between is served from its history, or cancelled. */
  restored(): void {
    const before = this.#currentRev;
    const now = this.#history.currentRev;
    assert(now >= before, 'the store went back', { before, now });
    this.#run(() => {
      this.#catchUp.abandon();
      this.#currentRev = now;
      for (const watcher of this.#registry.synced.all()) {
        const nextRev = Math.max(watcher.nextRev, before + 1);
        if (nextRev <= now) this.#registry.toCatchingUp(watcher, nextRev);
      }
    });
  }

  #deliver(events: readonly MvccEvent[]): void {
    const touched = this.#found;
    for (const event of events) {
      const from = touched.length;
      this.#registry.synced.match(event.key, touched);
      if (touched.length === from) continue;
      const shared = new SharedEvent(event, this.#history);
      /** Keeps in `touched` only the groups that this event is the first to reach. */
      let kept = from;
      for (let i = from; i < touched.length; i++) {
        const group = touched[i] as RangeGroup;
        if (group.matched === undefined) {
          group.matched = new Matched(this.#encoder, this.#options.responseBytesMax, undefined);
          touched[kept++] = group;
        }
        group.matched.events.push(shared);
      }
      touched.length = kept;
    }
    for (const group of touched) this.#deliverTo(group);
    touched.length = 0;
  }

  #deliverTo(group: RangeGroup): void {
    const matched = group.matched as Matched;
    group.matched = undefined;
    /** Backwards, because one that stalls leaves the group. */
    for (let i = group.watchers.length - 1; i >= 0; i--) {
      this.#fanOut.deliver(group.watchers[i] as Watcher, matched);
    }
  }

  /** Runs `operation` and then what was deferred meanwhile; wakes the caller of catchUp if there is something new for it. */
  #run(operation: () => void, mayWake = true): void {
    if (this.#busy) {
      this.#deferred.push(operation);
      return;
    }
    const wasBehind = this.behind;
    this.#busy = true;
    try {
      operation();
      while (this.#deferred.length > 0) {
        const deferred = this.#deferred;
        this.#deferred = [];
        for (const next of deferred) next();
      }
    } finally {
      this.#busy = false;
    }
    if (mayWake && !wasBehind && this.behind) this.#wake();
  }

  #makeHost(): StreamHost {
    const currentRev = (): number => this.#currentRev;
    const backlogMax = (): number =>
      this.#backlogBytes > this.#options.hubBacklogBytesMax
        ? this.#options.streamBacklogBytesMin
        : this.#options.streamBacklogBytesMax;
    return {
      get currentRev() {
        return currentRev();
      },
      get streamBacklogBytesMax() {
        return backlogMax();
      },
      history: this.#history,
      encoder: this.#encoder,
      registry: this.#registry,
      watchersMax: this.#options.watchersMax,
      keyBytesMax: this.#options.keyBytesMax,
      run: (operation) => this.#run(operation),
      backlogChanged: (byBytes, byEvents) => {
        this.#backlogBytes += byBytes;
        this.#pendingEvents += byEvents;
      },
      forget: (stream) => void this.#streams.delete(stream),
    };
  }
}
