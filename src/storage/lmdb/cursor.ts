/** The Cursor of the Backend port over stored rows, with long keys put together again; see long-keys.ts. */
import { assert } from '../../base/assert.ts';
import { EMPTY, concatBytes, equalBytes } from '../../base/bytes.ts';
import type { Borrower, Cursor, Table } from '../../mvcc/backend.ts';
import { LONG_KEYS } from './environment.ts';
import { CHUNK_BYTES, isLongKey, nodeOf } from './long-keys.ts';
import type { RawCursor, RawCursors } from './raw-cursor.ts';

/** A node on the way to the current row: the table itself at first, then one per chunk. */
interface Level {
  readonly cursor: RawCursor;
  /** Id of the node, the prefix of its rows; empty for the table itself. */
  node: Uint8Array;
}

export class LmdbCursor implements Cursor {
  readonly #cursors: RawCursors;
  readonly #top: RawCursor;
  /** All that were ever needed; levels[0] is the table. levels[0 .. #depth] lead to the current row. */
  readonly #levels: Level[];
  #depth = 0;
  #onRow = false;
  #key: Uint8Array | undefined;
  #value: Uint8Array | undefined;

  constructor(cursors: RawCursors, table: Table) {
    this.#cursors = cursors;
    this.#top = cursors.create(table);
    this.#levels = [{ cursor: this.#top, node: EMPTY }];
  }

  seek(key: Uint8Array): boolean {
    this.#depth = 0;
    if (isLongKey(key)) return this.#settle(this.#seekLong(key));
    return this.#settle(this.#top.seek(key));
  }

  next(): boolean {
    assert(this.#onRow, 'cursor is on no row');
    if (this.#depth === 0) return this.#settle(this.#top.next());
    return this.#settle(this.#nextInNode());
  }

  get key(): Uint8Array {
    assert(this.#onRow, 'cursor is on no row');
    return (this.#key ??= this.#assembleKey());
  }

  get value(): Uint8Array {
    assert(this.#onRow, 'cursor is on no row');
    return (this.#value ??= this.#current().cursor.takeValue());
  }

  lendValue(borrower: Borrower): void {
    assert(this.#onRow, 'cursor is on no row');
    this.#current().cursor.lendValue(borrower);
  }

  /** From a row at the current level, or (`found` false) its end, to the nearest row that is no pointer. */
  #settle(found: boolean): boolean {
    this.#key = undefined;
    this.#value = undefined;
    if (this.#depth === 0 && this.#top.keyBytes !== CHUNK_BYTES) {
      this.#onRow = found;
      return found;
    }
    this.#onRow = found;
    while (!this.#onRow && this.#depth > 0) {
      this.#depth--;
      this.#onRow = this.#nextInNode();
    }
    while (this.#onRow && this.#isPointer()) {
      this.#descend();
      this.#onRow = this.#seekInNode(EMPTY);
      assert(this.#onRow, 'a node of a long key has no rows');
    }
    return this.#onRow;
  }

  #seekLong(key: Uint8Array): boolean {
    let rest = key;
    while (isLongKey(rest)) {
      const head = rest.subarray(0, CHUNK_BYTES);
      if (!this.#seekInNode(head)) return false;
      if (!this.#isPointer() || !equalBytes(this.#chunk(), head)) return true;
      this.#descend();
      rest = rest.subarray(CHUNK_BYTES);
    }
    return this.#seekInNode(rest);
  }

  #seekInNode(rest: Uint8Array): boolean {
    const { cursor, node } = this.#current();
    if (node.length === 0) return cursor.seek(rest);
    return cursor.seek(concatBytes(node, rest)) && cursor.startsWith(node);
  }

  #nextInNode(): boolean {
    const { cursor, node } = this.#current();
    return cursor.next() && cursor.startsWith(node);
  }

  #isPointer(): boolean {
    const { cursor, node } = this.#current();
    return cursor.keyBytes === node.length + CHUNK_BYTES;
  }

  /** Into the node that the current row points to; on none of its rows yet. */
  #descend(): void {
    const node = nodeOf(this.#current().cursor.takeValue());
    this.#depth++;
    const level = this.#levels[this.#depth];
    if (level === undefined) this.#levels.push({ cursor: this.#cursors.create(LONG_KEYS), node });
    else level.node = node;
  }

  #current(): Level {
    return this.#levels[this.#depth] as Level;
  }

  /** The part of the key that the current level holds. */
  #chunk(depth: number = this.#depth): Uint8Array {
    const { cursor, node } = this.#levels[depth] as Level;
    return cursor.takeKey().subarray(node.length);
  }

  #assembleKey(): Uint8Array {
    if (this.#depth === 0) return this.#top.takeKey();
    const chunks: Uint8Array[] = [];
    for (let depth = 0; depth <= this.#depth; depth++) chunks.push(this.#chunk(depth));
    return concatBytes(...chunks);
  }
}
