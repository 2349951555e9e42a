/**
 * `snapshot restore`: a data directory in etcd's own layout, which etcd starts on and quorate too (it takes it over at its first
 * start). It has its name only when it is complete.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NodeFileSystem } from '../../platform/node-file-system.ts';
import { bootstrap, type Bootstrap } from '../../server/bootstrap.ts';
import { startProgress } from '../progress.ts';
import { writeRestored } from './restored-database.ts';
import { writeRestoredLog, writeRestoredSnap } from './restored-log.ts';
import { checkHash, withDatabase } from './snapshot-file.ts';

export interface RestoreOptions {
  readonly file: string;
  readonly dataDir: string;
  /** Empty: inside the data directory. */
  readonly walDir: string;
  readonly name: string;
  /** Names and peer URLs of all members of the new cluster. */
  readonly initialCluster: readonly { readonly name: string; readonly peerURLs: readonly string[] }[];
  readonly initialClusterToken: string;
  /** Of this member, for checking. */
  readonly advertisePeerURLs: readonly string[];
  readonly skipHashCheck: boolean;
  /** 0: not. Otherwise the new revision is marked as compacted. */
  readonly bumpRevision: number;
}

/** Inside the data directory, which may be a mount point; what an interruption left is removed. */
const UNFINISHED = 'restore.tmp';
const DIR_MODE = 0o700;

/** Rejects with an Error of one line, and leaves nothing behind. */
export async function restore(options: RestoreOptions): Promise<void> {
  const { dataDir, file } = options;
  const first = founders(options);
  const hadDir = existsSync(dataDir);
  checkEmpty(options);
  const work = join(dataDir, UNFINISHED);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, 'member', 'snap'), { recursive: true, mode: DIR_MODE });
  const progress = await startProgress('Restoring');
  try {
    await withDatabase(file, async (reader, source) => {
      if (!options.skipHashCheck) await checkHash(file, source, (share) => progress.update(share / 3));
      const target = new NodeFileSystem().open(join(work, 'member', 'snap', 'db'), 'create');
      try {
        const onProgress = (share: number): void => progress.update((1 + 2 * share) / 3);
        await writeRestored(reader, target, { first, bumpRevision: options.bumpRevision, onProgress });
        target.sync();
      } finally {
        target.close();
      }
    });
    await finish(options, first, work);
  } catch (error) {
    rmSync(hadDir ? work : dataDir, { recursive: true, force: true });
    throw error;
  } finally {
    progress.stop();
  }
}

/** A log that lies elsewhere comes first: without its database, nobody starts on it. */
async function finish({ dataDir, walDir }: RestoreOptions, first: Bootstrap, work: string): Promise<void> {
  const files = new NodeFileSystem();
  writeRestoredSnap(files, join(work, 'member', 'snap'), first);
  const isApart = walDir !== '' && resolve(walDir) !== resolve(dataDir, 'member', 'wal');
  const log = isApart ? walDir : join(work, 'member', 'wal');
  const hadDir = existsSync(log);
  try {
    await writeRestoredLog(files, log, first);
    for (const dir of ['member/snap', 'member', '']) files.syncDir(join(work, dir));
    renameSync(join(work, 'member'), join(dataDir, 'member'));
  } catch (error) {
    if (isApart && !hadDir) rmSync(log, { recursive: true, force: true });
    throw error;
  }
  rmSync(work, { recursive: true });
  files.syncDir(dataDir);
}

function founders(options: RestoreOptions): Bootstrap {
  const { initialCluster, initialClusterToken, name, advertisePeerURLs } = options;
  const self = initialCluster.find((member) => member.name === name);
  if (self === undefined) throw new Error(`couldn't find local name "${name}" in the initial cluster configuration`);
  if ([...self.peerURLs].sort().join() !== [...advertisePeerURLs].sort().join()) {
    throw new Error(
      `--initial-cluster has ${name}=${self.peerURLs.join()} but ` +
        `--initial-advertise-peer-urls=${advertisePeerURLs.join()}`,
    );
  }
  const sha1 = (bytes: Uint8Array): Uint8Array => createHash('sha1').update(bytes).digest();
  return bootstrap(sha1, initialCluster, initialClusterToken, name);
}

function checkEmpty({ dataDir, walDir }: RestoreOptions): void {
  if (!isEmpty(dataDir)) throw new Error(`data-dir "${dataDir}" not empty or could not be read`);
  if (walDir !== '' && existsSync(walDir)) throw new Error(`wal-dir "${walDir}" exists`);
}

function isEmpty(dir: string): boolean {
  try {
    return readdirSync(dir).every((name) => name === UNFINISHED);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
}
