/**
 * The multi-version key-value store: every change makes a new revision, and reads at any revision not yet compacted see the
 * state as it was then. Synchronous; time, disk and network are elsewhere. All state is in the tables of the write buffer.
 */
import { assert } from '../base/assert.ts';
import { EMPTY } from '../base/bytes.ts';
import { etcdError } from '../base/etcd-error.ts';
import type { Job } from '../ports/job.ts';
import { CompactionJob } from './compaction.ts';
import { CountIndex } from './count-index.ts';
import { type MvccEvent, PREV_NONE, PREV_UNKNOWN } from './event.ts';
import type { Borrower } from './backend.ts';
import { type BackendHash, BackendHashJob } from './hash-backend.ts';
import { type CompactionHash, type HashKv, HashKvJob } from './hash-kv.ts';
import { type HistorySlice, readHistory } from './history.ts';
import { type KeyVersion, decodeHist, decodePointer, histIsTombstone, histKey, histSameKey } from './key-index.ts';
import { keysOfLease } from './lease-keys.ts';
import {
  CURRENT_REVISION,
  FINISHED_COMPACT_REV,
  SCHEDULED_COMPACT_REV,
  encodeMetaRevision,
  readMetaRevision,
} from './meta.ts';
import { OperationTotals } from './operation-totals.ts';
import { RangeJob, type RangeQuery, type RangeResult, type RangeSource, rangeNow } from './range.ts';
import { RangeStream } from './range-stream.ts';
import { encodeRevision, revisionMain } from './revision.ts';
import type { Snapshot, WriteBuffer } from './write-buffer.ts';
import { type TxnHost, WriteTxn } from './write-txn.ts';

/** The revision of a store that nothing was written to. */
const FIRST_REVISION = 1;
/** Of a store never compacted: below 0, so that compacting at 0 is accepted once, as etcd does. */
const NEVER_COMPACTED = -1;

/** As many as etcd keeps. */
const COMPACTION_HASHES_MAX = 10;

const SUB_MAX = 0xffff_ffff;

export class MvccStore implements RangeSource {
  readonly buffer: WriteBuffer;
  /** Asked of the store by clients and the log. */
  readonly totals = new OperationTotals();
  #currentRev: number;
  /** What the meta row says or will say after the next flush. */
  #storedRev: number;
  #compactRev: number;
  #finishedCompactRev: number;
  readonly #counts: CountIndex;
  readonly #txnHost: TxnHost;
  #txn: WriteTxn | undefined;
  /** Whether a compaction job is under way: there is at most one. */
  #compacting = false;
  /** Whether the history since the compaction before is whole: nothing of it was deleted by a compaction cut short. */
  #hashesNextCompaction = false;
  readonly #compactionHashes: CompactionHash[] = [];

  /** Opens the store that the buffer's backend holds; an empty backend is an empty store. */
  constructor(buffer: WriteBuffer) {
    this.buffer = buffer;
    this.#finishedCompactRev = readMetaRevision(buffer, FINISHED_COMPACT_REV) ?? NEVER_COMPACTED;
    const scheduled = readMetaRevision(buffer, SCHEDULED_COMPACT_REV) ?? NEVER_COMPACTED;
    this.#compactRev = Math.max(scheduled, this.#finishedCompactRev);
    const lastRow = buffer.last('rev');
    this.#storedRev = readMetaRevision(buffer, CURRENT_REVISION) ?? FIRST_REVISION;
    this.#currentRev = Math.max(
      this.#storedRev,
      lastRow === undefined ? FIRST_REVISION : revisionMain(lastRow.key),
      this.#compactRev,
    );
    this.#counts = new CountIndex(buffer, this.#currentRev);
    this.#txnHost = this.#makeTxnHost();
    buffer.onBeforeFlush(() => {
      this.#storeRevision();
      this.#counts.save(buffer);
    });
  }

  /** Of the last write transaction that changed something; 1 at first. */
  get currentRev(): number {
    return this.#currentRev;
  }

  /** Reads below it are refused; -1 before the first compaction. */
  get compactRev(): number {
    return this.#compactRev;
  }

  /** The last compaction whose rows are all deleted; -1 before the first. Below compactRev while one is to be done. */
  get finishedCompactRev(): number {
    return this.#finishedCompactRev;
  }

  get reader(): WriteBuffer {
    return this.buffer;
  }

  /** How many keys are live now. */
  get keyCount(): number {
    return this.#counts.total;
  }

  /** See RangeSource; part of range. */
  countLive(start: Uint8Array, end: Uint8Array | undefined, revision: number): number | undefined {
    return this.#counts.count(this.buffer, start, end, revision);
  }

  pin(): Snapshot {
    return this.buffer.pin();
  }

  begin(): WriteTxn {
    assert(this.#txn === undefined, 'write transaction begun within another');
    this.#txn = new WriteTxn(this.#txnHost);
    return this.#txn;
  }

  /** Throws Compacted or FutureRev. For ranges known to be small; rangeJob is for the others. */
  range(query: RangeQuery): RangeResult {
    this.totals.ranges++;
    return rangeNow(this, query);
  }

  /** Everything but the value of a live key, at less cost than a range; counts as one. */
  versionOf(key: Uint8Array): KeyVersion | undefined {
    this.totals.ranges++;
    const row = this.buffer.get('cur', key);
    return row === undefined ? undefined : decodePointer(row);
  }

  /**
   * Range in slices. Its first step fixes the revision, and throws Compacted or FutureRev. `borrower` gets the KeyValues of a
   * range in key order as they are read; then they are not in the result.
   */
  rangeJob(query: RangeQuery, borrower?: Borrower): Job<RangeResult> {
    this.totals.ranges++;
    return new RangeJob(this, query, { borrower });
  }

  /** A range to be read in chunks, for a query without order and filters. */
  rangeStream(query: RangeQuery): RangeStream {
    this.totals.ranges++;
    return new RangeStream(this, query);
  }

  /** The encoded KeyValue that was put at a revision; undefined if there is none (any more). */
  kvAt(main: number, sub: number): Uint8Array | undefined {
    return this.buffer.get('rev', encodeRevision(main, sub));
  }

  /** The newest version of `key` with main revision at most `revision`; undefined if there is none or it is a tombstone. */
  versionAt(key: Uint8Array, revision: number): KeyVersion | undefined {
    const sought = histKey(key, revision, SUB_MAX);
    const cursor = this.buffer.cursor('hist');
    const row = cursor.seek(sought) ? cursor.key : EMPTY;
    const value = histSameKey(row, sought) ? cursor.value : undefined;
    cursor.close();
    return value === undefined || histIsTombstone(value) ? undefined : decodeHist(row, value);
  }

  /**
   * The encoded prev_kv of an event: the key as it was one revision before. undefined for a create, and when that revision
   * is compacted, even if its bytes are still there: that depends on how far this member's compaction is.
   */
  prevKv(event: MvccEvent): Uint8Array | undefined {
    if (event.prevMain === PREV_NONE || event.main - 1 < this.#compactRev) return undefined;
    if (event.prevMain !== PREV_UNKNOWN) return this.kvAt(event.prevMain, event.prevSub);
    if (event.createRevision === event.main) return undefined;
    const version = this.versionAt(event.key, event.main - 1);
    return version === undefined ? undefined : this.kvAt(version.main, version.sub);
  }

  /** The keys attached to a lease, in key order. */
  keysOf(lease: bigint): Uint8Array[] {
    return keysOfLease(this.buffer, lease);
  }

  /**
   * Accepts a compaction: reads below `revision` are refused from now on. Throws Compacted or FutureRev. The rows are
   * deleted by compactionJob.
   */
  compact(revision: number): void {
    if (revision <= this.#compactRev) throw etcdError('Compacted');
    if (revision > this.#currentRev) throw etcdError('FutureRev');
    this.#hashesNextCompaction = this.#finishedCompactRev === this.#compactRev;
    this.#compactRev = revision;
    this.buffer.put('meta', SCHEDULED_COMPACT_REV, encodeMetaRevision(revision));
  }

  /**
   * Deletes the rows of the compaction accepted last, in slices; its result is the revision compacted at. undefined when
   * there is nothing to do. At most one at a time; ask again after it ends, and after opening the store: a compaction may
   * have been accepted meanwhile, or not finished before. What it deletes gathers in the write buffer: flush as it goes.
   */
  compactionJob(): Job<number> | undefined {
    if (this.#compacting || this.#finishedCompactRev === this.#compactRev) return undefined;
    this.#compacting = true;
    const hashes = this.#hashesNextCompaction;
    this.#hashesNextCompaction = false;
    return new CompactionJob(this.buffer, {
      from: this.#finishedCompactRev,
      to: this.#compactRev,
      hashes,
      onFinished: (revision, hash, deletedRows) => {
        this.totals.compactedRows += deletedRows;
        this.#finishedCompactRev = revision;
        if (hash !== undefined) this.#compactionHashes.push(hash);
        if (this.#compactionHashes.length > COMPACTION_HASHES_MAX) this.#compactionHashes.shift();
      },
      onClose: () => {
        this.#compacting = false;
      },
    });
  }

  /** The hashes that the last compactions of this process made, oldest first, for members to compare. */
  get compactionHashes(): readonly CompactionHash[] {
    return this.#compactionHashes;
  }

  /**
   * HashKV at a revision (0: the current one), in slices. Its first step throws Compacted or FutureRev. Asked for a revision
   * that one of compactionHashes is of, the answer is that hash, with the compact revision of then; as etcd's is.
   */
  hashKvJob(revision: number): Job<HashKv> {
    return new HashKvJob(this, revision, this.#compactionHashes);
  }

  /** The checksum of the whole database, in slices. */
  hashJob(): Job<BackendHash> {
    return new BackendHashJob(this);
  }

  /**
   * The changes from main revision `fromRevision` on, about `rowsMax` of them or `bytesMax` bytes, in whole main revisions. Throws Compacted
   * below the compact revision.
   */
  history(fromRevision: number, rowsMax: number, bytesMax?: number): HistorySlice {
    return readHistory(this, fromRevision, rowsMax, bytesMax);
  }

  #makeTxnHost(): TxnHost {
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment
    const store = this;
    return {
      buffer: this.buffer,
      counts: this.#counts,
      totals: this.totals,
      get currentRev() {
        return store.#currentRev;
      },
      get compactRev() {
        return store.#compactRev;
      },
      versionAt: (key, revision) => this.versionAt(key, revision),
      ended: (main) => {
        this.#txn = undefined;
        this.#currentRev = main;
      },
    };
  }

  #storeRevision(): void {
    if (this.#storedRev === this.#currentRev) return;
    this.#storedRev = this.#currentRev;
    this.buffer.put('meta', CURRENT_REVISION, encodeMetaRevision(this.#currentRev));
  }
}
