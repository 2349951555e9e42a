/** The store as the watch hub reads it. */
import type { MvccEvent } from '../mvcc/event.ts';
import type { MvccStore } from '../mvcc/store.ts';
import type { HistoryChunk, WatchHistory } from '../watch/ports.ts';

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

  read(fromRev: number, rowsMax: number, bytesMax: number): HistoryChunk {
    const { revisions, nextRevision } = this.#store.history(fromRev, rowsMax, bytesMax);
    return { events: revisions.flatMap(({ events }) => events), nextRev: nextRevision };
  }

  prevKv(event: MvccEvent): Uint8Array | undefined {
    return this.#store.prevKv(event);
  }
}
