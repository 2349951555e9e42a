/** What the cases of the backend suite share. */
import { must } from '../../../src/base/assert.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { WriteBatch } from '../../../src/mvcc/backend.ts';
import type { Backend, BackendView, Cursor, Table } from '../../../src/mvcc/backend.ts';

/** Gives the backend of the test that runs. */
export type Subject = () => Backend;

export function bytes(...parts: (string | number | number[])[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from([part].flat()))),
    ),
  );
}

export function commit(backend: Backend, fill: (batch: WriteBatch) => void): Promise<void> {
  const batch = new WriteBatch();
  fill(batch);
  return commitBatch(backend, batch);
}

export function commitBatch(backend: Backend, batch: WriteBatch): Promise<void> {
  return new Promise((resolve, reject) => {
    backend.commit(batch, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

export function defragment(backend: Backend): Promise<void> {
  return new Promise((resolve, reject) => {
    backend.defragment((error) => (error === undefined ? resolve() : reject(error)));
  });
}

export function withView<T>(backend: Backend, read: (view: BackendView) => T): T {
  const view = backend.view();
  try {
    return read(view);
  } finally {
    view.close();
  }
}

export type Rows = [key: string, value: string][];

/** Every row as hex, from `from` on. */
export function scan(view: BackendView, table: Table, from: Uint8Array = new Uint8Array(1)): Rows {
  const rows: Rows = [];
  const cursor = view.cursor(table);
  for (let on = cursor.seek(from); on; on = cursor.next()) {
    const value = toHex(lent(cursor));
    rows.push([toHex(cursor.key), toHex(cursor.value)]);
    if (toHex(cursor.value) !== value) throw new Error(`of row ${toHex(cursor.key)} the value ${value} was lent`);
  }
  return rows;
}

/** A copy of the current row's value, as it is lent. */
export function lent(cursor: Cursor): Uint8Array {
  let value: Uint8Array | undefined;
  cursor.lendValue({ take: (from, start, end) => (value = from.slice(start, end)) });
  return must(value, 'value lent');
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString('latin1');
}

/** `length` equal bytes, then `last`. */
export function longKey(length: number, last: number, fill = 0x61): Uint8Array {
  const key = new Uint8Array(length + 1).fill(fill);
  key[length] = last;
  return key;
}
