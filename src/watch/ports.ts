/** What the watch hub needs from the store below it and from the transport above it. */

/** One change to one key. */
export interface WatchEvent {
  /** 0: put, 1: delete (mvccpb EventType). */
  readonly type: 0 | 1;
  readonly key: Uint8Array;
  /** Revision: `main` is the mod_revision, `sub` the place within it. */
  readonly main: number;
  readonly sub: number;
  /** Encoded mvccpb.KeyValue; of a delete: only key and mod_revision. */
  readonly kv: Uint8Array;
  /** 0 for a delete. */
  readonly createRevision: number;
  /** Revision of the version that was live just before `main`; prevMain 0: there was none. Read only if a watcher wants it. */
  readonly prevMain: number;
  readonly prevSub: number;
}

export interface HistoryChunk {
  /** All events from `fromRev` up to but without `nextRev`, in order of (main, sub). */
  readonly events: readonly WatchEvent[];
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
  /** The encoded mvccpb.KeyValue put at that revision; undefined if it is gone. */
  kvAt(main: number, sub: number): Uint8Array | undefined;
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
