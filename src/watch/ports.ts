/** What the watch hub needs from the store below it and from the transport above it. */
import type { MvccEvent } from '../mvcc/event.ts';

export interface HistoryChunk {
  /** All events from `fromRev` up to but without `nextRev`, in order of (main, sub). */
  readonly events: readonly MvccEvent[];
  /** The first revision not covered; greater than `fromRev`. */
  readonly nextRev: number;
}

/** The store as the hub reads it. */
export interface WatchHistory {
  readonly currentRev: number;
  /** Reads below it are refused; the revision itself can still be read. */
  readonly compactRev: number;
  /**
   * Whole revisions from `fromRev` on (compactRev <= fromRev <= currentRev): at least one, and no more once about
   * `unitsMax` events or `bytesMax` bytes are read.
   */
  read(fromRev: number, unitsMax: number, bytesMax: number): HistoryChunk;
  /**
   * The encoded mvccpb.KeyValue that the event replaced; undefined if there was none, and when the revision before the event is
   * compacted, even if the row is still there: the answer must not depend on how far the compaction has come.
   */
  prevKv(event: MvccEvent): Uint8Array | undefined;
}

/** What goes into response headers besides the revision. */
export interface HeaderSource {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly raftTerm: number;
}

/** One stream's way out. First in, first out; nothing given to it is dropped while the stream lives. */
export interface WatchSink {
  /** Takes one encoded WatchResponse. The bytes are shared with other streams: they must never be written to. */
  send(bytes: Uint8Array): void;
  /** Bytes taken and not yet handed to the network. */
  readonly backlogBytes: number;
}

/** Says why a watch is refused (the text becomes its cancel_reason), or undefined to permit it. `rangeEnd` as it came. */
export type WatchAuthorizer = (key: Uint8Array, rangeEnd: Uint8Array) => string | undefined;
