/**
 * A data directory that an etcd, or `snapshot restore`, has made: taken over at the first start, once. The database is made anew
 * beside etcd's; the log goes on where it is, after a copy of it was set aside together with what else etcd needs.
 *
 * An interruption leaves etcd's directory as it was, until our database gets its name; from then on the next start sets aside
 * what is left.
 */
import { join } from 'node:path';
import { getUint64BE } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { Snapshot as SnapshotMark } from '../gen/walpb.ts';
import type { Backend } from '../mvcc/backend.ts';
import type { FileSystem } from '../ports/file-system.ts';
import type { Logger } from '../ports/logger.ts';
import { DatabaseError, DatabaseReader } from '../storage/bbolt/database-reader.ts';
import { readConfChanges } from '../storage/wal/conf-changes.ts';
import { walExists } from '../storage/wal/open.ts';
import { listSegments, readWal } from '../storage/wal/recovery.ts';
import { adoptRows } from './adopted-rows.ts';
import { ETCDS, MARKER } from './foreign-data.ts';
import { fillDatabase, type FillProgress } from '../storage/bbolt/fill-database.ts';
import { copySparse, readWhole, removeIfThere, writeWhole } from './whole-files.ts';

const OWN = 'quorate.mdb';
const IMPORT = 'import.mdb';
const ASIDE = 'etcd-original';
const DIR_MODE = 0o700;
const PROGRESS_MS = 2000;
/** Of the log's entries, while it is only looked at. */
const KEPT_BYTES_MAX = 1024 * 1024;

export interface EtcdDataParts {
  readonly config: ServerConfig;
  readonly files: FileSystem;
  /** member/snap. */
  readonly dir: string;
  readonly openBackend: (path: string) => Backend;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
}

/** Rejects with an Error of one clear line, and leaves the directory as it was, where the data cannot be taken over. */
export async function takeEtcdData(parts: EtcdDataParts): Promise<void> {
  const { files, dir, logger } = parts;
  const isMarked = files.exists(join(dir, MARKER));
  if (files.exists(join(dir, OWN))) {
    if (isMarked) setAside(parts);
    else
      logger.warn("ignoring a database of etcd's beside our own, which the log goes on from", {
        path: join(dir, ETCDS),
      });
    return;
  }
  if (!files.exists(join(dir, ETCDS))) {
    throw new Error(`${join(dir, MARKER)} is there, but neither a database of etcd's nor our own`);
  }
  try {
    await importDatabase(parts);
    // From here on only a full disk is in the way.
    if (!isMarked) writeWhole(files, join(dir, MARKER), utf8Encode(freeName(parts)));
    copyLog(parts);
  } catch (error) {
    removeImport(parts);
    throw error;
  }
  removeIfThere(files, join(dir, `${IMPORT}-lock`));
  removeIfThere(files, join(dir, `${OWN}-lock`));
  files.rename(join(dir, IMPORT), join(dir, OWN));
  files.syncDir(dir);
  setAside(parts);
}

/** Makes our database under a temporary name. */
async function importDatabase(parts: EtcdDataParts): Promise<void> {
  const { config, files, dir, openBackend, logger, monotonicMs } = parts;
  const { walDir, dataDir } = config;
  removeImport(parts);
  if (!walExists({ fs: files, dir: walDir })) {
    throw new Error(`the database in ${dataDir} is there, but its WAL in ${walDir} is not`);
  }
  const marks = readMarks(files, walDir);
  const path = databasePath(parts, marks.at(-1)?.index ?? 0);
  const startMs = monotonicMs();
  logger.info("taking over etcd's data; this happens once", { path, sizeBytes: files.sizeOf(path) });
  const file = files.open(path, 'read');
  try {
    const reader = new DatabaseReader(file);
    const index = indexOf(reader);
    checkTail(files, walDir, index);
    const backend = openBackend(join(dir, IMPORT));
    try {
      await fillDatabase(reader, backend, progressLog(parts, startMs));
      const mark = marks.filter((candidate) => candidate.index <= index).at(-1);
      const changes = readConfChanges(files, walDir, mark?.index ?? 0, index);
      await adoptRows(backend, { config, logger, mark, changes });
    } finally {
      backend.close();
    }
    files.syncDir(dir);
    logger.info("made our database of etcd's", { index, tookMs: Math.round(monotonicMs() - startMs) });
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new Error(`the database ${path} is damaged: ${error.message}`, { cause: error });
  } finally {
    file.close();
  }
}

/** All that count, the newest last. Checks every record of the log on the way. */
function readMarks(files: FileSystem, walDir: string): readonly SnapshotMark[] {
  const oldest = listSegments(files, walDir)[0]?.index ?? 0;
  return readWal(files, walDir, Math.max(oldest - 1, 0), { through: Infinity, bytesMax: KEPT_BYTES_MAX }).marks;
}

/**
 * An etcd that died while it took over a snapshot from its leader has the snapshot's database beside its own, which is older
 * than the newest mark.
 */
function databasePath({ files, dir }: EtcdDataParts, markIndex: number): string {
  const path = join(dir, ETCDS);
  const file = files.open(path, 'read');
  try {
    const index = indexOf(new DatabaseReader(file));
    if (index >= markIndex) return path;
    const received = join(dir, `${markIndex.toString(16).padStart(16, '0')}.snap.db`);
    if (files.exists(received)) return received;
    throw new Error(
      `the database ${path} is at index ${index}, the log goes on from ${markIndex}: ${received} is missing`,
    );
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new Error(`the database ${path} is damaged: ${error.message}`, { cause: error });
  } finally {
    file.close();
  }
}

/** How far etcd has applied the log. */
function indexOf(reader: DatabaseReader): number {
  const meta = reader.buckets().get('meta');
  if (meta === undefined) throw new DatabaseError('not a database of etcd');
  for (const { key, value } of reader.rows(meta)) {
    if (Buffer.from(key).toString('latin1') !== 'consistent_index') continue;
    if (value.length === 8) return getUint64BE(value, 0);
    throw new DatabaseError(`an index of ${value.length} bytes`);
  }
  return 0;
}

/** Throws where the log does not go on from the database. */
function checkTail(files: FileSystem, walDir: string, index: number): void {
  const { start, lastIndex } = readWal(files, walDir, index, { through: index, bytesMax: KEPT_BYTES_MAX });
  if (start.index <= index && lastIndex >= index) return;
  throw new Error(
    `the WAL in ${walDir} does not fit the database: it holds entries ${start.index + 1} to ${lastIndex}, ` +
      `the database is at ${index}`,
  );
}

function progressLog({ logger, monotonicMs }: EtcdDataParts, startMs: number): FillProgress {
  let nextMs = startMs + PROGRESS_MS;
  return (share) => {
    if (monotonicMs() < nextMs) return;
    nextMs = monotonicMs() + PROGRESS_MS;
    logger.info("taking over etcd's data", { percent: Math.floor(share * 100) });
  };
}

function removeImport({ files, dir }: EtcdDataParts): void {
  for (const name of files.list(dir)) if (name.startsWith(IMPORT)) files.remove(join(dir, name));
}

/** A copy: ours goes on in the original. Not of the WAL's files of zeros that are prepared for later. */
function copyLog(parts: EtcdDataParts): void {
  const { config, files } = parts;
  const aside = asideOf(parts);
  const member = join(aside, 'member');
  const to = join(member, 'wal');
  for (const made of [to, join(member, 'snap')]) files.makeDir(made, DIR_MODE);
  for (const { name } of listSegments(files, config.walDir)) {
    copySparse(files, join(config.walDir, name), join(to, name));
  }
  for (const changed of [to, member, aside, config.dataDir]) files.syncDir(changed);
}

/** Our database has its name: what is left of etcd's goes, so that its copy is a data directory that etcd can start on. */
function setAside(parts: EtcdDataParts): void {
  const { files, dir, logger } = parts;
  const aside = asideOf(parts);
  const to = join(aside, 'member', 'snap');
  for (const name of files.list(dir)) {
    if (name === ETCDS || /\.snap(\.db|\.broken)?$/.test(name)) files.rename(join(dir, name), join(to, name));
  }
  files.syncDir(to);
  files.syncDir(dir);
  files.remove(join(dir, MARKER));
  files.syncDir(dir);
  logger.info("took over etcd's data; the original is kept, remove it when you do not want to go back", {
    path: aside,
  });
}

function asideOf({ config, files, dir }: EtcdDataParts): string {
  return join(config.dataDir, Buffer.from(readWhole(files, join(dir, MARKER))).toString());
}

/** Of the directory for the original, in the data directory. */
function freeName({ config, files }: EtcdDataParts): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? ASIDE : `${ASIDE}-${number}`;
    if (!files.exists(join(config.dataDir, name))) return name;
  }
}
