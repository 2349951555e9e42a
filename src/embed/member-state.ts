/** What a member has on disk, opened: the log, the database, and the state machines read from it. */
import { join } from 'node:path';
import { getUint64BE, putUint64BE } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';
import type { ConfState, SnapshotMetadata } from '../gen/raftpb.ts';
import { storedStorageVersion, tooOldFor } from '../membership/versions.ts';
import type { Backend, Reader } from '../mvcc/backend.ts';
import { WriteBuffer } from '../mvcc/write-buffer.ts';
import type { Clock } from '../ports/clock.ts';
import type { FileSystem } from '../ports/file-system.ts';
import type { Logger } from '../ports/logger.ts';
import { decodeConfState, encodeConfState } from '../server/conf-state.ts';
import type { PeerNetwork } from '../server/peer-transport.ts';
import type { LookAtVolume } from '../ports/volume.ts';
import { DiskUse } from '../storage/disk-use.ts';
import type { WalMetrics, WalOptions } from '../storage/wal/wal-options.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { ETCD_COMPAT_VERSION } from '../config/version.ts';
import { defragAtStart } from './defrag-at-start.ts';
import { checkIdentity, hasEtcdData } from './foreign-data.ts';
import { listedFounders, type FindFounders } from './founders.ts';
import { discardIncoming, importIncoming, incomingMetadata } from './incoming-snapshot.ts';
import { markTaken, openLog, type OpenedLog } from './open-log.ts';
import { readStateMachines, type StateMachines } from './state-machines.ts';

const DIR_MODE = 0o700;
const CONSISTENT_INDEX = utf8Encode('consistent_index');
const TERM = utf8Encode('term');
const CONF_STATE = utf8Encode('confState');
const STORAGE_VERSION = 'storageVersion';

/** Up to where the database holds the log. */
export interface AppliedState {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
}

export interface MemberState extends OpenedLog, StateMachines {
  readonly unlock: () => void;
  readonly backend: Backend;
  readonly buffer: WriteBuffer;
  readonly applied: AppliedState;
  /** For large writes besides those of the log and the database. */
  readonly diskUse: DiskUse;
  /** Where a temporary copy of the database may be put. */
  readonly databaseDir: string;
}

/** The machine below a member: the real one, or a simulated one. */
export interface Platform {
  readonly files: FileSystem;
  /** Throws when another process holds the directory. The returned function frees it. */
  readonly lockDirectory: (dir: string) => () => void;
  readonly openBackend: (path: string, noSync: boolean) => Backend;
  /** What is free where a directory lies; without, nobody looks. */
  readonly volume?: ((dir: string) => ReturnType<LookAtVolume>) | undefined;
  /** How the log uses the disk, where that is not for the configuration to say. */
  readonly wal?: Pick<WalOptions, 'segmentBytes' | 'inlineSync' | 'fillAhead'> | undefined;
}

export interface StateParts {
  readonly config: ServerConfig;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly walMetrics: WalMetrics;
  /** The log waits for room on its disk. */
  readonly onDiskFull?: (() => void) | undefined;
  readonly network: PeerNetwork;
  /** Asked when there is no log yet; without, it is as the configuration lists them. */
  readonly findFounders?: FindFounders | undefined;
}

/** Opens the data directory, or makes it. Throws an Error with one clear line when it cannot be used. */
export async function openMemberState(parts: StateParts): Promise<MemberState> {
  const { config, platform } = parts;
  const memberDir = join(config.dataDir, 'member');
  const databaseDir = join(memberDir, 'snap');
  for (const dir of [config.dataDir, memberDir, databaseDir]) platform.files.makeDir(dir, DIR_MODE);
  const unlock = platform.lockDirectory(memberDir);
  try {
    return await openLocked(parts, databaseDir, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

async function openLocked(parts: StateParts, databaseDir: string, unlock: () => void): Promise<MemberState> {
  const { config, platform, clock, logger, walMetrics, network } = parts;
  const { backend, taken } = await openDatabase(parts, databaseDir);
  const diskUse = new DiskUse(() => clock.monotonicMs());
  const walOptions: WalOptions = {
    ...platform.wal,
    fs: platform.files,
    dir: config.walDir,
    clock,
    logger,
    metrics: walMetrics,
    filesMax: config.walFilesMax,
    isDiskBusy: () => backend.isWriting || diskUse.isBusy,
    onDiskFull: parts.onDiskFull,
  };
  await defragAtStart(backend, config.startDefragMegabytes, logger);
  const buffer = new WriteBuffer(backend);
  const applied = readApplied(buffer);
  if (taken !== undefined) {
    await markTaken(walOptions, taken);
    discardIncoming(platform.files, databaseDir);
  }
  const founders = parts.findFounders ?? (() => Promise.resolve(listedFounders(config)));
  const opened = await openLog(walOptions, config, applied, network, founders);
  checkIdentity(buffer, opened, config.dataDir, config.walDir);
  const machines = readStateMachines(buffer, config);
  const { cluster } = machines;
  const problem = tooOldFor(cluster.version, ETCD_COMPAT_VERSION);
  if (problem !== undefined) throw new Error(problem);
  return { ...opened, ...machines, unlock, backend, buffer, applied, diskUse, databaseDir };
}

/** The database, with a snapshot from the leader in its place if one came in before the last end. */
async function openDatabase(
  { config, platform, logger, clock }: StateParts,
  dir: string,
): Promise<{ backend: Backend; taken: SnapshotMetadata | undefined }> {
  const { files, openBackend } = platform;
  const path = join(dir, 'quorate.mdb');
  if (hasEtcdData(files, dir)) {
    const { takeEtcdData } = await import('./etcd-data.ts');
    const monotonicMs = (): number => clock.monotonicMs();
    await takeEtcdData({ config, files, dir, logger, monotonicMs, openBackend: (at) => openBackend(at, false) });
  }
  const taken = incomingMetadata(files, dir);
  if (taken === undefined) return { backend: openBackend(path, config.unsafeNoFsync), taken };
  logger.info('taking over a snapshot from the leader', { index: taken.index, term: taken.term });
  for (const name of files.list(dir)) {
    if (name.startsWith('quorate.mdb')) files.remove(join(dir, name));
  }
  const backend = openBackend(path, config.unsafeNoFsync);
  await importIncoming(files, dir, taken, backend);
  return { backend, taken };
}

function readApplied(reader: Reader): AppliedState {
  const index = reader.get('meta', CONSISTENT_INDEX);
  const term = reader.get('meta', TERM);
  const confState = reader.get('meta', CONF_STATE);
  return {
    index: index === undefined ? 0 : getUint64BE(index, 0),
    term: term === undefined ? 0 : getUint64BE(term, 0),
    confState: decodeConfState(confState),
  };
}

/** The rows of table `meta` that tell how far the log is applied, and the schema. */
export function appliedRows(applied: AppliedState, clusterVersion: string | undefined): Map<string, Uint8Array> {
  const storageVersion = storedStorageVersion(clusterVersion);
  return new Map([
    ...(storageVersion === undefined ? [] : [[STORAGE_VERSION, utf8Encode(storageVersion)] as const]),
    ['consistent_index', uint64(applied.index)],
    ['term', uint64(applied.term)],
    ['confState', encodeConfState(applied.confState)],
  ]);
}

/** Puts them into the buffer: they go to disk with the changes up to that index. */
export function stampApplied(buffer: WriteBuffer, applied: AppliedState, clusterVersion: string | undefined): void {
  const rows = appliedRows(applied, clusterVersion);
  for (const [name, value] of rows) buffer.put('meta', utf8Encode(name), value);
  if (!rows.has(STORAGE_VERSION)) buffer.delete('meta', utf8Encode(STORAGE_VERSION));
}

function uint64(value: number): Uint8Array {
  const out = new Uint8Array(8);
  putUint64BE(out, 0, value);
  return out;
}
