/** `snapshot status`: what a snapshot file holds. */
import { crc32c } from '../../base/crc32c.ts';
import { utf8Encode } from '../../base/utf8.ts';
import { humanSize } from '../human-size.ts';
import { startProgress } from '../progress.ts';
import type { Fact } from '../write-out.ts';
import { mainRevision, withDatabase } from './snapshot-file.ts';

export interface SnapshotStatus {
  /** CRC-32C over all buckets in order: their names, and then each row's key and value. */
  readonly hash: number;
  /** 0 where there is none. */
  readonly revision: number;
  /** Rows of all buckets. */
  readonly totalKey: number;
  readonly totalSize: number;
}

export function snapshotStatus(path: string): Promise<SnapshotStatus> {
  return withDatabase(path, async (reader) => {
    const progress = await startProgress('Reading');
    let hash = 0;
    let revision = 0;
    let totalKey = 0;
    for (const [name, bucket] of reader.buckets()) {
      hash = crc32c(hash, utf8Encode(name));
      for (const { key, value } of reader.rows(bucket)) {
        hash = crc32c(crc32c(hash, key), value);
        if (name === 'key') revision = mainRevision(key);
        if (++totalKey % 10_000 === 0) progress.update(reader.pagesRead / reader.pages);
      }
    }
    progress.stop();
    return { hash, revision, totalKey, totalSize: reader.sizeBytes };
  });
}

export function statusFacts({ hash, revision, totalKey, totalSize }: SnapshotStatus): Fact[] {
  return [
    { json: 'hash', field: 'Hash', column: 'hash', value: hash, text: hash.toString(16) },
    { json: 'revision', field: 'Revision', column: 'revision', value: revision },
    { json: 'totalKey', field: 'Keys', column: 'total keys', value: totalKey },
    { json: 'totalSize', field: 'Size', column: 'total size', value: totalSize, text: humanSize(totalSize) },
  ];
}
