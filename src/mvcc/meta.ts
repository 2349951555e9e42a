/** The rows of table `meta` that belong to MVCC. */
import { utf8Encode } from '../base/utf8.ts';
import type { Reader } from './backend.ts';
import { encodeRevision, revisionMain } from './revision.ts';

/** The compaction accepted last; not finished while finishedCompactRev is below it. As in etcd. */
export const SCHEDULED_COMPACT_REV = utf8Encode('scheduledCompactRev');
export const FINISHED_COMPACT_REV = utf8Encode('finishedCompactRev');
/**
 * The current revision, which etcd takes from the newest row of `rev`. Not part of etcd's format: it keeps the revision from
 * ever going back, whatever compaction leaves of the rows.
 */
export const CURRENT_REVISION = utf8Encode('currentRevision');

/** Whose database it is: the ids of the member and of its cluster, 8 bytes big endian each. Not part of etcd's format either. */
export const MEMBER_IDENTITY = utf8Encode('quorateMember');

/** Revisions in `meta` are revision keys with sub 0. */
export function encodeMetaRevision(main: number): Uint8Array {
  return encodeRevision(main, 0);
}

export function readMetaRevision(reader: Reader, name: Uint8Array): number | undefined {
  const row = reader.get('meta', name);
  return row === undefined ? undefined : revisionMain(row);
}
