/** The rows of layers as a batch that is read where they are: putting it together costs nothing, whatever it holds. */
import type { SortedMap, SortedMapCursor } from '../base/sorted-map.ts';
import type { Batch, Operations, Table } from './backend.ts';
import { DELETED, type Layer } from './overlay.ts';

export class LayersBatch implements Batch {
  readonly size: number;
  /** In the order in which they are written: of equal keys the newest layer's row comes last. */
  readonly #parts: readonly TableRows[];

  /** `layers`, newest first, must not change as long as the batch is used. */
  constructor(layers: readonly Layer[]) {
    this.size = layers.reduce((sum, layer) => sum + layer.rows, 0);
    this.#parts = layers.toReversed().flatMap(({ tables }) => [...tables].map(([table, rows]) => ({ table, rows })));
  }

  operations(): Operations {
    return new LayersOperations(this.#parts);
  }
}

interface TableRows {
  readonly table: Table;
  readonly rows: SortedMap<Uint8Array>;
}

class LayersOperations implements Operations {
  readonly #parts: readonly TableRows[];
  #at = -1;
  /** Of the part that #at is on. */
  #cursor: SortedMapCursor<Uint8Array> | undefined;

  constructor(parts: readonly TableRows[]) {
    this.#parts = parts;
  }

  get table(): Table {
    return (this.#parts[this.#at] as TableRows).table;
  }

  get key(): Uint8Array {
    return (this.#cursor as SortedMapCursor<Uint8Array>).key;
  }

  get value(): Uint8Array | undefined {
    const { value } = this.#cursor as SortedMapCursor<Uint8Array>;
    return value === DELETED ? undefined : value;
  }

  next(): boolean {
    if (this.#cursor?.next() === true) return true;
    for (;;) {
      const part = this.#parts[++this.#at];
      if (part === undefined) return false;
      this.#cursor = part.rows.cursor();
      // A key is never empty, so this is the first row.
      if (this.#cursor.seek(DELETED)) return true;
    }
  }
}
