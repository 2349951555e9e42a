/** Makes our database from one of etcd: what a leader sends, and what an etcd left in its data directory. */
import { equalBytes } from '../../base/bytes.ts';
import { WireError } from '../../base/wire.ts';
import { WriteBatch, type Backend, type Batch, type Table } from '../../mvcc/backend.ts';
import { IndexRebuildJob } from '../../mvcc/index-rebuild.ts';
import { decodeKeyValue } from '../../mvcc/key-value.ts';
import { encodeRevision, revisionIsTombstone, revisionMain, revisionSub, REVISION_BYTES } from '../../mvcc/revision.ts';
import { WriteBuffer } from '../../mvcc/write-buffer.ts';
import { DatabaseError, type DatabaseReader } from './database-reader.ts';
import { BUCKETS } from './snapshot-job.ts';

const BATCH_BYTES = 4 * 1024 * 1024;
const REBUILD_UNITS = 1000;
const BUFFER_BYTES = 8 * 1024 * 1024;
const SUB_MAX = 0xffff_ffff;

/** How far it is: the first half is copying, the second half making the indexes. */
export type FillProgress = (doneShare: number) => void;

/** Fills an empty backend; durable when it resolves. Rejects with DatabaseError where the database is damaged. */
export async function fillDatabase(
  reader: DatabaseReader,
  backend: Backend,
  onProgress: FillProgress = () => {},
): Promise<void> {
  const buckets = reader.buckets();
  if (!buckets.has('key') || !buckets.has('meta')) throw new DatabaseError('not a database of etcd');
  let batch = new WriteBatch();
  let bytes = 0;
  let revisions = 0;
  for (const { name, table } of BUCKETS) {
    const bucket = buckets.get(name);
    if (bucket === undefined) continue;
    for (const { key, value } of reader.rows(bucket)) {
      if (table === 'rev') {
        checkRevision(key, value);
        revisions++;
      }
      batch.put(table, key, value);
      bytes += key.length + value.length;
      if (bytes < BATCH_BYTES) continue;
      await commit(backend, batch);
      batch = new WriteBatch();
      bytes = 0;
      onProgress(Math.min(1, reader.pagesRead / reader.pages) / 2);
    }
  }
  await commit(backend, batch);
  await rebuildIndexes(backend, (rows) => onProgress(0.5 + Math.min(1, rows / Math.max(1, revisions)) / 2));
}

/** Puts single rows into a backend; durable when it resolves. */
export function putRows(
  backend: Backend,
  table: Table,
  rows: Iterable<readonly [Uint8Array, Uint8Array]>,
): Promise<void> {
  const batch = new WriteBatch();
  for (const [key, value] of rows) batch.put(table, key, value);
  return commit(backend, batch);
}

/** A row of bucket `key`: what it says of itself must fit together. */
function checkRevision(key: Uint8Array, value: Uint8Array): void {
  const isOne = key.length === REVISION_BYTES || key.length === REVISION_BYTES + 1;
  const problem = isOne ? problemOf(key, value) : `a key of ${key.length} bytes`;
  if (problem !== undefined) throw new DatabaseError(`bucket key: ${problem}`);
}

function problemOf(key: Uint8Array, value: Uint8Array): string | undefined {
  const main = mainOf(key);
  const sub = main === undefined ? undefined : revisionSub(key);
  if (main === undefined || sub === undefined || sub > SUB_MAX) return 'a key that is no revision';
  if (!equalBytes(key, encodeRevision(main, sub, revisionIsTombstone(key)))) return 'a key that is no revision';
  // A restore that raises the revision marks it with an empty row.
  if (value.length === 0) return revisionIsTombstone(key) ? `revision ${main} deletes nothing` : undefined;
  try {
    const { key: userKey, modRevision, createRevision, version } = decodeKeyValue(value);
    if (userKey.length === 0) return `revision ${main} is of no key`;
    if (revisionIsTombstone(key)) return undefined;
    if (createRevision < 0 || createRevision > main || version < 0) return `revision ${main} cannot be`;
    if (modRevision !== main) return `revision ${main} holds what was written at ${modRevision}`;
    return undefined;
  } catch (error) {
    if (error instanceof WireError || error instanceof RangeError) return `revision ${main} does not decode`;
    throw error;
  }
}

/** undefined beyond 2^53. */
function mainOf(key: Uint8Array): number | undefined {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const isSmall = view.getUint32(0) < 0x20_0000 && view.getUint32(9) === 0;
  return isSmall ? revisionMain(key) : undefined;
}

async function rebuildIndexes(backend: Backend, onRows: (rows: number) => void): Promise<void> {
  const buffer = new WriteBuffer(backend);
  const job = new IndexRebuildJob(buffer);
  const flush = async (): Promise<void> => {
    const batch = buffer.beginFlush();
    if (batch === undefined) return;
    await commit(backend, batch);
    buffer.endFlush();
  };
  let rows = 0;
  while (!job.step(REBUILD_UNITS)) {
    rows += REBUILD_UNITS;
    if (buffer.bytes <= BUFFER_BYTES) continue;
    await flush();
    onRows(rows);
  }
  job.close();
  await flush();
  buffer.close();
}

/** Durable when it resolves. */
export function commit(backend: Backend, batch: Batch): Promise<void> {
  if (batch.size === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    backend.commit(batch, (error) => (error === undefined ? resolve() : reject(error)));
  });
}
