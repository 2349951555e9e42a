/** What a data directory in etcd's layout holds, for comparing two of them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeMetadata } from '../../src/gen/etcdserver.ts';
import { decodeEntry, decodeHardState } from '../../src/gen/raftpb.ts';
import { decodeSnapshot } from '../../src/gen/walpb.ts';
import { NodeFileSystem } from '../../src/platform/node-file-system.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { DatabaseReader } from '../../src/storage/bbolt/database-reader.ts';
import { SnapFiles } from '../../src/storage/snap/snap-files.ts';
import { RecordType } from '../../src/storage/wal/format.ts';
import { SegmentReader } from '../../src/storage/wal/segment-reader.ts';

const files = new NodeFileSystem();

/** Every row by bucket, as text. */
export function bucketsOf(path: string): Record<string, Record<string, string>> {
  const file = files.open(path, 'read');
  try {
    const reader = new DatabaseReader(file);
    const buckets: Record<string, Record<string, string>> = {};
    for (const [name, bucket] of reader.buckets()) {
      const rows: Record<string, string> = {};
      for (const { key, value } of reader.rows(bucket)) rows[latin1(key)] = latin1(value);
      buckets[name] = rows;
    }
    return buckets;
  } finally {
    file.close();
  }
}

/** Every record of the log but its checksums. */
export function recordsOf(walDir: string): unknown[] {
  const records: unknown[] = [];
  for (const name of readdirSync(walDir).filter((file) => file.endsWith('.wal'))) {
    const file = files.open(join(walDir, name), 'read');
    const reader = new SegmentReader(file, name, true, undefined);
    while (reader.next() === 'record') {
      if (reader.type !== RecordType.crc)
        records.push({ name, type: reader.type, ...decoded(reader.type, reader.data) });
    }
    file.close();
  }
  return records;
}

function decoded(type: number, data: Uint8Array): object {
  if (type === RecordType.metadata) return decodeMetadata(data);
  if (type === RecordType.state) return decodeHardState(data);
  if (type === RecordType.snapshot) return decodeSnapshot(data);
  const entry = decodeEntry(data);
  return { ...entry, data: latin1(entry.data) };
}

/** The name of the newest .snap file, what it is of, and the members in it. */
export function snapOf(dir: string): unknown {
  const snaps = new SnapFiles(files, dir, silentLogger);
  const snapshot = snaps.newest();
  const store = JSON.parse(latin1(snapshot?.data ?? new Uint8Array(0))) as { Root: object };
  return { names: snaps.list(), metadata: snapshot?.metadata, members: valuesOf(store.Root) };
}

interface Node {
  readonly Value?: string;
  readonly Children?: Readonly<Record<string, Node>> | null;
}

function valuesOf(node: Node, path = ''): [string, string][] {
  const own: [string, string][] = node.Value === undefined || node.Value === '' ? [] : [[path, node.Value]];
  return [
    ...own,
    ...Object.entries(node.Children ?? {}).flatMap(([name, child]) => valuesOf(child, `${path}/${name}`)),
  ];
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
