/**
 * The durable, ordered key-value store below MVCC. Two adapters: LMDB and memory, held to one conformance suite.
 * Keys are byte strings of any length (the empty one excepted), values byte strings of any length; order is memcmp order.
 */

/**
 * rev      17- or 18-byte revision key (see revision.ts)  -> mvccpb.KeyValue bytes; exactly etcd's bucket `key`
 * cur      user key                                       -> where its newest live version is (see key-index.ts)
 * hist     escaped user key + inverted revision           -> one row per version, newest first (see key-index.ts)
 * blocks   first key of a run of live keys                -> how many there are (see count-index.ts)
 * leaseKeys  8-byte lease id + user key                   -> empty; the keys attached to a lease
 * meta, lease, alarm, cluster, members, membersRemoved, auth, authUsers, authRoles: as etcd's buckets of that name
 */
export const TABLES = [
  'rev',
  'cur',
  'hist',
  'blocks',
  'leaseKeys',
  'meta',
  'lease',
  'alarm',
  'cluster',
  'members',
  'membersRemoved',
  'auth',
  'authUsers',
  'authRoles',
] as const;
export type Table = (typeof TABLES)[number];

/** Moves over the rows of one table in key order. Invalid once its view is closed. */
export interface Cursor {
  /** Goes to the first row with key >= `key` and returns whether there is one. */
  seek(key: Uint8Array): boolean;
  /** Goes to the next row; false at the end. Only after a seek or next that returned true. */
  next(): boolean;
  /** Of the current row. The bytes are the caller's: they are never changed or reused afterwards. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** As `value`, for values that are only looked at or copied somewhere else: walks over many rows leave no garbage. */
  lendValue(borrower: Borrower): void;
}

/** Gets a value without owning it: `bytes` from `start` to `end` are valid during the call only. */
export interface Borrower {
  take(bytes: Uint8Array, start: number, end: number): void;
}

/** Point reads and scans of the tables. */
export interface Reader {
  get(table: Table, key: Uint8Array): Uint8Array | undefined;
  /** As get, for values that are only copied somewhere else; false when there is no such row. */
  lend(table: Table, key: Uint8Array, borrower: Borrower): boolean;
  cursor(table: Table): Cursor;
  /** The last row with key < `before` (undefined: the last row of the table). */
  last(table: Table, before?: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined;
}

/** Reads that all see one commit, whatever is committed meanwhile. Pins old pages: close it, and soon. */
export interface BackendView extends Reader {
  close(): void;
}

/** What one commit changes. Later operations on a key win over earlier ones. */
export interface Batch {
  /** How many operations there are. */
  readonly size: number;
  /** All of them, from the first; each call begins anew. */
  operations(): Operations;
}

/** Goes over the operations of a batch one by one, so that whoever commits it can stop in between. */
export interface Operations {
  /** Goes to the next operation, at first to the first; false when there are no more. */
  next(): boolean;
  /** Of the current operation; an undefined value deletes the row. */
  readonly table: Table;
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** A batch that is put together operation by operation. */
export class WriteBatch implements Batch {
  readonly tables: Table[] = [];
  readonly keys: Uint8Array[] = [];
  /** undefined deletes the row. */
  readonly values: (Uint8Array | undefined)[] = [];

  get size(): number {
    return this.keys.length;
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.tables.push(table);
    this.keys.push(key);
    this.values.push(value);
  }

  delete(table: Table, key: Uint8Array): void {
    this.tables.push(table);
    this.keys.push(key);
    this.values.push(undefined);
  }

  operations(): Operations {
    let at = -1;
    const { tables, keys, values } = this;
    return {
      next: () => ++at < keys.length,
      get table() {
        return tables[at] as Table;
      },
      get key() {
        return keys[at] as Uint8Array;
      },
      get value() {
        return values[at];
      },
    };
  }
}

export interface Backend {
  /** Sees every commit whose `done` was called. */
  view(): BackendView;
  /**
   * Applies the batch atomically; `done` is called without an error once it is durable. One at a time: not before the
   * previous `done`. After an error the backend is unusable.
   */
  commit(batch: Batch, done: (error: Error | undefined) => void): void;
  /** Whether a commit or a defragmentation is under way, or was a moment ago: the disk is busy. */
  readonly isWriting: boolean;
  /** Bytes allocated on disk. */
  sizeBytes(): number;
  /** Bytes allocated less those free for reuse. */
  sizeInUseBytes(): number;
  /**
   * Rewrites the store without its free pages, while reads go on. The caller commits nothing until `done`. Views opened
   * before stay valid until closed.
   */
  defragment(done: (error: Error | undefined) => void): void;
  /** After every view is closed. */
  close(): void;
}
