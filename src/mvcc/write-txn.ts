import { assert } from '../base/assert.ts';
import { EMPTY } from '../base/bytes.ts';
import type { CountIndex } from './count-index.ts';
import { DELETE, type MvccEvent, PREV_NONE, PUT } from './event.ts';
import {
  type KeyVersion,
  decodePointer,
  encodeHist,
  encodeHistTombstone,
  encodePointer,
  histKey,
} from './key-index.ts';
import { encodeDeleted, encodeKeyValue, encodeTombstone, keyOf } from './key-value.ts';
import { leaseKeyRow } from './lease-keys.ts';
import { END, liveScan, scanEnd } from './live-scan.ts';
import { type RangeQuery, type RangeResult, type RangeSource, fetchKeyValue, rangeNow } from './range.ts';
import type { OperationTally, OperationTotals } from './operation-totals.ts';
import { encodeRevision } from './revision.ts';
import { ROWS } from './row-bytes.ts';
import type { Snapshot, WriteBuffer } from './write-buffer.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What a write transaction needs of the store. */
export interface TxnHost {
  readonly buffer: WriteBuffer;
  readonly currentRev: number;
  readonly compactRev: number;
  readonly counts: CountIndex;
  readonly totals: OperationTotals;
  /** The newest version of `key` with main revision at most `revision`; undefined if there is none or it is a tombstone. */
  versionAt(key: Uint8Array, revision: number): KeyVersion | undefined;
  /** The transaction is over; `main` is the current revision from now on. */
  ended(main: number): void;
}

/**
 * A write transaction. One at a time; within one synchronous piece of work. Its reads see its own writes. There is no way
 * back: the caller checks what could fail before the first write.
 */
export class WriteTxn implements RangeSource {
  readonly #host: TxnHost;
  readonly #begin: number;
  readonly compactRev: number;
  readonly #events: MvccEvent[] = [];
  #ended = false;
  readonly #tally: Writable<OperationTally> = { ranges: 0, puts: 0, deletes: 0, putBytes: 0 };

  constructor(host: TxnHost) {
    this.#host = host;
    this.#begin = host.currentRev;
    this.compactRev = host.compactRev;
  }

  get reader(): WriteBuffer {
    return this.#host.buffer;
  }

  /** The revision a read in the transaction sees, and its answer's header says: one more once something was written. */
  get revision(): number {
    return this.#events.length === 0 ? this.#begin : this.#begin + 1;
  }

  get currentRev(): number {
    return this.revision;
  }

  pin(): Snapshot {
    throw new Error('a range in a write transaction does not yield');
  }

  countLive(start: Uint8Array, end: Uint8Array | undefined, revision: number): number | undefined {
    return this.#host.counts.count(this.#host.buffer, start, end, revision);
  }

  /** The encoded KeyValue of a live key. */
  get(key: Uint8Array): Uint8Array | undefined {
    const version = this.versionOf(key);
    return version === undefined ? undefined : fetchKeyValue(this.#host.buffer, version);
  }

  /** Everything but the value of a live key, at less cost than get. */
  getVersion(key: Uint8Array): KeyVersion | undefined {
    const row = this.#host.buffer.get('cur', key);
    return row === undefined ? undefined : decodePointer(row);
  }

  /** As getVersion, for who is to be counted as a range. */
  versionOf(key: Uint8Array): KeyVersion | undefined {
    this.#tally.ranges++;
    return this.getVersion(key);
  }

  /** Throws Compacted or FutureRev, as Range does. */
  range(query: RangeQuery): RangeResult {
    this.#tally.ranges++;
    return rangeNow(this, query);
  }

  /** Copies `key` and `value`. The lease is taken as given: whether it exists is for the caller to check. */
  put(key: Uint8Array, value: Uint8Array, lease: bigint): void {
    this.#assertOpen();
    this.#tally.puts++;
    this.#tally.putBytes += key.length + value.length;
    assert(key.length > 0, 'put of the empty key');
    const { buffer } = this.#host;
    const ownKey = ROWS.copyOf(key);
    const previous = this.getVersion(ownKey);
    const main = this.#begin + 1;
    const sub = this.#events.length;
    const createRevision = previous?.createRevision ?? main;
    const version = { main, sub, createRevision, version: (previous?.version ?? 0) + 1, lease };
    const kv = encodeKeyValue(key, createRevision, main, version.version, value, lease);
    // First the row that was just looked up: the buffer remembers the place by the key object.
    buffer.put('cur', ownKey, encodePointer(version));
    buffer.put('rev', encodeRevision(main, sub), kv);
    buffer.put('hist', histKey(ownKey, main, sub), encodeHist(version));
    if (previous === undefined) this.#host.counts.add(buffer, ownKey, main);
    const previousLease = previous?.lease ?? 0n;
    if (previousLease !== lease) {
      if (previousLease !== 0n) buffer.delete('leaseKeys', leaseKeyRow(previousLease, ownKey));
      if (lease !== 0n) buffer.put('leaseKeys', leaseKeyRow(lease, ownKey), EMPTY);
    }
    const before = this.#before(ownKey, createRevision === main ? undefined : previous);
    this.#events.push({ type: PUT, key: ownKey, main, sub, kv, createRevision, ...before });
  }

  /** Deletes the keys of an interval, in key order, and returns how many there were. */
  deleteRange(key: Uint8Array, rangeEnd: Uint8Array): number {
    this.#assertOpen();
    this.#tally.deletes++;
    if (rangeEnd.length === 0) {
      const version = this.getVersion(key);
      if (version === undefined) return 0;
      this.#delete(key, version);
      return 1;
    }
    const found: { key: Uint8Array; version: KeyVersion }[] = [];
    const scan = liveScan(this.#host.buffer, key, scanEnd(key, rangeEnd), this.revision, this.revision);
    while (scan.advance() !== END) found.push({ key: scan.key, version: scan.version() });
    scan.close();
    for (const { key: liveKey, version } of found) this.#delete(liveKey, version);
    return found.length;
  }

  /** What was read so far counts as a transaction of its own: the comparisons of a txn do. */
  endReads(): void {
    this.#host.totals.addReads(this.#tally.ranges);
    this.#tally.ranges = 0;
  }

  /** Makes the changes the store's current state and returns them in order. */
  end(): readonly MvccEvent[] {
    this.#assertOpen();
    this.#ended = true;
    this.#host.totals.add(this.#tally);
    this.#host.ended(this.revision);
    return this.#events;
  }

  #delete(key: Uint8Array, previous: KeyVersion): void {
    const { buffer } = this.#host;
    const main = this.#begin + 1;
    const sub = this.#events.length;
    const row = encodeTombstone(key);
    const ownKey = keyOf(row);
    buffer.put('rev', encodeRevision(main, sub, true), row);
    buffer.delete('cur', ownKey);
    buffer.put('hist', histKey(ownKey, main, sub), encodeHistTombstone());
    this.#host.counts.remove(ownKey, main);
    if (previous.lease !== 0n) buffer.delete('leaseKeys', leaseKeyRow(previous.lease, ownKey));
    const kv = encodeDeleted(ownKey, main);
    const before = this.#before(ownKey, previous);
    this.#events.push({ type: DELETE, key: ownKey, main, sub, kv, createRevision: 0, ...before });
  }

  /** What watchers call the previous version: the one live before this transaction. */
  #before(key: Uint8Array, previous: KeyVersion | undefined): { prevMain: number; prevSub: number } {
    const before =
      previous !== undefined && previous.main > this.#begin ? this.#host.versionAt(key, this.#begin) : previous;
    return before === undefined ? { prevMain: PREV_NONE, prevSub: 0 } : { prevMain: before.main, prevSub: before.sub };
  }

  #assertOpen(): void {
    assert(!this.#ended, 'write transaction used after its end');
  }
}
