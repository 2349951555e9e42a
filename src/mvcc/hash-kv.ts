/** HashKV: a checksum of the history up to a revision, equal on all members, etcd's included. Etcd behaviour 2.11. */
import { assert, must } from '../base/assert.ts';
import { successor } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { etcdError } from '../base/etcd-error.ts';
import { utf8Encode } from '../base/utf8.ts';
import type { Job } from '../ports/job.ts';
import type { Cursor, Reader } from './backend.ts';
import { decodePointer, histKey, histMain, histSameKey, histSub } from './key-index.ts';
import { keyOf } from './key-value.ts';
import { END, LIVE, type LiveScan, liveScan } from './live-scan.ts';
import type { RangeSource } from './range.ts';
import { revisionIsTombstone, revisionMain, revisionSub } from './revision.ts';
import type { Snapshot } from './write-buffer.ts';

export interface HashKv {
  readonly hash: number;
  /** The revision up to which was hashed. */
  readonly hashRevision: number;
  /** Hashes of members compare only where these are equal; -1 before the first compaction. */
  readonly compactRevision: number;
  /** The store's current revision at that moment. */
  readonly revision: number;
}

const BUCKET = utf8Encode('key');
const FIRST_KEY = new Uint8Array([0]);
const SUB_MAX = 0xffff_ffff;

/**
 * Hashes in slices; fixed by its first step, which throws Compacted or FutureRev.
 *
 * Rows at or before the compact revision count only if a compaction at the hashed revision would keep them as a live
 * version. When no key is live then, etcd leaves this out: all rows that the last compaction left count, save tombstones.
 * Rows that an unfinished compaction will delete never count.
 */
export class HashKvJob implements Job<HashKv> {
  readonly #source: RangeSource;
  readonly #askedRevision: number;
  #snapshot: Snapshot | undefined;
  #revision = 0;
  #hashRevision = 0;
  #compactRev = 0;
  /** Looks for one live key; undefined once that is settled. */
  #liveness: LiveScan | undefined;
  /** Rows at or before the compact revision count when they are the newest version of their key at this revision. */
  #keepRevision = 0;
  #rows: Cursor | undefined;
  #history: Cursor | undefined;
  /** Rows of `rev` before this are done. */
  #position: Uint8Array = FIRST_KEY;
  #hash = crc32c(0, BUCKET);
  #started = false;
  #finished = false;

  constructor(source: RangeSource, revision: number) {
    this.#source = source;
    this.#askedRevision = revision;
  }

  step(units: number): boolean {
    const reader = this.#snapshot ?? this.#source.reader;
    if (!this.#started) this.#start(reader);
    let left = units;
    if (this.#liveness !== undefined) left -= this.#findLive(this.#liveness, left);
    if (this.#liveness === undefined && left > 0) this.#hashRows(reader, left);
    if (!this.#finished && this.#snapshot === undefined) {
      this.#snapshot = this.#source.pin();
      this.#liveness?.moveTo(this.#snapshot);
      this.#rows = undefined;
    }
    return this.#finished;
  }

  result(): HashKv {
    assert(this.#finished, 'result of an unfinished hash');
    return {
      hash: this.#hash,
      hashRevision: this.#hashRevision,
      compactRevision: this.#compactRev,
      revision: this.#revision,
    };
  }

  close(): void {
    this.#snapshot?.release();
    this.#snapshot = undefined;
  }

  #start(reader: Reader): void {
    const { currentRev, compactRev } = this.#source;
    const asked = this.#askedRevision;
    if (asked > 0 && asked < compactRev) throw etcdError('Compacted');
    if (asked > currentRev) throw etcdError('FutureRev');
    this.#started = true;
    this.#revision = currentRev;
    this.#compactRev = compactRev;
    this.#hashRevision = asked === 0 ? currentRev : asked;
    this.#keepRevision = this.#hashRevision;
    if (compactRev > 0) this.#liveness = liveScan(reader, FIRST_KEY, undefined, this.#hashRevision, currentRev);
  }

  #findLive(scan: LiveScan, units: number): number {
    for (let done = 1; done <= units; done++) {
      const step = scan.advance();
      if (step === END) this.#keepRevision = this.#compactRev;
      if (step !== END && step !== LIVE) continue;
      this.#liveness = undefined;
      return done;
    }
    return units;
  }

  #hashRows(reader: Reader, units: number): void {
    let found: boolean;
    if (this.#rows === undefined) {
      this.#rows = reader.cursor('rev');
      this.#history = reader.cursor('hist');
      found = this.#rows.seek(this.#position);
    } else {
      found = this.#rows.next();
    }
    const rows = this.#rows;
    for (let left = units; ; found = rows.next()) {
      if (!found || revisionMain(rows.key) > this.#hashRevision) {
        this.#finished = true;
        return;
      }
      const key = rows.key;
      const value = rows.value;
      if (this.#counts(reader, key, value)) this.#hash = crc32c(crc32c(this.#hash, key), value);
      if (--left === 0) {
        this.#position = successor(key);
        return;
      }
    }
  }

  #counts(reader: Reader, revKey: Uint8Array, kv: Uint8Array): boolean {
    const main = revisionMain(revKey);
    if (main > this.#compactRev) return true;
    if (revisionIsTombstone(revKey)) return false;
    const sub = revisionSub(revKey);
    const key = keyOf(kv);
    if (this.#keepRevision === this.#revision) {
      const pointer = reader.get('cur', key);
      if (pointer === undefined) return false;
      const newest = decodePointer(pointer);
      return newest.main === main && newest.sub === sub;
    }
    const sought = histKey(key, this.#keepRevision, SUB_MAX);
    const history = must(this.#history, 'history cursor');
    if (!history.seek(sought)) return false;
    const row = history.key;
    return histSameKey(row, sought) && histMain(row) === main && histSub(row) === sub;
  }
}
