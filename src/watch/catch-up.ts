import { assert } from '../base/assert.ts';
import type { FanOut } from './fan-out.ts';
import { Matched } from './matched.ts';
import type { HistoryChunk, WatchHistory } from './ports.ts';
import type { RangeGroup } from './range-index.ts';
import type { ResponseEncoder } from './response-encoder.ts';
import { SharedEvent } from './shared-event.ts';
import type { WatcherRegistry } from './watcher-registry.ts';
import type { Watcher } from './watcher.ts';

/** Revisions that one response from history can span, as in etcd; a round reads no more events than this. */
export const ROUND_ROWS_MAX = 1000;
const ROUND_BYTES_MAX = 4 << 20;
/** Bounds the memory of a round in which every event matches many groups. */
const ROUND_REFERENCES_MAX = 50_000;
/** Writing this many bytes counts as one unit of work, and so does looking at this many watchers. */
const UNIT_BYTES = 1024;
const WATCHERS_SEEN_PER_UNIT = 64;

interface Match {
  readonly event: SharedEvent;
  readonly groups: readonly RangeGroup[];
}

/** A stretch of history, matched once, on its way to the watchers that need it. */
interface Round {
  readonly number: number;
  /** What takes part has every event below it once served. */
  readonly to: number;
  /** By position. Those with `round` still equal to `number` wait to be served, from `at` on. */
  readonly watchers: readonly Watcher[];
  at: number;
  readonly groups: readonly RangeGroup[];
}

/**
 * Brings watchers that are behind up to the present, in rounds: each reads one stretch of history for all watchers whose
 * position lies within it. Rounds start in turn at the last and at the foremost watcher: from the back, every event is
 * read once for all that need it, and nobody waits for ever; from the front, those who are nearly there need not wait for
 * those who are far behind.
 */
export class CatchUp {
  readonly #history: WatchHistory;
  readonly #encoder: ResponseEncoder;
  readonly #registry: WatcherRegistry;
  readonly #fanOut: FanOut;
  readonly #responseBytesMax: number;
  #round: Round | undefined;
  #rounds = 0;

  constructor(
    history: WatchHistory,
    encoder: ResponseEncoder,
    registry: WatcherRegistry,
    fanOut: FanOut,
    responseBytesMax: number,
  ) {
    this.#history = history;
    this.#encoder = encoder;
    this.#registry = registry;
    this.#fanOut = fanOut;
    this.#responseBytesMax = responseBytesMax;
  }

  /** Works for about `unitsMax` units, up to twice as many. Returns whether there is more to do. */
  slice(unitsMax: number, currentRev: number): boolean {
    const { catchingUp } = this.#registry;
    let units = unitsMax;
    while (units > 0 && catchingUp.size > 0) {
      if (this.#round === undefined) units -= this.#begin(Math.min(unitsMax, ROUND_ROWS_MAX), currentRev);
      if (this.#round !== undefined) units -= this.#serve(this.#round, units, currentRev);
    }
    if (catchingUp.size === 0) this.abandon();
    return catchingUp.size > 0;
  }

  /** Forgets the round under way: those it had not served yet are where they were before it. */
  abandon(): void {
    for (const group of this.#round?.groups ?? []) group.matched = undefined;
    this.#round = undefined;
  }

  /** Reads and matches the next stretch. Returns the units used. */
  #begin(rowsMax: number, currentRev: number): number {
    this.#cancelCompacted();
    const { catchingUp } = this.#registry;
    if (catchingUp.size === 0) return 1;
    this.#rounds++;
    const from = this.#start(rowsMax);
    assert(from <= currentRev, 'a watcher catches up with the future', { from, currentRev });
    const chunk = this.#history.read(from, rowsMax, ROUND_BYTES_MAX);
    assert(chunk.nextRev > from, 'history does not advance', { from, nextRev: chunk.nextRev });
    const { matches, to } = this.#match(chunk, from, currentRev);
    const lastHeaderRev = to > currentRev ? currentRev : undefined;
    const groups: RangeGroup[] = [];
    for (const { event, groups: matching } of matches) {
      for (const group of matching) {
        if (group.matched === undefined) {
          group.matched = new Matched(this.#encoder, this.#responseBytesMax, lastHeaderRev);
          groups.push(group);
        }
        group.matched.events.push(event);
      }
    }
    const watchers: Watcher[] = [];
    for (const watcher of catchingUp) {
      if (watcher.nextRev < from || watcher.nextRev >= to) continue;
      watcher.round = this.#rounds;
      watchers.push(watcher);
    }
    watchers.sort(byPosition);
    this.#round = { number: this.#rounds, to, watchers, at: 0, groups };
    return 1 + chunk.events.length + Math.floor(catchingUp.size / WATCHERS_SEEN_PER_UNIT);
  }

  /** Which groups the events belong to, and up to which revision: fewer than were read if there are too many references. */
  #match(chunk: HistoryChunk, from: number, currentRev: number): { matches: Match[]; to: number } {
    const matches: Match[] = [];
    const to = Math.min(chunk.nextRev, currentRev + 1);
    let references = 0;
    let last = from;
    for (const event of chunk.events) {
      const { main } = event;
      assert(main >= last && main < chunk.nextRev, 'history out of order', { main, last, nextRev: chunk.nextRev });
      if (main >= to) break;
      if (main > last && references >= ROUND_REFERENCES_MAX) return { matches, to: main };
      last = main;
      const groups: RangeGroup[] = [];
      this.#registry.catchingUpIndex.match(event.key, groups);
      if (groups.length === 0) continue;
      references += groups.length;
      matches.push({ event: new SharedEvent(event, this.#history), groups });
    }
    return { matches, to };
  }

  /** Gives the stretch to those who need it, as far as the units go. Returns the units used. */
  #serve(round: Round, unitsMax: number, currentRev: number): number {
    let units = 0;
    for (; round.at < round.watchers.length && units < unitsMax; round.at++) {
      const watcher = round.watchers[round.at] as Watcher;
      if (watcher.round !== round.number) continue;
      units++;
      if (watcher.nextRev < this.#history.compactRev) {
        watcher.stream.cancelCompacted(watcher);
        continue;
      }
      const matched = watcher.group?.matched;
      if (matched !== undefined) {
        const bytesWritten = this.#fanOut.deliver(watcher, matched);
        if (bytesWritten < 0) continue;
        units += Math.floor(bytesWritten / UNIT_BYTES);
      }
      watcher.nextRev = round.to;
      if (round.to > currentRev) this.#registry.toSynced(watcher);
    }
    if (round.at === round.watchers.length) this.abandon();
    return units;
  }

  #cancelCompacted(): void {
    const { compactRev } = this.#history;
    for (const watcher of this.#registry.catchingUp) {
      if (watcher.nextRev < compactRev) watcher.stream.cancelCompacted(watcher);
    }
  }

  /** Where the next round reads from: see the class. */
  #start(rowsMax: number): number {
    let lowest = Infinity;
    let highest = 0;
    for (const { nextRev } of this.#registry.catchingUp) {
      if (nextRev < lowest) lowest = nextRev;
      if (nextRev > highest) highest = nextRev;
    }
    if (this.#rounds % 2 === 0) return lowest;
    let start = highest;
    for (const { nextRev } of this.#registry.catchingUp) {
      if (nextRev < start && nextRev > highest - rowsMax) start = nextRev;
    }
    return start;
  }
}

function byPosition(a: Watcher, b: Watcher): number {
  return a.nextRev - b.nextRev;
}
