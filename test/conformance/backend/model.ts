/** A Backend as slow and as plain as can be: a map per table, sorted when asked. */
import { compareBytes, toHex } from '../../../src/base/bytes.ts';
import type { Table, WriteBatch } from '../../../src/mvcc/backend.ts';

export class BackendModel {
  readonly #tables: Map<string, Map<string, Uint8Array>>;

  constructor(tables: Map<string, Map<string, Uint8Array>> = new Map()) {
    this.#tables = tables;
  }

  clone(): BackendModel {
    return new BackendModel(new Map([...this.#tables].map(([table, rows]) => [table, new Map(rows)])));
  }

  apply(batch: WriteBatch): void {
    for (let i = 0; i < batch.size; i++) {
      const rows = this.#rows(batch.tables[i]!);
      const value = batch.values[i];
      if (value === undefined) rows.delete(toHex(batch.keys[i]!));
      else rows.set(toHex(batch.keys[i]!), value);
    }
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#rows(table).get(toHex(key));
  }

  /** Hex keys and values from `from` on. */
  scan(table: Table, from: Uint8Array): [string, string][] {
    return this.#sorted(table)
      .filter((key) => compareBytes(Buffer.from(key, 'hex'), from) >= 0)
      .map((key) => [key, toHex(this.#rows(table).get(key)!)]);
  }

  /** Hex key. */
  lastBefore(table: Table, before: Uint8Array): string | undefined {
    return this.#sorted(table).findLast((key) => compareBytes(Buffer.from(key, 'hex'), before) < 0);
  }

  #rows(table: Table): Map<string, Uint8Array> {
    let rows = this.#tables.get(table);
    if (rows === undefined) this.#tables.set(table, (rows = new Map()));
    return rows;
  }

  /** Hex order is byte order. */
  #sorted(table: Table): string[] {
    return [...this.#rows(table).keys()].sort();
  }
}
