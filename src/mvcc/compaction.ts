/**
 * Deletes what a compaction makes unreachable, in slices. At compact revision c a key keeps its newest version at or before
 * c, unless that is a tombstone older than c, and everything after c (etcd behaviour 2.6).
 *
 * It suffices to walk the rows that came since the compaction before: each makes its predecessor of the same key dead, and
 * a tombstone before c is dead itself. All of it can be done again: after a crash the job starts over.
 */
import { assert } from '../base/assert.ts';
import { successor } from '../base/bytes.ts';
import type { Job } from '../ports/job.ts';
import type { Cursor } from './backend.ts';
import { KeyTaker } from './borrowers.ts';
import { histIsTombstone, histKey, histMain, histSameKey, histSub } from './key-index.ts';
import type { CompactionHash } from './hash-kv.ts';
import { RevisionHasher } from './revision-hasher.ts';
import { FINISHED_COMPACT_REV, encodeMetaRevision } from './meta.ts';
import { encodeRevision, revisionIsTombstone, revisionMain, revisionSub } from './revision.ts';
import type { WriteBuffer } from './write-buffer.ts';

export interface CompactionPlan {
  /** The compaction that finished last, or -1: its own rows may hold tombstones that die only now. */
  readonly from: number;
  /** The revision to compact at. */
  readonly to: number;
  /** Whether to hash the history in between before it is deleted. Only when all of it is still there. */
  readonly hashes: boolean;
  /** All is deleted. Called before the job's last step returns. */
  readonly onFinished: (revision: number, hash: CompactionHash | undefined, deletedRows: number) => void;
  readonly onClose: () => void;
}

interface DeadVersion {
  readonly revKey: Uint8Array;
  readonly histKey: Uint8Array;
}

/** Its result is the revision compacted at. The deletes go through the write buffer, and count for its `bytes`. */
export class CompactionJob implements Job<number> {
  readonly #buffer: WriteBuffer;
  readonly #plan: CompactionPlan;
  readonly #hasher: RevisionHasher | undefined;
  /** Every row of `rev` before this is done. */
  #position: Uint8Array;
  #finished = false;
  readonly #keyTaker = new KeyTaker();
  /** Versions and tombstones. */
  #deletedRows = 0;

  constructor(buffer: WriteBuffer, plan: CompactionPlan) {
    this.#buffer = buffer;
    this.#plan = plan;
    this.#position = encodeRevision(Math.max(plan.from, 0), 0);
    const { from: compactRevision, to: hashRevision } = plan;
    if (plan.hashes) this.#hasher = new RevisionHasher({ hashRevision, compactRevision }, { tombstonesAreKept: true });
  }

  step(units: number): boolean {
    if (this.#finished) return true;
    if (this.#hasher !== undefined && !this.#hasher.done) {
      this.#hasher.work(this.#buffer, units);
      return false;
    }
    const dead: DeadVersion[] = [];
    const atEnd = this.#collect(units, dead);
    // Only now: a cursor is invalid once the buffer is written to.
    for (const version of dead) {
      this.#buffer.delete('rev', version.revKey);
      this.#buffer.delete('hist', version.histKey);
    }
    this.#deletedRows += dead.length;
    if (atEnd) this.#finish();
    return this.#finished;
  }

  result(): number {
    assert(this.#finished, 'result of an unfinished compaction');
    return this.#plan.to;
  }

  close(): void {
    this.#plan.onClose();
  }

  /** Looks at up to `units` rows; true when there are no more. */
  #collect(units: number, dead: DeadVersion[]): boolean {
    const rows = this.#buffer.cursor('rev');
    const history = this.#buffer.cursor('hist');
    let more = rows.seek(this.#position);
    let last: Uint8Array | undefined;
    for (let done = 0; more && done < units; done++) {
      const revKey = rows.key;
      more = revisionMain(revKey) <= this.#plan.to;
      if (!more) break;
      last = revKey;
      rows.lendValue(this.#keyTaker);
      this.#collectRow(revKey, this.#keyTaker.key, history, dead);
      more = rows.next();
    }
    if (last !== undefined) this.#position = successor(last);
    rows.close();
    history.close();
    return !more;
  }

  #collectRow(revKey: Uint8Array, key: Uint8Array, history: Cursor, dead: DeadVersion[]): void {
    const main = revisionMain(revKey);
    const own = histKey(key, main, revisionSub(revKey));
    if (revisionIsTombstone(revKey) && main < this.#plan.to) dead.push({ revKey, histKey: own });
    if (!history.seek(successor(own))) return;
    const row = history.key;
    if (!histSameKey(row, own)) return;
    const predecessor = encodeRevision(histMain(row), histSub(row), histIsTombstone(history.value));
    dead.push({ revKey: predecessor, histKey: row });
  }

  #finish(): void {
    this.#finished = true;
    this.#buffer.put('meta', FINISHED_COMPACT_REV, encodeMetaRevision(this.#plan.to));
    const { from: compactRevision, to: hashRevision } = this.#plan;
    const hasher = this.#hasher;
    const hash = hasher && { hash: hasher.hash, twin: hasher.twin, hashRevision, compactRevision };
    this.#plan.onFinished(this.#plan.to, hash, this.#deletedRows);
  }
}
