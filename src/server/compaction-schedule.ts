/** When automatic compaction is due, and up to which revision: etcd's two modes (etcd-behaviour §2.6). Pure arithmetic. */
import { assert } from '../base/assert.ts';

/** What --auto-compaction-mode and --auto-compaction-retention ask for. */
export type AutoCompaction =
  | { readonly mode: 'periodic'; readonly retentionMs: number }
  | { readonly mode: 'revision'; readonly retentionRevisions: number };

/** Looked at every `intervalMs`, on every member: one that becomes the leader knows the past then. */
export interface CompactionSchedule {
  readonly intervalMs: number;
  /** Up to where to compact now; undefined: nothing is due. `rev` is the current revision. */
  due(nowMs: number, rev: number): number | undefined;
  /** What was due is done. Without this call it stays due at the next look. */
  done(nowMs: number, rev: number): void;
}

const HOUR_MS = 3_600_000;
/** Looks per compaction. */
const LOOKS = 10;
const REVISION_INTERVAL_MS = 300_000;

export function compactionSchedule(wanted: AutoCompaction, nowMs: number, rev: number): CompactionSchedule {
  return wanted.mode === 'periodic'
    ? new PeriodicSchedule(wanted.retentionMs, nowMs, rev)
    : new RevisionSchedule(wanted.retentionRevisions);
}

/**
 * Keeps the revisions of one retention back, sampled at each look. The first compaction comes after a whole retention, later
 * ones after at most an hour.
 */
class PeriodicSchedule implements CompactionSchedule {
  readonly intervalMs: number;
  readonly #compactEveryMs: number;
  readonly #samplesMax: number;
  /** Revisions at the last looks, the oldest first; at least one. */
  readonly #samples: number[];
  /** What has to pass after #doneMs. */
  #waitMs: number;
  #doneMs: number;
  #doneRev = 0;

  constructor(retentionMs: number, nowMs: number, rev: number) {
    assert(retentionMs > 0, 'a retention without length', { retentionMs });
    this.#compactEveryMs = Math.min(retentionMs, HOUR_MS);
    this.intervalMs = this.#compactEveryMs / LOOKS;
    this.#samplesMax = Math.floor(retentionMs / this.intervalMs + 1e-6) + 1;
    this.#samples = [rev];
    this.#waitMs = retentionMs;
    this.#doneMs = nowMs;
  }

  due(nowMs: number, rev: number): number | undefined {
    const [oldest = rev] = this.#samples;
    this.#samples.push(rev);
    if (this.#samples.length > this.#samplesMax) this.#samples.shift();
    // Ten intervals may add up to a little less than what they are a tenth of.
    const isTime = nowMs - this.#doneMs >= this.#waitMs - 1e-3;
    return isTime && oldest !== this.#doneRev ? oldest : undefined;
  }

  done(nowMs: number, rev: number): void {
    this.#doneMs = nowMs;
    this.#doneRev = rev;
    this.#waitMs = this.#compactEveryMs;
  }
}

/** Keeps so many revisions. */
class RevisionSchedule implements CompactionSchedule {
  readonly intervalMs = REVISION_INTERVAL_MS;
  readonly #retention: number;
  #doneRev = 0;

  constructor(retention: number) {
    assert(retention > 0, 'a retention without revisions', { retention });
    this.#retention = retention;
  }

  due(_nowMs: number, rev: number): number | undefined {
    const target = rev - this.#retention;
    return target > 0 && target !== this.#doneRev ? target : undefined;
  }

  done(_nowMs: number, rev: number): void {
    this.#doneRev = rev;
  }
}
