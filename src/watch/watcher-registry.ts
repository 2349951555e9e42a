import { assert } from '../base/assert.ts';
import { RangeIndex } from './range-index.ts';
import type { Watcher, WatcherState } from './watcher.ts';

/**
 * Where every watcher stands. A watcher is in exactly one place: the index of the synced, the index and set of those
 * catching up, the stalled set of its stream, or nowhere (compacted, closed).
 */
export class WatcherRegistry {
  readonly synced = new RangeIndex();
  readonly catchingUpIndex = new RangeIndex();
  readonly catchingUp = new Set<Watcher>();
  #stalled = 0;
  #keyBytes = 0;
  #compacted = 0;

  /** Watchers that are not closed. */
  get size(): number {
    return this.synced.watchers + this.catchingUp.size + this.#stalled + this.#compacted;
  }

  /** Of the keys and range ends of all watchers that are not closed. */
  get keyBytes(): number {
    return this.#keyBytes;
  }

  /** Watchers that wait for events they should have. */
  get slow(): number {
    return this.catchingUp.size + this.#stalled;
  }

  toSynced(watcher: Watcher): void {
    this.#leave(watcher);
    this.#enter(watcher, 'synced');
    this.synced.add(watcher);
  }

  /** Events from `nextRev` on are to come from history. */
  toCatchingUp(watcher: Watcher, nextRev: number): void {
    assert(nextRev >= watcher.nextRev, 'a watcher would go back', { from: watcher.nextRev, to: nextRev });
    this.#leave(watcher);
    this.#enter(watcher, 'catchingUp');
    watcher.nextRev = nextRev;
    this.catchingUp.add(watcher);
    this.catchingUpIndex.add(watcher);
  }

  /** Events from `nextRev` on are to come from history, once the stream has drained. */
  toStalled(watcher: Watcher, nextRev: number): void {
    assert(nextRev >= watcher.nextRev, 'a watcher would go back', { from: watcher.nextRev, to: nextRev });
    this.#leave(watcher);
    this.#enter(watcher, 'stalled');
    watcher.nextRev = nextRev;
    watcher.stream.stalled.add(watcher);
    this.#stalled++;
  }

  toCompacted(watcher: Watcher): void {
    this.#leave(watcher);
    this.#enter(watcher, 'compacted');
    this.#compacted++;
  }

  close(watcher: Watcher): void {
    this.#leave(watcher);
    this.#enter(watcher, 'closed');
  }

  #enter(watcher: Watcher, state: WatcherState): void {
    const wasClosed = watcher.state === 'closed';
    if (wasClosed && state !== 'closed') this.#keyBytes += keyBytesOf(watcher);
    else if (!wasClosed && state === 'closed') this.#keyBytes -= keyBytesOf(watcher);
    watcher.state = state;
    watcher.round = 0;
  }

  #leave(watcher: Watcher): void {
    if (watcher.state === 'synced') this.synced.remove(watcher);
    else if (watcher.state === 'catchingUp') {
      this.catchingUp.delete(watcher);
      this.catchingUpIndex.remove(watcher);
    } else if (watcher.state === 'stalled') {
      watcher.stream.stalled.delete(watcher);
      this.#stalled--;
    } else if (watcher.state === 'compacted') this.#compacted--;
  }
}

function keyBytesOf({ key, end }: Watcher): number {
  return key.length + (end?.length ?? 0);
}
