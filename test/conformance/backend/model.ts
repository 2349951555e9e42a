/** A Backend as slow and as plain as can be: a map per table, sorted when asked. */
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import type { Table, WriteBatch } from '../../../src/mvcc/backend.ts';

interface Row {
  key: Uint8Array;
  value: Uint8Array;
}

/** By one char per byte, so that the order of strings is that of bytes. */
type Rows = Map<string, Uint8Array>;

export class BackendModel {
  readonly #tables: Map<string, Rows>;

  constructor(tables: Map<string, Rows> = new Map()) {
    this.#tables = tables;
  }

  clone(): BackendModel {
    return new BackendModel(new Map([...this.#tables].map(([table, rows]) => [table, new Map(rows)])));
  }

  apply(batch: WriteBatch): void {
    for (let i = 0; i < batch.size; i++) {
      const rows = this.#rows(batch.tables[i]!);
      const key = toBinaryString(batch.keys[i]!);
      const value = batch.values[i];
      if (value === undefined) rows.delete(key);
      else rows.set(key, value);
    }
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#rows(table).get(toBinaryString(key));
  }

  /** From `from` on. */
  scan(table: Table, from: Uint8Array): Row[] {
    const start = toBinaryString(from);
    return this.#sorted(table)
      .filter((key) => key >= start)
      .map((key) => this.#row(table, key));
  }

  last(table: Table, before: Uint8Array): Row | undefined {
    const end = toBinaryString(before);
    const key = this.#sorted(table).findLast((key) => key < end);
    return key === undefined ? undefined : this.#row(table, key);
  }

  #row(table: Table, key: string): Row {
    return { key: fromBinaryString(key), value: this.#rows(table).get(key)! };
  }

  #rows(table: Table): Rows {
    let rows = this.#tables.get(table);
    if (rows === undefined) this.#tables.set(table, (rows = new Map()));
    return rows;
  }

  #sorted(table: Table): string[] {
    return [...this.#rows(table).keys()].sort();
  }
}
