import type { RangeGroup } from './range-index.ts';
import type { WatchStream } from './watch-stream.ts';

/**
 * synced: has every event up to the current revision that it asked for; gets new ones as they are applied.
 * catchingUp: is given events from history.
 * stalled: its stream is over its limit; waits, outside of every index, until the stream has drained.
 * compacted: was told that its next event is gone; gets nothing any more, but keeps its id until the client cancels it.
 * closed: gets nothing any more.
 */
export type WatcherState = 'synced' | 'catchingUp' | 'stalled' | 'compacted' | 'closed';

/** Bits of a watcher's variant: watchers of one group with the same variant get the same events in the same bytes. */
export const NO_PUT = 1;
export const NO_DELETE = 2;
export const PREV_KV = 4;

export interface WatcherOptions {
  readonly id: bigint;
  readonly key: Uint8Array;
  /** undefined: exactly `key`; empty: every key from `key` on; otherwise up to but without it. */
  readonly end: Uint8Array | undefined;
  /** As the client gave it: 0 is "from now on". */
  readonly startRev: number;
  /** NO_PUT | NO_DELETE | PREV_KV. */
  readonly variant: number;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
}

/**
 * Ids below this have their encoded responses shared between streams: every client numbers its watches from 0, so streams
 * of the same kind of client have the same ids.
 */
export const SHARED_IDS = 128;

export class Watcher {
  readonly stream: WatchStream;
  readonly id: bigint;
  readonly key: Uint8Array;
  readonly end: Uint8Array | undefined;
  readonly startRev: number;
  readonly variant: number;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  /** The id as a number if it is below SHARED_IDS, otherwise -1. */
  readonly sharedSlot: number;
  /** Field 2 of its responses, encoded. */
  readonly idField: Uint8Array;

  /** Changed by WatcherRegistry only. */
  state: WatcherState = 'closed';
  /**
   * Events below it were delivered or not asked for; all others from it on are still to come. Of a synced watcher it is
   * only a lower bound: everything up to the hub's current revision is delivered.
   */
  nextRev: number;
  /** Where it stands in an index; undefined when in none. */
  group: RangeGroup | undefined;
  /** Its place in group.watchers. */
  groupSlot = -1;
  /** The catch-up round it takes part in; 0: none. Every change of state ends it. */
  round = 0;
  /** No event was sent since the last progress tick. */
  quiet = true;

  constructor(stream: WatchStream, options: WatcherOptions, nextRev: number) {
    this.stream = stream;
    this.id = options.id;
    this.key = options.key;
    this.end = options.end;
    this.startRev = options.startRev;
    this.variant = options.variant;
    this.fragment = options.fragment;
    this.progressNotify = options.progressNotify;
    this.sharedSlot = options.id >= 0n && options.id < BigInt(SHARED_IDS) ? Number(options.id) : -1;
    this.idField = encodeIdField(options.id);
    this.nextRev = nextRev;
  }
}

const ID_TAG = (2 << 3) | 0;

function encodeIdField(id: bigint): Uint8Array {
  if (id === 0n) return new Uint8Array(0);
  const bytes = [ID_TAG];
  let rest = BigInt.asUintN(64, id);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return new Uint8Array(bytes);
}
