/** Maintenance.Hash: a checksum over all of the database as etcd would hold it. */
import { assert } from '../base/assert.ts';
import { equalBytes } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';
import type { Job } from '../ports/job.ts';
import type { Table } from './backend.ts';
import { Checksum } from './borrowers.ts';
import { CURRENT_REVISION, MEMBER_IDENTITY } from './meta.ts';
import type { ScanCursor } from './overlay.ts';
import type { RangeSource } from './range.ts';
import type { Snapshot } from './write-buffer.ts';

/** etcd's buckets in byte order of their names, and the tables that hold their rows. */
const BUCKETS: readonly (readonly [string, Table])[] = [
  ['alarm', 'alarm'],
  ['auth', 'auth'],
  ['authRoles', 'authRoles'],
  ['authUsers', 'authUsers'],
  ['cluster', 'cluster'],
  ['key', 'rev'],
  ['lease', 'lease'],
  ['members', 'members'],
  ['members_removed', 'membersRemoved'],
  ['meta', 'meta'],
];

/** Rows of `meta` that etcd leaves out because they may differ between members, and those that etcd does not have. */
const IGNORED_META = [
  ...['term', 'consistent_index', 'storageVersion'].map(utf8Encode),
  CURRENT_REVISION,
  MEMBER_IDENTITY,
];

const FIRST_KEY = new Uint8Array([0]);

export interface BackendHash {
  readonly hash: number;
  /** The store's current revision at that moment. */
  readonly revision: number;
}

/** Hashes in slices; fixed by its first step. Pins the state from then on. */
export class BackendHashJob implements Job<BackendHash> {
  readonly #source: RangeSource;
  #snapshot: Snapshot | undefined;
  #revision = 0;
  #bucket = 0;
  /** On the last row done of the current bucket; undefined before its first. */
  #cursor: ScanCursor | undefined;
  readonly #checksum = new Checksum();

  constructor(source: RangeSource) {
    this.#source = source;
  }

  step(units: number): boolean {
    if (this.#snapshot === undefined) {
      this.#snapshot = this.#source.pin();
      this.#revision = this.#source.currentRev;
    }
    for (let left = units; left > 0; left--) {
      const bucket = BUCKETS[this.#bucket];
      if (bucket === undefined) break;
      this.#hashRow(this.#snapshot, ...bucket);
    }
    return this.#bucket === BUCKETS.length;
  }

  result(): BackendHash {
    assert(this.#bucket === BUCKETS.length, 'result of an unfinished hash');
    return { hash: this.#checksum.value, revision: this.#revision };
  }

  close(): void {
    this.#cursor?.close();
    this.#cursor = undefined;
    this.#snapshot?.release();
    this.#snapshot = undefined;
  }

  #hashRow(snapshot: Snapshot, name: string, table: Table): void {
    let found: boolean;
    if (this.#cursor === undefined) {
      this.#checksum.add(utf8Encode(name));
      this.#cursor = snapshot.cursor(table);
      found = this.#cursor.seek(FIRST_KEY);
    } else {
      found = this.#cursor.next();
    }
    if (!found) {
      this.#cursor.close();
      this.#cursor = undefined;
      this.#bucket++;
      return;
    }
    const key = this.#cursor.key;
    if (table === 'meta' && IGNORED_META.some((ignored) => equalBytes(ignored, key))) return;
    this.#checksum.add(key);
    this.#cursor.lendValue(this.#checksum);
  }
}
