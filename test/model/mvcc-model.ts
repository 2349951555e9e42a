/**
 * MVCC told in the simplest way: the list of all versions ever written, and every question answered by walking it.
 * Keys and values are latin-1 strings, one char per byte, so that they compare as bytes do.
 */
import { fromBinaryString } from '../../src/base/bytes.ts';
import { crc32c } from '../../src/base/crc32c.ts';
import { EtcdError, etcdError } from '../../src/base/etcd-error.ts';
import { encodeKeyValue } from '../../src/gen/mvccpb.ts';
import { encodeRevision } from '../../src/mvcc/revision.ts';

export interface ModelVersion {
  readonly key: string;
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
  readonly createRevision: number;
  readonly version: number;
  readonly value: string;
  readonly lease: bigint;
}

export interface ModelQuery {
  key: string;
  rangeEnd: string;
  limit: number;
  revision: number;
  sortOrder: number;
  sortTarget: number;
  keysOnly: boolean;
  countOnly: boolean;
  minModRevision: number;
  maxModRevision: number;
  minCreateRevision: number;
  maxCreateRevision: number;
}

export interface ModelResult {
  kvs: ModelVersion[];
  count: number;
  more: boolean;
  revision: number;
}

export interface ModelHash {
  readonly hash: number;
  readonly compactRev: number;
  readonly revision: number;
}

export function modelQuery(key: string, rangeEnd = '', rest: Partial<ModelQuery> = {}): ModelQuery {
  return {
    key,
    rangeEnd,
    limit: 0,
    revision: 0,
    sortOrder: 0,
    sortTarget: 0,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...rest,
  };
}

export function inInterval(key: string, start: string, rangeEnd: string): boolean {
  if (rangeEnd === '') return key === start;
  if (rangeEnd === '\0') return key >= start;
  return key >= start && key < rangeEnd;
}

export class MvccModel {
  /** Every version ever written, in order of revision. */
  readonly versions: ModelVersion[] = [];
  /** Those that a store which compacts at once still holds. */
  rows: ModelVersion[] = [];
  currentRev = 1;
  compactRev = -1;
  /** What compactions hashed; the owner says which of them did. */
  readonly compactionHashes: ModelHash[] = [];
  /** Changes of the open write transaction. */
  #changes = 0;

  /** The revision that reads in the open transaction see. */
  get revision(): number {
    return this.#changes === 0 ? this.currentRev : this.currentRev + 1;
  }

  put(key: string, value: string, lease: bigint): void {
    const previous = this.liveAt(this.revision).get(key);
    const main = this.currentRev + 1;
    const createRevision = previous?.createRevision ?? main;
    const version = (previous?.version ?? 0) + 1;
    this.#add({ key, main, sub: this.#changes, tombstone: false, createRevision, version, value, lease });
  }

  deleteRange(key: string, rangeEnd: string): number {
    const keys = [...this.liveAt(this.revision).keys()].filter((live) => inInterval(live, key, rangeEnd)).sort(byKey);
    for (const live of keys) {
      const main = this.currentRev + 1;
      const gone = { createRevision: 0, version: 0, value: '', lease: 0n };
      this.#add({ key: live, main, sub: this.#changes, tombstone: true, ...gone });
    }
    return keys.length;
  }

  end(): void {
    if (this.#changes > 0) this.currentRev++;
    this.#changes = 0;
  }

  liveAt(revision: number): Map<string, ModelVersion> {
    const live = new Map<string, ModelVersion>();
    for (const version of this.versions) {
      if (version.main > revision) break;
      if (version.tombstone) live.delete(version.key);
      else live.set(version.key, version);
    }
    return live;
  }

  range(query: ModelQuery): ModelResult {
    if (query.revision > this.revision) throw etcdError('FutureRev');
    const at = query.revision <= 0 ? this.revision : query.revision;
    if (at < this.compactRev) throw etcdError('Compacted');
    const all = [...this.liveAt(at).values()].filter(({ key }) => inInterval(key, query.key, query.rangeEnd));
    all.sort((a, b) => byKey(a.key, b.key));
    const count = all.length;
    if (query.countOnly) return { kvs: [], count, more: false, revision: this.revision };

    const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision, limit } = query;
    const filtered = minModRevision !== 0 || maxModRevision !== 0 || minCreateRevision !== 0 || maxCreateRevision !== 0;
    let kvs = all;
    if (limit > 0 && query.sortOrder === 0 && !filtered) kvs = kvs.slice(0, limit + 1);
    kvs = kvs.filter(
      ({ main, createRevision }) =>
        !(maxModRevision !== 0 && main > maxModRevision) &&
        !(minModRevision !== 0 && main < minModRevision) &&
        !(maxCreateRevision !== 0 && createRevision > maxCreateRevision) &&
        !(minCreateRevision !== 0 && createRevision < minCreateRevision),
    );
    kvs = sorted(kvs, query);
    const more = limit > 0 && kvs.length > limit;
    if (more) kvs = kvs.slice(0, limit);
    if (query.keysOnly) kvs = kvs.map((kv) => ({ ...kv, value: '' }));
    return { kvs, count, more, revision: this.revision };
  }

  /** Returns what a compaction that hashes has hashed. */
  compact(revision: number): ModelHash {
    if (revision <= this.compactRev) throw etcdError('Compacted');
    if (revision > this.currentRev) throw etcdError('FutureRev');
    const newest = new Map<string, ModelVersion>();
    for (const version of this.rows) if (version.main <= revision) newest.set(version.key, version);
    const keep = new Set([...newest.values()].filter((version) => !version.tombstone || version.main === revision));
    const hash = { hash: this.#hash(revision, keep), compactRev: this.compactRev, revision };
    this.compactRev = revision;
    this.rows = this.rows.filter((version) => version.main > revision || keep.has(version));
    return hash;
  }

  /** Etcd behaviour 2.11, word by word. */
  hashKv(revision: number): ModelHash {
    const made = this.compactionHashes.find((hash) => hash.revision === revision);
    if (made !== undefined) return made;
    if (revision > this.currentRev) throw etcdError('FutureRev');
    const at = revision <= 0 ? this.currentRev : revision;
    if (at < this.compactRev) throw etcdError('Compacted');
    const hash = this.#hash(at, new Set(this.liveAt(at).values()));
    return { hash, compactRev: this.compactRev, revision: at };
  }

  #hash(at: number, keep: ReadonlySet<ModelVersion>): number {
    let crc = crc32c(0, fromBinaryString('key'));
    for (const row of this.rows) {
      if (row.main > at) continue;
      if (row.main <= this.compactRev && keep.size > 0 && !keep.has(row)) continue;
      if (row.tombstone && row.main === this.compactRev) continue;
      crc = crc32c(crc, encodeRevision(row.main, row.sub, row.tombstone));
      crc = crc32c(crc, encodeModelRow(row));
    }
    return crc;
  }

  keysOf(lease: bigint): string[] {
    const attached = [...this.liveAt(this.revision).values()].filter((version) => version.lease === lease);
    return attached.map(({ key }) => key).sort(byKey);
  }

  /** The version that watchers get as prev_kv of a change. */
  prevOf(change: ModelVersion): ModelVersion | undefined {
    if (change.main - 1 < this.compactRev || change.createRevision === change.main) return undefined;
    return this.liveAt(change.main - 1).get(change.key);
  }

  #add(version: ModelVersion): void {
    this.versions.push(version);
    this.rows.push(version);
    this.#changes++;
  }
}

/** The bytes of a version's row in `rev`. */
export function encodeModelRow(version: ModelVersion): Uint8Array {
  if (version.tombstone) return encodeKeyValue({ key: fromBinaryString(version.key) });
  return encodeKeyValue({
    key: fromBinaryString(version.key),
    createRevision: version.createRevision,
    modRevision: version.main,
    version: version.version,
    value: fromBinaryString(version.value),
    lease: version.lease,
  });
}

/** Runs both; they must return, or throw the same etcd error. */
export function bothOrError<A, B>(a: () => A, b: () => B): { a: A; b: B } | { errors: [string, string] } {
  const ra = attempt(a);
  const rb = attempt(b);
  if (ra.error === undefined && rb.error === undefined) return { a: ra.value as A, b: rb.value as B };
  return { errors: [ra.error ?? 'no error', rb.error ?? 'no error'] };
}

function attempt<T>(run: () => T): { value?: T; error?: string } {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof EtcdError) return { error: error.message };
    throw error;
  }
}

function byKey(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sorted(kvs: ModelVersion[], { sortOrder, sortTarget }: ModelQuery): ModelVersion[] {
  const direction = sortOrder === 2 ? -1 : 1;
  if (sortTarget === 0 && sortOrder !== 2) return kvs;
  const compare = [
    (a: ModelVersion, b: ModelVersion) => byKey(a.key, b.key),
    (a: ModelVersion, b: ModelVersion) => a.version - b.version,
    (a: ModelVersion, b: ModelVersion) => a.createRevision - b.createRevision,
    (a: ModelVersion, b: ModelVersion) => a.main - b.main,
    (a: ModelVersion, b: ModelVersion) => byKey(a.value, b.value),
  ][sortTarget];
  if (compare === undefined) throw etcdError('InvalidSortOption');
  return [...kvs].sort((a, b) => direction * compare(a, b));
}
