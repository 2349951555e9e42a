/** The store as the watch hub reads it. */
import { PREV_NONE, PREV_UNKNOWN, type MvccEvent } from '../mvcc/event.ts';
import type { MvccStore } from '../mvcc/store.ts';
import type { HistoryChunk, WatchEvent, WatchHistory } from '../watch/ports.ts';

export class WatchSource implements WatchHistory {
  readonly #store: MvccStore;

  constructor(store: MvccStore) {
    this.#store = store;
  }

  get currentRev(): number {
    return this.#store.currentRev;
  }

  get compactRev(): number {
    return this.#store.compactRev;
  }

  read(fromRev: number, unitsMax: number): HistoryChunk {
    const { revisions, nextRevision } = this.#store.history(fromRev, unitsMax);
    return { events: revisions.flatMap(({ events }) => this.events(events)), nextRev: nextRevision };
  }

  kvAt(main: number, sub: number): Uint8Array | undefined {
    return this.#store.kvAt(main, sub);
  }

  /** What a past event replaced is looked up when somebody asks. */
  events(events: readonly MvccEvent[]): WatchEvent[] {
    return events.map((event) => {
      if (event.prevMain === PREV_UNKNOWN) return new PastEvent(this.#store, event);
      return event.prevMain === PREV_NONE ? { ...event, prevMain: 0 } : event;
    });
  }
}

class PastEvent implements WatchEvent {
  readonly type: 0 | 1;
  readonly key: Uint8Array;
  readonly main: number;
  readonly sub: number;
  readonly kv: Uint8Array;
  readonly createRevision: number;
  readonly #store: MvccStore;

  constructor(store: MvccStore, event: MvccEvent) {
    this.#store = store;
    this.type = event.type;
    this.key = event.key;
    this.main = event.main;
    this.sub = event.sub;
    this.kv = event.kv;
    this.createRevision = event.createRevision;
  }

  get prevMain(): number {
    return this.#previous()?.main ?? 0;
  }

  get prevSub(): number {
    return this.#previous()?.sub ?? 0;
  }

  #previous(): { readonly main: number; readonly sub: number } | undefined {
    if (this.createRevision === this.main) return undefined;
    return this.#store.versionAt(this.key, this.main - 1);
  }
}
