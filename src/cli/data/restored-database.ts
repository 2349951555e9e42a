/** The database of a restored member: that of the snapshot, of another cluster and at the beginning of another log. */
import { putUint64BE } from '../../base/bytes.ts';
import { utf8Encode } from '../../base/utf8.ts';
import { idText } from '../../membership/cluster.ts';
import { encodeMember } from '../../membership/member.ts';
import { encodeRevision } from '../../mvcc/revision.ts';
import type { File } from '../../ports/file-system.ts';
import type { Bootstrap } from '../../server/bootstrap.ts';
import { encodeConfState } from '../../server/conf-state.ts';
import { DatabaseError, type DatabaseReader, type DatabaseRow } from '../../storage/bbolt/database-reader.ts';
import { DatabaseWriter } from '../../storage/bbolt/database-writer.ts';
import { GatheringFile } from '../../storage/bbolt/gathering-file.ts';
import { EMPTY } from '../../base/bytes.ts';
import { bootConfState } from './restored-log.ts';
import { mainRevision } from './snapshot-file.ts';

const ROWS_PER_TURN = 10_000;

export interface RestoredDatabaseOptions {
  readonly first: Bootstrap;
  /** By how much the revision is raised above that of the snapshot; 0: not at all, and nothing is compacted either. */
  readonly bumpRevision: number;
  readonly onProgress: (share: number) => void;
}

/**
 * Copies the buckets of the snapshot, each row in its order. Those about the members begin anew. Throws DatabaseError. `onRevision`:
 * for the caller to check each row of bucket `key`.
 */
export async function writeRestored(
  reader: DatabaseReader,
  target: File,
  options: RestoredDatabaseOptions,
): Promise<void> {
  const file = new GatheringFile(target);
  const writer = new DatabaseWriter(file);
  const buckets = reader.buckets();
  if (!buckets.has('key') || !buckets.has('meta')) throw new DatabaseError('not a database of etcd');
  // A bucket that an older etcd does not have is made as its own start would.
  const names = new Set([...buckets.keys(), 'members', 'members_removed']);
  let raised: number | undefined;
  let rows = 0;
  for (const name of [...names].sort(byteOrder)) {
    const bucket = buckets.get(name);
    const found = bucket === undefined ? [] : reader.rows(bucket);
    writer.beginBucket(name);
    let last: Uint8Array | undefined;
    for (const { key, value } of changed(name, found, options.first, raised)) {
      writer.add(key, value);
      last = key;
      if (++rows % ROWS_PER_TURN !== 0) continue;
      options.onProgress(reader.pagesRead / reader.pages);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    if (name === 'key' && options.bumpRevision > 0) {
      raised = (last === undefined ? 1 : mainRevision(last)) + options.bumpRevision;
      writer.add(encodeRevision(raised, 0), EMPTY);
    }
    writer.endBucket();
  }
  writer.finish();
  file.flush();
}

/** The rows of a bucket as the restored member has them. `raised`: the revision that it was raised to and is to be compacted at. */
function changed(
  name: string,
  rows: Iterable<DatabaseRow>,
  first: Bootstrap,
  raised: number | undefined,
): Iterable<DatabaseRow> {
  if (name === 'members_removed') return [];
  if (name === 'members') {
    return first.members
      .map((member) => ({ key: utf8Encode(idText(member.id)), value: encodeMember(member) }))
      .sort((a, b) => byteOrder(idOf(a), idOf(b)));
  }
  return name === 'meta' ? changedMeta(rows, first, raised) : rows;
}

function changedMeta(rows: Iterable<DatabaseRow>, first: Bootstrap, raised: number | undefined): DatabaseRow[] {
  const found = new Map<string, Uint8Array>();
  for (const { key, value } of rows) found.set(Buffer.from(key).toString('latin1'), value);
  found.set('consistent_index', uint64(first.entries.length));
  found.set('term', uint64(1));
  found.set('confState', encodeConfState(bootConfState(first)));
  if (raised !== undefined) found.set('scheduledCompactRev', encodeRevision(raised, 0));
  return [...found]
    .sort(([a], [b]) => byteOrder(a, b))
    .map(([name, value]) => ({ key: Buffer.from(name, 'latin1'), value }));
}

function idOf({ key }: DatabaseRow): string {
  return Buffer.from(key).toString('latin1');
}

function byteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function uint64(value: number): Uint8Array {
  const out = new Uint8Array(8);
  putUint64BE(out, 0, value);
  return out;
}
