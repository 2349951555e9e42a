/** The walk over table `rev` that HashKV is made of. Etcd behaviour 2.11. */
import { assert } from '../base/assert.ts';
import { successor } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';
import type { Cursor } from './backend.ts';
import { Checksum, KeyTaker } from './borrowers.ts';
import { histKey, histMain, histSameKey, histSub } from './key-index.ts';
import { END, LIVE, type LiveScan, liveScan } from './live-scan.ts';
import type { ScanReader } from './overlay.ts';
import { encodeRevision, revisionIsTombstone, revisionMain, revisionSub } from './revision.ts';

const BUCKET = utf8Encode('key');
const FIRST_KEY = new Uint8Array([0]);
const SUB_MAX = 0xffff_ffff;

/** What is hashed: the rows of revisions up to hashRevision, those at or before compactRevision only if they are kept. */
export interface HashBounds {
  readonly hashRevision: number;
  readonly compactRevision: number;
}

/**
 * Rows at or before the compact revision count only if a compaction at the hashed revision would keep them as a live
 * version. When such a compaction would keep nothing at all, etcd leaves this rule out: then all rows count that the last
 * compaction left, save tombstones. Rows that an unfinished compaction will delete never count.
 *
 * Every call of work may read through another reader, as long as all of them agree about what is hashed.
 */
export class RevisionHasher {
  readonly #bounds: HashBounds;
  /** Whether a compaction at the hashed revision keeps a tombstone: then it keeps something. */
  readonly #tombstonesAreKept: boolean;
  /** Where that makes a difference: the hash of the rows after the compact revision, as if tombstones were kept. */
  #withTombstones: Checksum | undefined;
  #phase: 'liveness' | 'rows' | 'done';
  /** The newest versions at this revision are those that are kept. */
  #keepRevision: number;
  #liveness: LiveScan | undefined;
  /** Rows of `rev` before this are done. */
  #position: Uint8Array = FIRST_KEY;
  readonly #checksum = new Checksum();
  readonly #keyTaker = new KeyTaker();

  constructor(bounds: HashBounds, { tombstonesAreKept }: { tombstonesAreKept: boolean }) {
    this.#bounds = bounds;
    this.#checksum.add(BUCKET);
    this.#tombstonesAreKept = tombstonesAreKept;
    this.#keepRevision = bounds.hashRevision;
    // Without rows at or before the compact revision it does not matter what is kept of them.
    this.#phase = bounds.compactRevision > 0 ? 'liveness' : 'rows';
    // No row has a revision that low, and the key index cannot be asked for one.
    if (bounds.hashRevision <= 0) this.#phase = 'done';
  }

  get done(): boolean {
    return this.#phase === 'done';
  }

  get hash(): number {
    assert(this.done, 'hash of an unfinished walk');
    const { value } = this.#checksum;
    return this.#tombstonesAreKept ? (this.#withTombstones?.value ?? value) : value;
  }

  /** What it would be had tombstonesAreKept been the other way; undefined where that makes no difference. */
  get twin(): number | undefined {
    if (this.#withTombstones === undefined) return undefined;
    return this.#tombstonesAreKept ? this.#checksum.value : this.#withTombstones.value;
  }

  /** Visits about `units` rows. */
  work(reader: ScanReader, units: number): void {
    let left = units;
    if (this.#phase === 'liveness') left -= this.#findKept(reader, units);
    if (this.#phase === 'rows' && left > 0) this.#hashRows(reader, left);
  }

  #findKept(reader: ScanReader, units: number): number {
    const { hashRevision } = this.#bounds;
    const fresh = this.#liveness === undefined;
    // No revision is current to a scan of the past: it stays right while the store moves on.
    this.#liveness ??= liveScan(reader, FIRST_KEY, undefined, hashRevision, Infinity);
    if (!fresh) this.#liveness.moveTo(reader);
    for (let done = 1; done <= units; done++) {
      const step = this.#liveness.advance();
      if (step !== END && step !== LIVE) continue;
      if (step === END) this.#foundNothing(reader);
      this.#liveness.close();
      this.#liveness = undefined;
      this.#phase = 'rows';
      return done;
    }
    this.#liveness.close();
    return units;
  }

  #foundNothing(reader: ScanReader): void {
    const { hashRevision, compactRevision } = this.#bounds;
    this.#keepRevision = compactRevision;
    const last = reader.last('rev', encodeRevision(hashRevision + 1, 0));
    const isTombstone = last !== undefined && revisionMain(last.key) === hashRevision && revisionIsTombstone(last.key);
    if (!isTombstone) return;
    this.#withTombstones = new Checksum();
    this.#withTombstones.add(BUCKET);
  }

  #hashRows(reader: ScanReader, units: number): void {
    const rows = reader.cursor('rev');
    const history = reader.cursor('hist');
    let found = rows.seek(this.#position);
    let last: Uint8Array | undefined;
    for (let left = units; left > 0; left--) {
      const key = found ? rows.key : undefined;
      if (key === undefined || revisionMain(key) > this.#bounds.hashRevision) {
        this.#phase = 'done';
        break;
      }
      if (this.#counts(history, key, rows)) {
        this.#checksum.add(key);
        rows.lendValue(this.#checksum);
        if (this.#withTombstones !== undefined && revisionMain(key) > this.#bounds.compactRevision) {
          this.#withTombstones.add(key);
          rows.lendValue(this.#withTombstones);
        }
      }
      last = key;
      found = rows.next();
    }
    if (last !== undefined) this.#position = successor(last);
    rows.close();
    history.close();
  }

  #counts(history: Cursor, revKey: Uint8Array, row: Cursor): boolean {
    const main = revisionMain(revKey);
    if (main > this.#bounds.compactRevision) return true;
    if (revisionIsTombstone(revKey)) return false;
    row.lendValue(this.#keyTaker);
    const sought = histKey(this.#keyTaker.key, this.#keepRevision, SUB_MAX);
    if (!history.seek(sought)) return false;
    const kept = history.key;
    return histSameKey(kept, sought) && histMain(kept) === main && histSub(kept) === revisionSub(revKey);
  }
}
