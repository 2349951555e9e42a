/**
 * Keys longer than LMDB allows, in key order: a trie of chunks.
 *
 * A key shorter than CHUNK_BYTES is a row of its table. Of a longer one, the first CHUNK_BYTES are a row whose value points
 * to a node, and the rest is a key of that node, by the same rule; the rest may be empty. The rows of all nodes are in one
 * stored table, each behind the id of its node. So a row of exactly CHUNK_BYTES (after the id) is always a pointer, any
 * other never; a pointer sorts where all keys below it do; and a node always has rows: the last one takes the pointer away.
 */
import { assert, must } from '../../base/assert.ts';
import { concatBytes, getUint64BE, putUint64BE, toBinaryString } from '../../base/bytes.ts';
import { LONG_KEYS } from './environment.ts';
import type { Environment, StoredTable } from './environment.ts';
import { nativeGet, takeValue } from './native.ts';
import type { NativeTxn } from './native.ts';
import { RawCursors } from './raw-cursor.ts';
import type { WriteInstructions } from './write-instructions.ts';

/** Three such keys fit on a page of 4 KiB; LMDB wants at least two. */
export const CHUNK_BYTES = 1024;
export const NODE_ID_BYTES = 8;
const POINTER_BYTES = 16;

export function isLongKey(key: Uint8Array): boolean {
  return key.length >= CHUNK_BYTES;
}

/** The id that a pointer's value holds, as the prefix of its node's rows. */
export function nodeOf(pointer: Uint8Array): Uint8Array {
  assert(pointer.length === POINTER_BYTES, 'not a pointer to a node', { bytes: pointer.length });
  return pointer.subarray(0, NODE_ID_BYTES);
}

/** The value of a row; `key` may be long. */
export function getLong(
  environment: Environment,
  txn: NativeTxn,
  table: StoredTable,
  key: Uint8Array,
): Uint8Array | undefined {
  let rest = key;
  let stored = table;
  let node: Uint8Array = new Uint8Array(0);
  while (isLongKey(rest)) {
    const pointer = getRow(environment, txn, stored, concatBytes(node, rest.subarray(0, CHUNK_BYTES)));
    if (pointer === undefined) return undefined;
    node = nodeOf(pointer);
    stored = LONG_KEYS;
    rest = rest.subarray(CHUNK_BYTES);
  }
  return getRow(environment, txn, stored, concatBytes(node, rest));
}

/** The value of a stored row. */
export function getRow(
  environment: Environment,
  txn: NativeTxn,
  table: StoredTable,
  key: Uint8Array,
): Uint8Array | undefined {
  const size = nativeGet(environment.table(table).address, txn.address, key);
  return size === undefined ? undefined : takeValue(size);
}

/** Nodes are numbered upwards: the highest in use plus one. */
export function nextNodeId(environment: Environment): number {
  const txn = environment.beginTxn();
  const cursors = new RawCursors(environment, txn);
  try {
    const cursor = cursors.create(LONG_KEYS);
    return cursor.seekBefore(new Uint8Array(0)) ? getUint64BE(cursor.takeKey(), 0) + 1 : 1;
  } finally {
    cursors.close();
    environment.endTxn(txn);
  }
}

/** A node and the row that points to it. */
interface Node {
  readonly id: number;
  readonly table: StoredTable;
  readonly pointerKey: Uint8Array;
  /** How many rows the node has. */
  rows: number;
}

/**
 * Turns one batch's changes of long keys into changes of stored rows. Reads the state before the batch; what the batch has
 * changed so far is in an overlay.
 */
export class LongKeyWriter {
  readonly #environment: Environment;
  readonly #txn: NativeTxn;
  readonly #instructions: WriteInstructions;
  /** Rows that this batch changed, by stored table and key. undefined: deleted. */
  readonly #overlay = new Map<string, Uint8Array | undefined>();
  #nextNodeId: number;

  /** `nextNodeId`: no node with this or a higher id exists. */
  constructor(environment: Environment, instructions: WriteInstructions, nextNodeId: number) {
    this.#environment = environment;
    this.#instructions = instructions;
    this.#nextNodeId = nextNodeId;
    this.#txn = environment.beginTxn();
  }

  get nextNodeId(): number {
    return this.#nextNodeId;
  }

  put(table: StoredTable, key: Uint8Array, value: Uint8Array): void {
    const path: Node[] = [];
    let rest = key;
    let stored = table;
    let prefix: Uint8Array = new Uint8Array(0);
    while (isLongKey(rest)) {
      const pointerKey = concatBytes(prefix, rest.subarray(0, CHUNK_BYTES));
      const node = this.#node(stored, pointerKey) ?? this.#createNode(stored, pointerKey, path.at(-1));
      path.push(node);
      stored = LONG_KEYS;
      prefix = nodePrefix(node.id);
      rest = rest.subarray(CHUNK_BYTES);
    }
    const rowKey = concatBytes(prefix, rest);
    if (this.#read(LONG_KEYS, rowKey) === undefined) this.#addRow(must(path.at(-1), 'node of a long key'));
    this.#put(LONG_KEYS, rowKey, value);
  }

  delete(table: StoredTable, key: Uint8Array): void {
    const path: Node[] = [];
    let rest = key;
    let stored = table;
    let prefix: Uint8Array = new Uint8Array(0);
    while (isLongKey(rest)) {
      const node = this.#node(stored, concatBytes(prefix, rest.subarray(0, CHUNK_BYTES)));
      if (node === undefined) return;
      path.push(node);
      stored = LONG_KEYS;
      prefix = nodePrefix(node.id);
      rest = rest.subarray(CHUNK_BYTES);
    }
    const rowKey = concatBytes(prefix, rest);
    if (this.#read(LONG_KEYS, rowKey) === undefined) return;
    this.#delete(LONG_KEYS, rowKey);
    for (const node of path.toReversed()) if (this.#removeRow(node) > 0) return;
  }

  close(): void {
    this.#environment.endTxn(this.#txn);
  }

  #node(table: StoredTable, pointerKey: Uint8Array): Node | undefined {
    const pointer = this.#read(table, pointerKey);
    if (pointer === undefined) return undefined;
    assert(pointer.length === POINTER_BYTES, 'not a pointer to a node', { bytes: pointer.length });
    return { id: getUint64BE(pointer, 0), table, pointerKey, rows: getUint64BE(pointer, 8) };
  }

  /** Without rows: the caller adds one. */
  #createNode(table: StoredTable, pointerKey: Uint8Array, parent: Node | undefined): Node {
    if (parent !== undefined) this.#addRow(parent);
    return { id: this.#nextNodeId++, table, pointerKey, rows: 0 };
  }

  #addRow(node: Node): void {
    node.rows++;
    this.#put(node.table, node.pointerKey, pointerTo(node));
  }

  /** Returns how many rows are left. */
  #removeRow(node: Node): number {
    node.rows--;
    assert(node.rows >= 0, 'rows of a long key node', { node: node.id, rows: node.rows });
    if (node.rows > 0) this.#put(node.table, node.pointerKey, pointerTo(node));
    else this.#delete(node.table, node.pointerKey);
    return node.rows;
  }

  #read(table: StoredTable, key: Uint8Array): Uint8Array | undefined {
    const name = overlayName(table, key);
    if (this.#overlay.has(name)) return this.#overlay.get(name);
    return getRow(this.#environment, this.#txn, table, key);
  }

  #put(table: StoredTable, key: Uint8Array, value: Uint8Array): void {
    this.#overlay.set(overlayName(table, key), value);
    this.#instructions.put(this.#environment.table(table).dbi, key, value);
  }

  #delete(table: StoredTable, key: Uint8Array): void {
    this.#overlay.set(overlayName(table, key), undefined);
    this.#instructions.delete(this.#environment.table(table).dbi, key);
  }
}

function overlayName(table: StoredTable, key: Uint8Array): string {
  return `${table}/${toBinaryString(key)}`;
}

function nodePrefix(id: number): Uint8Array {
  const prefix = new Uint8Array(NODE_ID_BYTES);
  putUint64BE(prefix, 0, id);
  return prefix;
}

function pointerTo(node: Node): Uint8Array {
  const pointer = new Uint8Array(POINTER_BYTES);
  putUint64BE(pointer, 0, node.id);
  putUint64BE(pointer, 8, node.rows);
  return pointer;
}
