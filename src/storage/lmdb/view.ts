/** A read transaction of a data file as a BackendView. */
import { assert } from '../../base/assert.ts';
import type { BackendView, Borrower, Cursor, Table } from '../../mvcc/backend.ts';
import { LmdbCursor } from './cursor.ts';
import type { Environment } from './environment.ts';
import { lastRow } from './last-row.ts';
import { getLong, isLongKey } from './long-keys.ts';
import { lendValue, nativeGet, takeValue } from './native.ts';
import type { NativeTxn } from './native.ts';
import { RawCursors } from './raw-cursor.ts';

export class LmdbView implements BackendView {
  readonly environment: Environment;
  readonly #txn: NativeTxn;
  readonly #cursors: RawCursors;
  readonly #closed: (view: LmdbView) => void;

  constructor(environment: Environment, closed: (view: LmdbView) => void) {
    this.environment = environment;
    this.#txn = environment.beginTxn();
    this.#cursors = new RawCursors(environment, this.#txn);
    this.#closed = closed;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    assert(this.#cursors.open, 'view used after close');
    if (isLongKey(key)) return getLong(this.environment, this.#txn, table, key);
    if (key.length === 0) return undefined;
    const size = nativeGet(this.environment.table(table).address, this.#txn.address, key);
    return size === undefined ? undefined : takeValue(size);
  }

  lend(table: Table, key: Uint8Array, borrower: Borrower): boolean {
    assert(this.#cursors.open, 'view used after close');
    if (isLongKey(key) || key.length === 0) {
      const value = this.get(table, key);
      if (value !== undefined) borrower.take(value, 0, value.length);
      return value !== undefined;
    }
    const size = nativeGet(this.environment.table(table).address, this.#txn.address, key);
    if (size !== undefined) lendValue(size, borrower);
    return size !== undefined;
  }

  cursor(table: Table): Cursor {
    return new LmdbCursor(this.#cursors, table);
  }

  last(table: Table, before?: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined {
    assert(this.#cursors.open, 'view used after close');
    return lastRow(this.#cursors, table, before);
  }

  close(): void {
    this.#cursors.close();
    this.environment.endTxn(this.#txn);
    this.#closed(this);
  }
}
