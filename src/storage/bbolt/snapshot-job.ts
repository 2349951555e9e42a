/** Copies a pinned state of the store into a bbolt database, in slices. */
import { must } from '../../base/assert.ts';
import { EMPTY, compareBytes } from '../../base/bytes.ts';
import { utf8Encode } from '../../base/utf8.ts';
import type { Borrower, Cursor, Table } from '../../mvcc/backend.ts';
import type { Snapshot } from '../../mvcc/write-buffer.ts';
import type { Job } from '../../ports/job.ts';
import type { DatabaseWriter } from './database-writer.ts';

/** etcd's buckets in the order of their names, and our tables behind them. */
/** Of etcd's database, and the tables that hold the same here. */
export const BUCKETS: readonly { readonly name: string; readonly table: Table }[] = [
  { name: 'alarm', table: 'alarm' },
  { name: 'auth', table: 'auth' },
  { name: 'authRoles', table: 'authRoles' },
  { name: 'authUsers', table: 'authUsers' },
  { name: 'cluster', table: 'cluster' },
  { name: 'key', table: 'rev' },
  { name: 'lease', table: 'lease' },
  { name: 'members', table: 'members' },
  { name: 'members_removed', table: 'membersRemoved' },
  { name: 'meta', table: 'meta' },
];

/** Rows of bucket `meta`, by name; those of the table that are not etcd's are left out. */
export type MetaRows = ReadonlyMap<string, Uint8Array>;

/** Of table `meta`, what etcd knows and does not come from the caller. */
const META_KEPT = ['finishedCompactRev', 'scheduledCompactRev'];

export class SnapshotJob implements Job<number> {
  readonly #snapshot: Snapshot;
  readonly #writer: DatabaseWriter;
  readonly #meta: MetaRows;
  #bucket = 0;
  #cursor: Cursor | undefined;
  /** Of the row that is being copied. */
  #key: Uint8Array = EMPTY;
  readonly #addRow: Borrower = {
    take: (bytes, start, end) => this.#writer.add(this.#key, bytes.subarray(start, end)),
  };
  #sizeBytes: number | undefined;

  /** Takes the pin over: close() releases it. */
  constructor(snapshot: Snapshot, writer: DatabaseWriter, meta: MetaRows) {
    this.#snapshot = snapshot;
    this.#writer = writer;
    this.#meta = meta;
  }

  step(units: number): boolean {
    for (let left = units; left > 0; left--) {
      const bucket = BUCKETS[this.#bucket];
      if (bucket === undefined) {
        this.#sizeBytes = this.#writer.finish();
        return true;
      }
      if (!this.#copyRow(bucket.name, bucket.table)) this.#bucket++;
    }
    return false;
  }

  /** The size of the file in bytes. */
  result(): number {
    return must(this.#sizeBytes, 'size of an unfinished snapshot');
  }

  close(): void {
    this.#snapshot.release();
  }

  /** False when the bucket is complete. */
  #copyRow(name: string, table: Table): boolean {
    if (table === 'meta') {
      this.#copyMeta(name);
      return false;
    }
    if (this.#cursor === undefined) {
      this.#writer.beginBucket(name);
      this.#cursor = this.#snapshot.cursor(table);
      if (!this.#cursor.seek(new Uint8Array(1))) return this.#end();
    } else if (!this.#cursor.next()) {
      return this.#end();
    }
    this.#key = this.#cursor.key;
    this.#cursor.lendValue(this.#addRow);
    return true;
  }

  #end(): boolean {
    this.#cursor = undefined;
    this.#writer.endBucket();
    return false;
  }

  #copyMeta(name: string): void {
    const rows = new Map(this.#meta);
    for (const key of META_KEPT) {
      const value = this.#snapshot.get('meta', utf8Encode(key));
      if (value !== undefined) rows.set(key, value);
    }
    this.#writer.beginBucket(name);
    const sorted = [...rows].map(([key, value]) => ({ key: utf8Encode(key), value }));
    for (const { key, value } of sorted.sort((a, b) => compareBytes(a.key, b.key))) this.#writer.add(key, value);
    this.#writer.endBucket();
  }
}
