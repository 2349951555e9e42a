/** Data directories that are not this member's: refused with one clear line, before anything is written to them. */
import { join } from 'node:path';
import { equalBytes } from '../base/bytes.ts';
import { uint64Bytes } from '../membership/ids.ts';
import { MEMBER_IDENTITY } from '../mvcc/meta.ts';
import type { WriteBuffer } from '../mvcc/write-buffer.ts';
import type { FileSystem } from '../ports/file-system.ts';

export interface Identity {
  readonly memberId: bigint;
  readonly clusterId: bigint;
}

/** A database of etcd's, and none of ours. */
export function refuseEtcdData(files: FileSystem, databaseDir: string, ownDatabase: string): void {
  const etcds = join(databaseDir, 'db');
  if (!files.exists(etcds) || files.exists(ownDatabase)) return;
  throw new Error(
    `the data directory was made by etcd (${etcds}), and starting on it is not supported yet: ` +
      'join its cluster as a new member with an empty directory',
  );
}

/** The database says since its first start whose it is; a log of another member (--wal-dir) would not fit it. */
export function checkIdentity(buffer: WriteBuffer, own: Identity, dataDir: string, walDir: string): void {
  const stored = buffer.get('meta', MEMBER_IDENTITY);
  const bytes = new Uint8Array([...uint64Bytes(own.memberId), ...uint64Bytes(own.clusterId)]);
  if (stored === undefined) {
    buffer.put('meta', MEMBER_IDENTITY, bytes);
    return;
  }
  if (equalBytes(stored, bytes)) return;
  throw new Error(`the database in ${dataDir} is ${shown(stored)}, the WAL in ${walDir} is ${shown(bytes)}`);
}

function shown(identity: Uint8Array): string {
  const view = new DataView(identity.buffer, identity.byteOffset, identity.byteLength);
  const [member, cluster] = [view.getBigUint64(0), view.getBigUint64(8)];
  return `that of member ${member.toString(16)} of cluster ${cluster.toString(16)}`;
}
