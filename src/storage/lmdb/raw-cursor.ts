/** A cursor over a stored table as LMDB sees it: keys no longer than LMDB allows. */
import { assert } from '../../base/assert.ts';
import type { Borrower } from '../../mvcc/backend.ts';
import type { Environment, StoredTable } from './environment.ts';
import {
  BACKWARD,
  FORWARD,
  currentRead,
  keyByte,
  lendValue,
  native,
  nativeIterate,
  nativePosition,
  nativeReread,
  takeKey,
  takeValue,
  valueBytes,
} from './native.ts';
import type { NativeCursor, NativeTxn } from './native.ts';

/** The cursors of one read transaction; they end before it does. */
export class RawCursors {
  readonly environment: Environment;
  readonly txn: NativeTxn;
  readonly #cursors: NativeCursor[] = [];
  readonly #scratch = new Map<StoredTable, RawCursor>();
  open = true;

  constructor(environment: Environment, txn: NativeTxn) {
    this.environment = environment;
    this.txn = txn;
  }

  create(table: StoredTable): RawCursor {
    assert(this.open, 'view used after close');
    const cursor = new native.Cursor(this.environment.table(table), this.txn.address);
    this.#cursors.push(cursor);
    return new RawCursor(this, cursor.address);
  }

  /** For one seek and what is taken at once: the same cursor is given to the next caller. */
  scratch(table: StoredTable): RawCursor {
    const cursor = this.#scratch.get(table) ?? this.create(table);
    this.#scratch.set(table, cursor);
    return cursor;
  }

  close(): void {
    assert(this.open, 'view closed twice');
    this.open = false;
    for (const cursor of this.#cursors) cursor.close();
  }
}

export class RawCursor {
  readonly #owner: RawCursors;
  readonly #address: number;
  /** The read that brought the current row into the shared buffers; it may have been overwritten since. */
  #read = -1;
  #valueBytes = 0;
  /** Length of the current row's key; 0: on no row. */
  keyBytes = 0;

  constructor(owner: RawCursors, address: number) {
    this.#owner = owner;
    this.#address = address;
  }

  /** To the first row with key >= `key`. */
  seek(key: Uint8Array): boolean {
    assert(this.#owner.open, 'view used after close');
    return this.#arrive(nativePosition(this.#address, FORWARD, key));
  }

  /** To the last row with key < `key`; the last of all for an empty key. */
  seekBefore(key: Uint8Array): boolean {
    assert(this.#owner.open, 'view used after close');
    return this.#arrive(nativePosition(this.#address, BACKWARD, key));
  }

  /** On, in the direction of the last seek. */
  next(): boolean {
    assert(this.#owner.open && this.keyBytes > 0, 'cursor is on no row');
    return this.#arrive(nativeIterate(this.#address));
  }

  startsWith(prefix: Uint8Array): boolean {
    if (this.keyBytes < prefix.length) return false;
    this.#reread();
    for (let i = 0; i < prefix.length; i++) if (keyByte(i) !== prefix[i]) return false;
    return true;
  }

  takeKey(): Uint8Array {
    this.#reread();
    return takeKey(this.keyBytes);
  }

  takeValue(): Uint8Array {
    this.#reread();
    return takeValue(this.#valueBytes);
  }

  lendValue(borrower: Borrower): void {
    this.#reread();
    lendValue(this.#valueBytes, borrower);
  }

  #arrive(keyBytes: number): boolean {
    this.#read = currentRead();
    this.#valueBytes = valueBytes();
    this.keyBytes = keyBytes;
    return keyBytes > 0;
  }

  #reread(): void {
    if (this.#read === currentRead()) return;
    assert(this.#owner.open && this.keyBytes > 0, 'cursor is on no row');
    this.#arrive(nativeReread(this.#address));
  }
}
