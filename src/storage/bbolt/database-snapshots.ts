/** Snapshots of the database in etcd's own file format, written beside the database first because a stream begins with what is known last. */
import { createHash } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import type { WriteBuffer } from '../../mvcc/write-buffer.ts';
import type { Clock } from '../../ports/clock.ts';
import type { File, FileSystem } from '../../ports/file-system.ts';
import type { Histogram } from '../../ports/metrics.ts';
import type { JobRunner } from '../../server/job-runner.ts';
import type { DatabaseSnapshot, SnapshotSource } from '../../server/snapshot-source.ts';
import type { DiskUse } from '../disk-use.ts';
import { DatabaseWriter } from './database-writer.ts';
import { GatheringFile } from './gathering-file.ts';
import { SnapshotJob, type MetaRows } from './snapshot-job.ts';

const CHUNK_BYTES = 32 * 1024;
const SUFFIX = '.snapshot.tmp';

export interface DatabaseSnapshotsParts {
  readonly files: FileSystem;
  /** Where the temporary file goes: on the volume of the database. */
  readonly dir: string;
  readonly buffer: WriteBuffer;
  readonly jobs: JobRunner;
  readonly clock: Clock;
  readonly diskUse: DiskUse;
  /** The rows of bucket `meta` that must match the state pinned in the same step. */
  readonly meta: () => MetaRows;
  /** Version of the storage schema; empty where the database does not say. */
  readonly version: () => string;
  /** From the start of a copy until it is passed on. */
  readonly seconds?: Histogram | undefined;
}

export class DatabaseSnapshots implements SnapshotSource {
  readonly #parts: DatabaseSnapshotsParts;
  #next = 1;

  /** Removes what a killed process left behind. */
  constructor(parts: DatabaseSnapshotsParts) {
    this.#parts = parts;
    for (const name of parts.files.list(parts.dir)) {
      if (name.endsWith(SUFFIX)) parts.files.remove(`${parts.dir}/${name}`);
    }
  }

  async open(): Promise<DatabaseSnapshot> {
    const { files, dir, buffer, jobs, clock, diskUse, meta, version, seconds } = this.#parts;
    const startMs = clock.monotonicMs();
    const path = `${dir}/${this.#next++}${SUFFIX}`;
    const file = files.open(path, 'create');
    const close = (): void => {
      seconds?.observe((clock.monotonicMs() - startMs) / 1000);
      file.close();
      diskUse.begin();
      // Where it fails, the next start removes it.
      files.removeAsync(path, () => diskUse.end());
    };
    diskUse.begin();
    try {
      const gathered = new GatheringFile(file);
      const writer = new DatabaseWriter(gathered);
      const schema = version();
      const sizeBytes = await jobs.run(new SnapshotJob(buffer.pin(), writer, meta()));
      gathered.flush();
      return new OpenSnapshot(file, sizeBytes, schema, clock, close);
    } catch (error) {
      close();
      throw error;
    } finally {
      diskUse.end();
    }
  }
}

class OpenSnapshot implements DatabaseSnapshot {
  readonly sizeBytes: number;
  readonly version: string;
  readonly close: () => void;
  readonly #file: File;
  readonly #clock: Clock;
  readonly #hash = createHash('sha256');

  constructor(file: File, sizeBytes: number, version: string, clock: Clock, close: () => void) {
    this.#file = file;
    this.#clock = clock;
    this.sizeBytes = sizeBytes;
    this.version = version;
    this.close = close;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.sizeBytes; at += CHUNK_BYTES) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, this.sizeBytes - at));
      const read = this.#file.read(chunk, at);
      assert(read === chunk.length, 'snapshot file shorter than written', { at, read });
      this.#hash.update(chunk);
      yield chunk;
      // Let others go between two chunks.
      await new Promise<void>((resolve) => this.#clock.soon(resolve));
    }
  }

  sha256(): Uint8Array {
    return this.#hash.digest();
  }
}
