/**
 * A snapshot from the leader, which takes the place of this member's database and log. It is stored first; the next start of the
 * member takes it over, and does so again if it is interrupted.
 */
import { must } from '../base/assert.ts';
import { getUint64BE } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';
import { decodeSnapshotMetadata, encodeSnapshotMetadata, type SnapshotMetadata } from '../gen/raftpb.ts';
import type { Backend } from '../mvcc/backend.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { Clock } from '../ports/clock.ts';
import type { FileSystem } from '../ports/file-system.ts';
import { encodeConfState } from '../server/conf-state.ts';
import { DatabaseReader } from '../storage/bbolt/database-reader.ts';
import { fillDatabase, putRows } from '../storage/bbolt/fill-database.ts';

const DATABASE = 'incoming.db';
/** Written last: where it is, the database is complete. */
const METADATA = 'incoming.meta';

/** Where it is told how long that took. */
export interface SnapshotMeasures {
  readonly clock: Clock;
  readonly metrics: EtcdMetrics;
}

/** Stores what comes in; durable when it resolves. */
export async function storeIncoming(
  files: FileSystem,
  dir: string,
  metadata: SnapshotMetadata,
  database: AsyncIterable<Uint8Array>,
  measured?: SnapshotMeasures,
): Promise<void> {
  const { server } = measured?.metrics ?? {};
  server?.applySnapshotInProgress.set(1);
  try {
    await storeMeasured(files, dir, metadata, database, measured);
  } finally {
    server?.applySnapshotInProgress.set(0);
  }
}

async function storeMeasured(
  files: FileSystem,
  dir: string,
  metadata: SnapshotMetadata,
  database: AsyncIterable<Uint8Array>,
  measured: SnapshotMeasures | undefined,
): Promise<void> {
  const snapshot = measured?.metrics.snapshot;
  const timer = (): (() => number) => {
    const startMs = measured?.clock.monotonicMs() ?? 0;
    return () => ((measured?.clock.monotonicMs() ?? 0) - startMs) / 1000;
  };
  const saveSeconds = timer();
  discardIncoming(files, dir);
  const file = files.open(`${dir}/${DATABASE}`, 'create');
  try {
    let position = 0;
    for await (const chunk of database) {
      file.write(chunk, position);
      position += chunk.length;
    }
    const syncSeconds = timer();
    await new Promise<void>((resolve, reject) => {
      file.syncAsync((error) => (error === undefined ? resolve() : reject(error)));
    });
    snapshot?.dbFsyncDuration.observe(syncSeconds());
    checkIndex(new DatabaseReader(file), metadata);
  } finally {
    file.close();
  }
  snapshot?.dbSaveDuration.observe(saveSeconds());
  // Not together with the metadata's name, which must not be there alone.
  files.syncDir(dir);
  const temporary = `${dir}/${METADATA}.tmp`;
  if (files.exists(temporary)) files.remove(temporary);
  const meta = files.open(temporary, 'create');
  meta.writeDurable(encodeSnapshotMetadata(metadata), 0);
  meta.close();
  files.rename(temporary, `${dir}/${METADATA}`);
  files.syncDir(dir);
}

/** What a complete snapshot that waits to be taken over stands for. */
export function incomingMetadata(files: FileSystem, dir: string): SnapshotMetadata | undefined {
  const path = `${dir}/${METADATA}`;
  if (!files.exists(path)) return undefined;
  const file = files.open(path, 'read');
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  file.close();
  return decodeSnapshotMetadata(bytes);
}

/** It was taken over, or is of no use. After an interruption, there is no metadata without its database. */
export function discardIncoming(files: FileSystem, dir: string): void {
  for (const name of [METADATA, DATABASE]) {
    if (!files.exists(`${dir}/${name}`)) continue;
    files.remove(`${dir}/${name}`);
    files.syncDir(dir);
  }
}

/** Fills an empty backend with the stored snapshot; durable when it resolves. */
export async function importIncoming(
  files: FileSystem,
  dir: string,
  metadata: SnapshotMetadata,
  backend: Backend,
): Promise<void> {
  const file = files.open(`${dir}/${DATABASE}`, 'read');
  try {
    await fillDatabase(new DatabaseReader(file), backend);
    const confState = must(metadata.confState, 'conf state of a snapshot');
    await putRows(backend, 'meta', [[utf8Encode('confState'), encodeConfState(confState)]]);
  } finally {
    file.close();
  }
  // The database before must not come back once the snapshot is gone.
  files.syncDir(dir);
}

/** Throws when the database is damaged, or stands for another index than the message says. */
function checkIndex(reader: DatabaseReader, { index }: SnapshotMetadata): void {
  const meta = reader.buckets().get('meta');
  const rows = meta === undefined ? [] : [...reader.rows(meta)];
  const row = rows.find(({ key }) => Buffer.from(key).toString() === 'consistent_index');
  const stored = row === undefined ? 0 : getUint64BE(row.value, 0);
  if (stored !== index) throw new Error(`the database is at index ${stored}, its message at ${index}`);
}
