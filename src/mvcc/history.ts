/** The changes of past revisions, for watchers that have to catch up. */
import { etcdError } from '../base/etcd-error.ts';
import { DELETE, type MvccEvent, PREV_UNKNOWN, PUT } from './event.ts';
import { decodeKeyValue, encodeDeleted, keyOf } from './key-value.ts';
import type { ScanReader } from './overlay.ts';
import { encodeRevision, revisionIsTombstone, revisionMain, revisionSub } from './revision.ts';

/** All changes that are left of one main revision, in order. */
export interface RevisionEvents {
  readonly revision: number;
  readonly events: readonly MvccEvent[];
}

export interface HistorySlice {
  readonly revisions: readonly RevisionEvents[];
  /** Where the next slice starts: every change before it was in this slice or an earlier one. */
  readonly nextRevision: number;
}

export interface HistorySource {
  readonly reader: ScanReader;
  readonly currentRev: number;
  readonly compactRev: number;
}

/**
 * Reads on from main revision `fromRevision` until `rowsMax` changes or `bytesMax` bytes are read, and then to the end of that
 * main revision.
 * Caught up when nextRevision is above the current revision. Throws Compacted below the compact revision.
 */
export function readHistory(
  source: HistorySource,
  fromRevision: number,
  rowsMax: number,
  bytesMax = Infinity,
): HistorySlice {
  if (fromRevision < source.compactRev) throw etcdError('Compacted');
  const revisions: RevisionEvents[] = [];
  let events: MvccEvent[] = [];
  let revision = 0;
  const cursor = source.reader.cursor('rev');
  let found = cursor.seek(encodeRevision(Math.max(fromRevision, 0), 0));
  let nextRevision = Math.max(source.currentRev + 1, fromRevision);
  let bytes = 0;
  for (let rows = 0; found; rows++, found = cursor.next()) {
    const main = revisionMain(cursor.key);
    if (main > source.currentRev) break;
    if (main !== revision) {
      if (rows >= rowsMax || bytes >= bytesMax) {
        nextRevision = main;
        break;
      }
      revision = main;
      events = [];
      revisions.push({ revision, events });
    }
    const row = cursor.value;
    bytes += row.length;
    events.push(toEvent(cursor.key, row));
  }
  cursor.close();
  return { revisions, nextRevision };
}

function toEvent(revKey: Uint8Array, row: Uint8Array): MvccEvent {
  const revision = { main: revisionMain(revKey), sub: revisionSub(revKey), prevMain: PREV_UNKNOWN, prevSub: 0 };
  if (revisionIsTombstone(revKey)) {
    const key = keyOf(row);
    return { type: DELETE, key, kv: encodeDeleted(key, revision.main), createRevision: 0, ...revision };
  }
  const { key, createRevision } = decodeKeyValue(row);
  return { type: PUT, key, kv: row, createRevision, ...revision };
}
