/** Data directories that are not this member's: etcd's is taken over, another member's refused with one clear line. */
import { join } from 'node:path';
import { equalBytes } from '../base/bytes.ts';
import { uint64Bytes } from '../membership/ids.ts';
import { MEMBER_IDENTITY } from '../mvcc/meta.ts';
import type { WriteBuffer } from '../mvcc/write-buffer.ts';
import type { FileSystem } from '../ports/file-system.ts';

/** Of etcd's database. */
export const ETCDS = 'db';
/** Holds the name of the directory that the original goes to. There from before the log is copied until all is set aside. */
export const MARKER = 'import.aside';

export interface Identity {
  readonly memberId: bigint;
  readonly clusterId: bigint;
}

/** Whether there is something of etcd's to take over in member/snap. */
export function hasEtcdData(files: FileSystem, dir: string): boolean {
  return files.exists(join(dir, ETCDS)) || files.exists(join(dir, MARKER));
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
