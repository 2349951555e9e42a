/**
 * What a member is to hold: every version of every key since the beginning, so that any revision can be asked for, whatever
 * was compacted. Slow and simple.
 */
import { fromBinaryString } from '../../../src/base/bytes.ts';
import { crc32c } from '../../../src/base/crc32c.ts';
import { encodeKeyValue } from '../../../src/gen/mvccpb.ts';
import { encodeRevision } from '../../../src/mvcc/revision.ts';
import { inRange, type Version } from './versions.ts';

export class ReferenceStore {
  /** Of the last change; 1 at first. */
  revision = 1;
  /** As etcd: -1 before the first compaction. */
  compactRev = -1;
  /** Every change, in order. */
  readonly versions: Version[] = [];
  readonly #byKey = new Map<string, Version[]>();
  /** Where in `versions` a revision begins; by revision. */
  readonly #begins: number[] = [0, 0];
  #sub = 0;

  /** The key as it is now, changes of the open transaction included. */
  get(key: string): Version | undefined {
    const last = this.#byKey.get(key)?.at(-1);
    return last?.isTombstone === true ? undefined : last;
  }

  at(key: string, revision: number): Version | undefined {
    const last = this.#byKey.get(key)?.findLast(({ main }) => main <= revision);
    return last?.isTombstone === true ? undefined : last;
  }

  /** Live keys of a range at a revision, in key order. */
  range(key: string, end: string, revision: number): Version[] {
    const found: Version[] = [];
    for (const name of this.#byKey.keys()) {
      if (!inRange(name, key, end)) continue;
      const version = this.at(name, revision);
      if (version !== undefined) found.push(version);
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** What revision `revision` changed. */
  changes(revision: number): readonly Version[] {
    return this.versions.slice(this.#begins[revision], this.#begins[revision + 1]);
  }

  /** The revision that reads see while a transaction is open. */
  get openRevision(): number {
    return this.#sub === 0 ? this.revision : this.revision + 1;
  }

  put(key: string, value: string, lease: bigint): void {
    const old = this.get(key);
    const main = this.revision + 1;
    const createRevision = old?.createRevision ?? main;
    const version = (old?.version ?? 0) + 1;
    this.#add({ key, main, sub: this.#sub, isTombstone: false, createRevision, version, value, lease });
  }

  /** Returns what was deleted, in key order. */
  delete(key: string, end: string): Version[] {
    const gone = this.range(key, end, this.openRevision);
    for (const { key: name } of gone) {
      const main = this.revision + 1;
      const nothing = { createRevision: 0, version: 0, value: '', lease: 0n };
      this.#add({ key: name, main, sub: this.#sub, isTombstone: true, ...nothing });
    }
    return gone;
  }

  /** Ends the transaction that puts and deletes began. */
  commit(): void {
    if (this.#sub === 0) return;
    this.#sub = 0;
    this.revision++;
    this.#begins[this.revision + 1] = this.versions.length;
  }

  keysOf(lease: bigint, revision: number): string[] {
    const attached: string[] = [];
    for (const key of this.#byKey.keys()) if (this.at(key, revision)?.lease === lease) attached.push(key);
    return attached.sort();
  }

  /** HashKV of revision `at` as a member sees it that was compacted at `compactRev`. */
  hash(at: number, compactRev: number): number {
    const kept = new Set(this.range('\0', '\0', at));
    return this.#hash(at, compactRev, kept);
  }

  /** What a compaction at `at` hashes on its way, the one before having been at `compactRev`. */
  compactionHash(at: number, compactRev: number): number {
    const kept = new Set(this.range('\0', '\0', at));
    for (const version of this.changes(at)) {
      if (version.isTombstone && this.#newest(version.key, at) === version) kept.add(version);
    }
    return this.#hash(at, compactRev, kept);
  }

  #hash(at: number, compactRev: number, kept: ReadonlySet<Version>): number {
    let crc = crc32c(0, fromBinaryString('key'));
    for (const version of this.versions) {
      if (version.main > at) break;
      if (version.main <= compactRev && !this.#counts(version, compactRev, kept)) continue;
      crc = crc32c(crc, encodeRevision(version.main, version.sub, version.isTombstone));
      crc = crc32c(crc, rowOf(version));
    }
    return crc;
  }

  /** Etcd leaves the rule out where a compaction would keep nothing: then all counts that the last one left. */
  #counts(version: Version, compactRev: number, kept: ReadonlySet<Version>): boolean {
    if (version.isTombstone) return false;
    return kept.size > 0 ? kept.has(version) : this.#newest(version.key, compactRev) === version;
  }

  #newest(key: string, revision: number): Version | undefined {
    return this.#byKey.get(key)?.findLast(({ main }) => main <= revision);
  }

  #add(version: Version): void {
    this.#sub++;
    this.versions.push(version);
    const ofKey = this.#byKey.get(version.key);
    if (ofKey === undefined) this.#byKey.set(version.key, [version]);
    else ofKey.push(version);
  }
}

function rowOf(version: Version): Uint8Array {
  const key = fromBinaryString(version.key);
  if (version.isTombstone) return encodeKeyValue({ key });
  const { createRevision, main: modRevision, version: count, value, lease } = version;
  return encodeKeyValue({
    key,
    createRevision,
    modRevision,
    version: count,
    value: fromBinaryString(value),
    lease,
  });
}
