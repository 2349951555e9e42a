/** A member's data directory in memory, with log and database, as one process after the other finds it. */
import { putUint64BE } from '../../../src/base/bytes.ts';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { openMemberState, stampApplied, type MemberState } from '../../../src/embed/member-state.ts';
import type { ConfState, EntryInit, HardState, SnapshotMetadata } from '../../../src/gen/raftpb.ts';
import type { Backend } from '../../../src/mvcc/backend.ts';
import { WriteBuffer } from '../../../src/mvcc/write-buffer.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { encodeConfState } from '../../../src/server/conf-state.ts';
import { NO_PEERS } from '../../../src/server/no-peers.ts';
import type { PeerNetwork } from '../../../src/server/peer-transport.ts';
import { DatabaseWriter } from '../../../src/storage/bbolt/database-writer.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import { createWal } from '../../../src/storage/wal/open.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryFileSystem } from '../../support/memory-file-system.ts';
import { config } from '../config/run.ts';

export const DATA_DIR = '/data';
export const DATABASE_DIR = `${DATA_DIR}/member/snap`;
export const WAL_DIR = `${DATA_DIR}/member/wal`;
const DATABASE = `${DATABASE_DIR}/quorate.mdb`;
const NO_METRICS = {
  fsyncSeconds: { observe: () => {} },
  writeSeconds: { observe: () => {} },
  writtenBytes: { inc: () => {} },
};

export function confStateOf(...voters: bigint[]): ConfState {
  return { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
}

export class DataDirectory {
  readonly files: MemoryFileSystem;
  /** The databases that there were, each behind a file that holds its number: removed, it takes the database with it. */
  readonly #databases: MemoryBackend[] = [];

  constructor(seed = 1) {
    this.files = new MemoryFileSystem({ seed, unorderedNames: true });
    for (const dir of [DATABASE_DIR, WAL_DIR]) this.files.makeDir(dir, 0o700);
  }

  /** Writes a log: entries of these terms from index 1 on, then `more`. */
  async writeLog(
    hardState: HardState,
    terms: readonly number[],
    more: readonly EntryInit[] = [],
    owner = { nodeID: 1n, clusterID: 9n },
  ): Promise<void> {
    const wal = createWal(this.#walOptions(), owner);
    await new Promise<void>((resolve, reject) => {
      const entries = terms.map((term, at) => ({ type: 0, term, index: at + 1, data: utf8Encode(`e${at + 1}`) }));
      wal.append(hardState, [...entries, ...more], true, (error) => (error === undefined ? resolve() : reject(error)));
    });
    await new Promise<void>((resolve) => wal.close(() => resolve()));
  }

  /** Writes a database that holds the log up to there; the patch version of the cluster says so too. */
  async writeDatabase(index: number, term: number, confState: ConfState): Promise<void> {
    const backend = this.#openBackend(DATABASE);
    const buffer = new WriteBuffer(backend);
    stampApplied(buffer, { index, term, confState }, undefined);
    buffer.put('cluster', utf8Encode('clusterVersion'), utf8Encode(`3.0.${index}`));
    const batch = buffer.beginFlush();
    if (batch !== undefined) await new Promise<void>((resolve) => backend.commit(batch, () => resolve()));
    if (batch !== undefined) buffer.endFlush();
    buffer.close();
    backend.close();
  }

  /** What a process that starts now makes of it. */
  open(flags: readonly string[] = [], network: PeerNetwork = NO_PEERS): Promise<MemberState> {
    return openMemberState({
      config: config([`--data-dir=${DATA_DIR}`, ...flags]),
      platform: {
        files: this.files,
        lockDirectory: () => () => {},
        openBackend: (path) => this.#openBackend(path),
        wal: { segmentBytes: 1 << 16, fillAhead: false },
      },
      clock: new ManualClock(),
      logger: silentLogger,
      walMetrics: NO_METRICS,
      network,
    });
  }

  /** Runs `work` until it ends or the power goes; undefined in the latter case. */
  async untilPowerLoss<T>(work: () => Promise<T>): Promise<T | undefined> {
    let outcome: { value: T } | { error: unknown } | undefined;
    work().then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
    while (outcome === undefined && !this.files.powerLost) await new Promise((resolve) => setImmediate(resolve));
    if (this.files.powerLost) return undefined;
    if (outcome !== undefined && 'error' in outcome) throw outcome.error;
    return outcome?.value;
  }

  #walOptions() {
    return {
      fs: this.files,
      dir: WAL_DIR,
      clock: new ManualClock(),
      logger: silentLogger,
      segmentBytes: 1 << 16,
      fillAhead: false,
    };
  }

  #openBackend(path: string): Backend {
    const { files } = this;
    if (!files.exists(path)) {
      const at = this.#databases.push(new MemoryBackend()) - 1;
      const file = files.open(path, 'create');
      file.writeDurable(new Uint8Array([at]), 0);
      file.close();
      files.syncDir(path.slice(0, path.lastIndexOf('/')));
    }
    const [at = 0] = files.bytesOf(path);
    const found = this.#databases[at];
    if (found === undefined) throw new Error(`no database ${at}`);
    const reopened = found.afterCrash();
    this.#databases[at] = reopened;
    return reopened;
  }
}

/** Closes what was opened, as a process that ends in order. */
export async function closeState(state: MemberState): Promise<void> {
  await new Promise<void>((resolve) => state.log.close(() => resolve()));
  state.buffer.close();
  state.backend.close();
}

/** A leader's snapshot: what it says of itself, and its database, where the minor version of the cluster says it too. */
export function leaderSnapshot(metadata: SnapshotMetadata & { confState: ConfState }): {
  metadata: SnapshotMetadata;
  database: Uint8Array;
} {
  const files = new MemoryFileSystem();
  const file = files.open('/db', 'create');
  const writer = new DatabaseWriter(file);
  writer.beginBucket('cluster');
  writer.add(utf8Encode('clusterVersion'), utf8Encode(`3.0.${metadata.index}`));
  writer.endBucket();
  writer.beginBucket('key');
  writer.endBucket();
  writer.beginBucket('meta');
  writer.add(utf8Encode('confState'), encodeConfState(metadata.confState));
  writer.add(utf8Encode('consistent_index'), uint64(metadata.index));
  writer.add(utf8Encode('term'), uint64(metadata.term));
  writer.endBucket();
  writer.finish();
  return { metadata, database: files.bytesOf('/db') };
}

/** The bytes as they come from a socket. */
export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

export function uint64(value: number): Uint8Array {
  const out = new Uint8Array(8);
  putUint64BE(out, 0, value);
  return out;
}
