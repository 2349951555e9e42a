/** Rows in memory over rows in the backend: what the write buffer and its snapshots read through. */
import { assert } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';
import { SortedMap, type SortedMapCursor } from '../base/sorted-map.ts';
import type { Borrower, Cursor, Reader, Table } from './backend.ts';

/** Stands for a deleted row; told from an empty value by identity. */
export const DELETED: Uint8Array = new Uint8Array(0);

/** What a row costs beside its bytes: slots, typed array headers. */
const ROW_OVERHEAD_BYTES = 160;

/** A cursor that goes back to where it came from: close it, so that a view does not gather them. */
export interface ScanCursor extends Cursor {
  /** Once; nothing of the cursor is used afterwards, but bytes taken from it stay good. */
  close(): void;
}

export interface ScanReader extends Reader {
  cursor(table: Table): ScanCursor;
}

/** Lends out a view's cursors: the view keeps every cursor it ever made until it is closed itself. */
export class CursorPool {
  readonly #view: Reader;
  readonly #idle = new Map<Table, Cursor[]>();

  constructor(view: Reader) {
    this.#view = view;
  }

  take(table: Table): Cursor {
    return this.#idle.get(table)?.pop() ?? this.#view.cursor(table);
  }

  giveBack(table: Table, cursor: Cursor): void {
    const idle = this.#idle.get(table);
    if (idle === undefined) this.#idle.set(table, [cursor]);
    else idle.push(cursor);
  }
}

/** Changed rows of all tables. */
export class Layer {
  readonly tables = new Map<Table, SortedMap<Uint8Array>>();
  /** How many rows, and about how many bytes they hold. */
  rows = 0;
  bytes = 0;

  set(table: Table, key: Uint8Array, value: Uint8Array): void {
    let map = this.tables.get(table);
    if (map === undefined) {
      map = new SortedMap();
      this.tables.set(table, map);
    }
    const previous = map.set(key, value);
    if (previous === undefined) {
      this.rows++;
      this.bytes += key.length + value.length + ROW_OVERHEAD_BYTES;
    } else {
      this.bytes += value.length - previous.length;
    }
  }

  /** A new layer with the rows of both; `this` wins. */
  over(older: Layer): Layer {
    const out = new Layer();
    for (const table of new Set([...this.tables.keys(), ...older.tables.keys()])) {
      const newerRows = this.tables.get(table);
      const olderRows = older.tables.get(table);
      if (newerRows === undefined || olderRows === undefined) {
        (newerRows ?? olderRows)?.forEach((key, value) => out.set(table, key, value));
      } else {
        mergeInOrder(newerRows, olderRows, (key, value) => out.set(table, key, value));
      }
    }
    return out;
  }
}

function mergeInOrder(
  newer: SortedMap<Uint8Array>,
  older: SortedMap<Uint8Array>,
  add: (key: Uint8Array, value: Uint8Array) => void,
): void {
  const a = newer.cursor();
  const b = older.cursor();
  a.seek(DELETED);
  b.seek(DELETED);
  while (a.live || b.live) {
    const order = !a.live ? 1 : !b.live ? -1 : compareBytes(a.key, b.key);
    if (order <= 0) add(a.key, a.value);
    else add(b.key, b.value);
    if (order <= 0) a.next();
    if (order >= 0) b.next();
  }
}

/** Reads a stack of layers, newest first, over a base. */
export class LayeredReader implements ScanReader {
  readonly layers: readonly Layer[];
  readonly #base: Reader;
  readonly #cursors: CursorPool;

  constructor(layers: readonly Layer[], base: Reader, cursors: CursorPool) {
    this.layers = layers;
    this.#base = base;
    this.#cursors = cursors;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    for (const layer of this.layers) {
      const value = layer.tables.get(table)?.get(key);
      if (value !== undefined) return value === DELETED ? undefined : value;
    }
    return this.#base.get(table, key);
  }

  lend(table: Table, key: Uint8Array, borrower: Borrower): boolean {
    for (const layer of this.layers) {
      const value = layer.tables.get(table)?.get(key);
      if (value === undefined) continue;
      if (value === DELETED) return false;
      borrower.take(value, 0, value.length);
      return true;
    }
    return this.#base.lend(table, key, borrower);
  }

  cursor(table: Table): ScanCursor {
    const overlays: SortedMapCursor<Uint8Array>[] = [];
    for (const layer of this.layers) {
      const rows = layer.tables.get(table);
      if (rows !== undefined) overlays.push(rows.cursor());
    }
    return new OverlayCursor(overlays, table, this.#cursors);
  }

  last(table: Table, before?: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined {
    let bound = before;
    for (;;) {
      let found = this.#base.last(table, bound);
      // Oldest first, and >=: of equal keys the newest layer's row wins.
      for (let i = this.layers.length - 1; i >= 0; i--) {
        const candidate = this.layers[i]?.tables.get(table)?.last(bound);
        if (candidate === undefined) continue;
        if (found === undefined || compareBytes(candidate.key, found.key) >= 0) found = candidate;
      }
      if (found === undefined || found.value !== DELETED) return found;
      bound = found.key;
    }
  }
}

/** Merges the cursors of layers, newest first, with the base's: of equal keys the newest wins, deleted rows are passed. */
class OverlayCursor implements ScanCursor {
  readonly #overlays: readonly SortedMapCursor<Uint8Array>[];
  readonly #table: Table;
  readonly #pool: CursorPool;
  readonly #base: Cursor;
  #closed = false;
  #baseLive = false;
  /** The base cursor's key while it is live and an overlay is too: reading it may be costly. */
  #baseKey: Uint8Array = DELETED;
  /** The layer whose row is the current one; undefined when it is the base's. */
  #current: SortedMapCursor<Uint8Array> | undefined;
  /** Whether any overlay cursor is live; if not, the base alone is left. */
  #overlayLive = false;

  constructor(overlays: readonly SortedMapCursor<Uint8Array>[], table: Table, pool: CursorPool) {
    this.#overlays = overlays;
    this.#table = table;
    this.#pool = pool;
    this.#base = pool.take(table);
  }

  close(): void {
    assert(!this.#closed, 'cursor closed twice');
    this.#closed = true;
    this.#pool.giveBack(this.#table, this.#base);
  }

  get key(): Uint8Array {
    return this.#current === undefined ? this.#base.key : this.#current.key;
  }

  get value(): Uint8Array {
    return this.#current === undefined ? this.#base.value : this.#current.value;
  }

  lendValue(borrower: Borrower): void {
    if (this.#current === undefined) {
      this.#base.lendValue(borrower);
      return;
    }
    const { value } = this.#current;
    borrower.take(value, 0, value.length);
  }

  seek(key: Uint8Array): boolean {
    assert(!this.#closed, 'closed cursor used');
    if (this.#overlays.length === 0) return this.#base.seek(key);
    for (const overlay of this.#overlays) overlay.seek(key);
    this.#baseMoved(this.#base.seek(key));
    return this.#settle();
  }

  next(): boolean {
    assert(!this.#closed, 'closed cursor used');
    if (!this.#overlayLive) return this.#base.next();
    if (this.#current === undefined) this.#baseMoved(this.#base.next());
    else this.#pass(this.#current.key);
    return this.#settle();
  }

  #baseMoved(live: boolean): void {
    this.#baseLive = live;
    if (live) this.#baseKey = this.#base.key;
  }

  /** Finds the row to stand on at or after where the sources are. */
  #settle(): boolean {
    for (;;) {
      const overlay = this.#least();
      this.#current = undefined;
      this.#overlayLive = overlay !== undefined;
      if (overlay === undefined) return this.#baseLive;
      if (this.#baseLive && compareBytes(this.#baseKey, overlay.key) < 0) return true;
      if (overlay.value !== DELETED) {
        this.#current = overlay;
        return true;
      }
      this.#pass(overlay.key);
    }
  }

  /** The newest of the overlays that stand on the smallest key. */
  #least(): SortedMapCursor<Uint8Array> | undefined {
    let least: SortedMapCursor<Uint8Array> | undefined;
    for (const overlay of this.#overlays) {
      if (overlay.live && (least === undefined || compareBytes(overlay.key, least.key) < 0)) least = overlay;
    }
    return least;
  }

  /** Moves every source that stands on `key` past it. */
  #pass(key: Uint8Array): void {
    for (const overlay of this.#overlays) if (overlay.live && compareBytes(overlay.key, key) === 0) overlay.next();
    if (this.#baseLive && compareBytes(this.#baseKey, key) === 0) this.#baseMoved(this.#base.next());
  }
}
