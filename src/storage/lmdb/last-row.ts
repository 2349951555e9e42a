/** The last row before a key, with long keys put together again; see long-keys.ts. */
import { EMPTY, concatBytes, prefixEnd } from '../../base/bytes.ts';
import type { Table } from '../../mvcc/backend.ts';
import { LONG_KEYS } from './environment.ts';
import type { StoredTable } from './environment.ts';
import { CHUNK_BYTES, getRow, isLongKey, nodeOf } from './long-keys.ts';
import type { RawCursors } from './raw-cursor.ts';

interface Row {
  key: Uint8Array;
  value: Uint8Array;
}

/** The last row of the table with key < `before`; undefined: the last of all. */
export function lastRow(cursors: RawCursors, table: Table, before: Uint8Array | undefined): Row | undefined {
  if (before?.length === 0) return undefined;
  return lastInNode({ cursors, stored: table, node: EMPTY, chunks: [] }, before);
}

interface Place {
  readonly cursors: RawCursors;
  readonly stored: StoredTable;
  /** Id of the node, the prefix of its rows; empty for the table itself. */
  readonly node: Uint8Array;
  /** The part of the key above the node. */
  readonly chunks: readonly Uint8Array[];
}

function lastInNode(place: Place, before: Uint8Array | undefined): Row | undefined {
  if (before === undefined || !isLongKey(before)) return lastBeforeShort(place, before);
  const chunk = before.subarray(0, CHUNK_BYTES);
  const { cursors, stored, node } = place;
  const pointer = getRow(cursors.environment, cursors.txn, stored, concatBytes(node, chunk));
  const below = pointer && lastInNode(childOf(place, chunk, pointer), before.subarray(CHUNK_BYTES));
  return below ?? lastBeforeShort(place, chunk);
}

/** `before` is no longer than a chunk, so the keys below a chunk are all before it or none is. */
function lastBeforeShort(place: Place, before: Uint8Array | undefined): Row | undefined {
  const { node, chunks } = place;
  const cursor = place.cursors.scratch(place.stored);
  const end = before === undefined ? (prefixEnd(node) ?? EMPTY) : concatBytes(node, before);
  if (!cursor.seekBefore(end) || !cursor.startsWith(node)) return undefined;
  const rest = cursor.takeKey().subarray(node.length);
  const value = cursor.takeValue();
  if (rest.length === CHUNK_BYTES) return lastInNode(childOf(place, rest, value), undefined);
  return { key: chunks.length === 0 ? rest : concatBytes(...chunks, rest), value };
}

function childOf(place: Place, chunk: Uint8Array, pointer: Uint8Array): Place {
  return { cursors: place.cursors, stored: LONG_KEYS, node: nodeOf(pointer), chunks: [...place.chunks, chunk] };
}
