/** The Backend port in memory: for tests and the simulator. Nothing survives the process. */
import { assert } from '../base/assert.ts';
import { copyBytes } from '../base/bytes.ts';
import { type Borrower, TABLES } from '../mvcc/backend.ts';
import type { Backend, BackendView, Batch, Cursor, Table } from '../mvcc/backend.ts';
import { SortedRows } from './sorted-rows.ts';
import type { RowsCursor } from './sorted-rows.ts';

type Tables = ReadonlyMap<Table, SortedRows>;

export interface MemoryBackendOptions {
  /**
   * Runs `run` when the simulated disk has finished a commit or a defragmentation. A commit is invisible until then, and
   * lost if it never runs. Without it: queueMicrotask.
   */
  later?: (run: () => void) => void;
  /**
   * When views see a commit: only once it is done (the default), or at once. LMDB is in between: a view that is opened
   * while a commit is in flight may see it.
   */
  visible?: 'whenDone' | 'atOnce';
}

export class MemoryBackend implements Backend {
  /** Every SortedRows in here is frozen: a commit replaces it by a changed copy, so a view is just this map. */
  #tables: Tables;
  /** What views see. */
  #visible: Tables;
  readonly #later: (run: () => void) => void;
  readonly #visibleAtOnce: boolean;
  #openViews = 0;
  /** A commit or defragmentation whose `done` was not called yet. */
  #busy = false;
  #closed = false;
  #failure: Error | undefined;
  #failNext: Error | undefined;
  /** As a file does, this only grows until a defragmentation. */
  #sizeBytes: number;

  constructor(options: MemoryBackendOptions = {}, tables: Tables = emptyTables()) {
    this.#tables = tables;
    this.#visible = tables;
    this.#later = options.later ?? queueMicrotask;
    this.#visibleAtOnce = options.visible === 'atOnce';
    this.#sizeBytes = this.sizeInUseBytes();
  }

  view(): BackendView {
    this.#assertUsable();
    this.#openViews++;
    return new MemoryView(this.#visible, () => {
      this.#openViews--;
    });
  }

  commit(batch: Batch, done: (error: Error | undefined) => void): void {
    this.#assertUsable();
    const next = applyBatch(this.#tables, batch);
    this.#start(done, () => {
      this.#tables = next;
      this.#visible = next;
      this.#sizeBytes = Math.max(this.#sizeBytes, this.sizeInUseBytes());
    });
    if (this.#visibleAtOnce && this.#failNext === undefined) this.#visible = next;
  }

  defragment(done: (error: Error | undefined) => void): void {
    this.#start(done, () => {
      this.#sizeBytes = this.sizeInUseBytes();
    });
  }

  get isWriting(): boolean {
    return this.#busy;
  }

  sizeBytes(): number {
    return this.#sizeBytes;
  }

  sizeInUseBytes(): number {
    let bytes = FIXED_BYTES;
    for (const rows of this.#tables.values()) bytes += rows.bytes;
    return bytes;
  }

  openViews(): number {
    return this.#openViews;
  }

  close(): void {
    assert(this.#openViews === 0, 'backend closed under open views', { openViews: this.#openViews });
    this.#closed = true;
  }

  /** The next commit changes nothing and reports `error`, and the backend is unusable from then on. */
  failNextCommit(error: Error): void {
    this.#failNext = error;
  }

  /** What a process would find after a crash now: the commits whose `done` was called, and no others. */
  afterCrash(options: MemoryBackendOptions = {}): MemoryBackend {
    return new MemoryBackend(options, this.#tables);
  }

  #start(done: (error: Error | undefined) => void, work: () => void): void {
    this.#assertUsable();
    assert(!this.#busy, 'commit before the previous one was done');
    this.#busy = true;
    this.#later(() => {
      if (this.#closed) return;
      this.#busy = false;
      this.#failure = this.#failNext;
      if (this.#failure === undefined) work();
      done(this.#failure);
    });
  }

  #assertUsable(): void {
    assert(!this.#closed, 'backend used after close');
    if (this.#failure !== undefined) throw new Error('backend unusable after an error', { cause: this.#failure });
  }
}

/** What an empty LMDB file takes; so that an empty backend has a size. */
const FIXED_BYTES = 8192;

function emptyTables(): Tables {
  return new Map(TABLES.map((table) => [table, SortedRows.EMPTY]));
}

function applyBatch(tables: Tables, batch: Batch): Tables {
  const changed = new Map<Table, SortedRows>();
  const operations = batch.operations();
  while (operations.next()) {
    const { table, key, value } = operations;
    assert(key.length > 0, 'empty key');
    let rows = changed.get(table);
    if (rows === undefined) {
      rows = (tables.get(table) as SortedRows).thaw();
      changed.set(table, rows);
    }
    if (value === undefined) rows.delete(key);
    else rows.set(copyBytes(key), copyBytes(value));
  }
  for (const rows of changed.values()) rows.freeze();
  return new Map([...tables, ...changed]);
}

class MemoryView implements BackendView {
  #tables: Tables | undefined;
  readonly #closed: () => void;

  constructor(tables: Tables, closed: () => void) {
    this.#tables = tables;
    this.#closed = closed;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#rows(table).get(key)?.slice();
  }

  lend(table: Table, key: Uint8Array, borrower: Borrower): boolean {
    const value = this.#rows(table).get(key);
    if (value === undefined) return false;
    borrower.take(value, 0, value.length);
    return true;
  }

  cursor(table: Table): Cursor {
    this.#rows(table);
    return new MemoryCursor(() => this.#rows(table));
  }

  last(table: Table, before?: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined {
    const at = this.#rows(table).last(before);
    return at === undefined ? undefined : { key: at.key.slice(), value: at.value.slice() };
  }

  close(): void {
    assert(this.#tables !== undefined, 'view closed twice');
    this.#tables = undefined;
    this.#closed();
  }

  #rows(table: Table): SortedRows {
    assert(this.#tables !== undefined, 'view used after close');
    return this.#tables.get(table) as SortedRows;
  }
}

class MemoryCursor implements Cursor {
  /** Throws once the view is closed. */
  readonly #rows: () => SortedRows;
  #at: RowsCursor | undefined;

  constructor(rows: () => SortedRows) {
    this.#rows = rows;
  }

  seek(key: Uint8Array): boolean {
    this.#at = this.#rows().seek(key);
    return this.#at !== undefined;
  }

  next(): boolean {
    this.#rows();
    if (!this.#current().next()) this.#at = undefined;
    return this.#at !== undefined;
  }

  get key(): Uint8Array {
    return this.#current().key.slice();
  }

  get value(): Uint8Array {
    return this.#current().value.slice();
  }

  lendValue(borrower: Borrower): void {
    const { value } = this.#current();
    borrower.take(value, 0, value.length);
  }

  #current(): RowsCursor {
    assert(this.#at !== undefined, 'cursor is on no row');
    return this.#at;
  }
}
