/**
 * The .snap files that etcd up to 3.7 keeps beside its database: one for each snapshot mark in the WAL, with the members and
 * the v2 store at that index. quorate starts without them; etcd and its tools expect them.
 */
import { crc32c } from '../../base/crc32c.ts';
import { WireError } from '../../base/wire.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot, type SnapshotInit } from '../../gen/raftpb.ts';
import { decodeSnapshot as decodeEnvelope, encodeSnapshot as encodeEnvelope } from '../../gen/snappb.ts';
import type { FileSystem } from '../../ports/file-system.ts';
import type { Logger } from '../../ports/logger.ts';

const DIR_MODE = 0o700;
const BROKEN_SUFFIX = '.broken';
const TEMP_SUFFIX = '.tmp';
/** etcd's --max-snapshots. */
export const SNAP_FILES_MAX = 5;

export interface SnapFileName {
  readonly term: number;
  readonly index: number;
  readonly name: string;
}

export class SnapFiles {
  readonly #fs: FileSystem;
  readonly #dir: string;
  readonly #logger: Logger;

  /** `dir`: member/snap; created with the first file. */
  constructor(fs: FileSystem, dir: string, logger: Logger) {
    this.#fs = fs;
    this.#dir = dir;
    this.#logger = logger;
  }

  /** The files by term and index, oldest first. Their content is not looked at. */
  list(): SnapFileName[] {
    if (!this.#fs.exists(this.#dir)) return [];
    const files: SnapFileName[] = [];
    for (const name of this.#fs.list(this.#dir)) {
      const parsed = parseSnapName(name);
      if (parsed !== undefined) files.push(parsed);
    }
    return files.sort((a, b) => a.term - b.term || a.index - b.index);
  }

  /** Writes the file for `snapshot`, which must have metadata; it is on disk when this returns. */
  write(snapshot: SnapshotInit): void {
    const { index = 0, term = 0 } = snapshot.metadata ?? {};
    if (index === 0) throw new Error('a snapshot file needs an index');
    const data = encodeSnapshot(snapshot);
    const bytes = encodeEnvelope({ crc: crc32c(0, data), data });
    this.#fs.makeDir(this.#dir, DIR_MODE);
    const path = `${this.#dir}/${snapName(term, index)}`;
    const temporary = `${path}${TEMP_SUFFIX}`;
    if (this.#fs.exists(temporary)) this.#fs.remove(temporary);
    const file = this.#fs.open(temporary, 'create');
    try {
      file.writeDurable(bytes, 0);
    } finally {
      file.close();
    }
    this.#fs.rename(temporary, path);
    this.#fs.syncDir(this.#dir);
  }

  /**
   * The newest snapshot that `wanted` accepts, by default any; undefined when there is none. A file that cannot be read is
   * renamed to .broken, and the next older one is tried.
   */
  newest(wanted: (file: SnapFileName) => boolean = () => true): Snapshot | undefined {
    for (const file of this.list().reverse()) {
      if (!wanted(file)) continue;
      const snapshot = this.#read(file);
      if (snapshot !== undefined) return snapshot;
    }
    return undefined;
  }

  /** Removes all but the newest `keep` files; 0: removes none. Also what a crash left half-written. */
  purge(keep: number): void {
    if (!this.#fs.exists(this.#dir)) return;
    for (const name of this.#fs.list(this.#dir)) {
      if (name.endsWith(`.snap${TEMP_SUFFIX}`)) this.#fs.remove(`${this.#dir}/${name}`);
    }
    if (keep === 0) return;
    const files = this.list();
    for (const { name } of files.slice(0, Math.max(files.length - keep, 0))) {
      this.#fs.remove(`${this.#dir}/${name}`);
    }
  }

  #read({ name }: SnapFileName): Snapshot | undefined {
    const path = `${this.#dir}/${name}`;
    const read = decodeFile(this.#readAll(path));
    if (typeof read !== 'string') return read;
    this.#logger.warn('renamed a broken snapshot file', { path, problem: read });
    this.#fs.rename(path, `${path}${BROKEN_SUFFIX}`);
    return undefined;
  }

  #readAll(path: string): Uint8Array {
    const file = this.#fs.open(path, 'read');
    try {
      const bytes = new Uint8Array(file.size());
      return bytes.subarray(0, file.read(bytes, 0));
    } finally {
      file.close();
    }
  }
}

/** The snapshot, or what is wrong with the bytes. */
function decodeFile(bytes: Uint8Array): Snapshot | string {
  try {
    const { crc, data } = decodeEnvelope(bytes);
    if (data.length === 0 || crc === 0) return 'the file is empty';
    if (crc32c(0, data) !== crc) return 'the checksum is wrong';
    return decodeSnapshot(data);
  } catch (error) {
    if (error instanceof WireError) return error.message;
    throw error;
  }
}

export function snapName(term: number, index: number): string {
  return `${hex16(term)}-${hex16(index)}.snap`;
}

/** undefined for a name that is not of a snapshot file. */
export function parseSnapName(name: string): SnapFileName | undefined {
  const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.snap$/.exec(name);
  if (match === null) return undefined;
  return { term: Number.parseInt(match[1] as string, 16), index: Number.parseInt(match[2] as string, 16), name };
}

function hex16(value: number): string {
  return value.toString(16).padStart(16, '0');
}
