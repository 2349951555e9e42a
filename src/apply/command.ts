/** What a log entry asks for: etcd's InternalRaftRequest, as one tagged value. */
import type {
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
  DowngradeInfoSetRequest,
} from '../gen/membershippb.ts';
import { encodeInternalRaftRequest, type InternalRaftRequest, type RequestHeaderInit } from '../gen/raft-internal.ts';
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodeLeaseGrantRequest,
  decodeLeaseRevokeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  type AlarmRequest,
  type CompactionRequest,
  type DeleteRangeRequest,
  type LeaseCheckpointRequest,
  type LeaseGrantRequest,
  type LeaseRevokeRequest,
  type PutRequest,
  type RangeRequest,
  type TxnRequest,
} from '../gen/rpc.ts';
import type { AuthInfo } from '../auth/auth-info.ts';
import { authCommandOf, type AuthCommand } from './auth-command.ts';

export type Command =
  | { readonly kind: 'range'; readonly request: RangeRequest }
  | { readonly kind: 'put'; readonly request: PutRequest }
  | { readonly kind: 'deleteRange'; readonly request: DeleteRangeRequest }
  | { readonly kind: 'txn'; readonly request: TxnRequest }
  | { readonly kind: 'compaction'; readonly request: CompactionRequest }
  | { readonly kind: 'leaseGrant'; readonly request: LeaseGrantRequest }
  | { readonly kind: 'leaseRevoke'; readonly request: LeaseRevokeRequest }
  | { readonly kind: 'leaseCheckpoint'; readonly request: LeaseCheckpointRequest }
  | { readonly kind: 'alarm'; readonly request: AlarmRequest }
  | { readonly kind: 'clusterVersionSet'; readonly request: ClusterVersionSetRequest }
  | { readonly kind: 'memberAttrSet'; readonly request: ClusterMemberAttrSetRequest }
  | { readonly kind: 'downgradeInfoSet'; readonly request: DowngradeInfoSetRequest }
  | AuthCommand
  /** An entry of a kind that is not carried out here: the empty one a leader starts with, etcd's v2 requests. */
  | { readonly kind: 'none' };

/** The request as the client sent it, embedded without encoding it again. */
export type EmbeddedKind = 'put' | 'deleteRange' | 'txn' | 'compaction' | 'leaseGrant' | 'leaseRevoke';

export function encodeEmbedded(id: bigint, who: AuthInfo, kind: EmbeddedKind, request: Uint8Array): Uint8Array {
  return encodeInternalRaftRequest({ header: headerOf(id, who), [kind]: request });
}

/** Of a log entry: under which id its proposer waits for it, and for whom it is. */
export function headerOf(ID: bigint, who: AuthInfo): RequestHeaderInit {
  return { ID, username: who.username, authRevision: who.revision };
}

/** The id that an entry's proposer waits for; 0n in entries without one. */
export function entryId(entry: InternalRaftRequest): bigint {
  return entry.header?.ID ?? entry.ID;
}

/** Throws WireError where the embedded request is malformed. */
export function commandOf(entry: InternalRaftRequest): Command {
  if (entry.put !== undefined) return { kind: 'put', request: decodePutRequest(entry.put) };
  if (entry.txn !== undefined) return { kind: 'txn', request: decodeTxnRequest(entry.txn) };
  if (entry.deleteRange !== undefined) {
    return { kind: 'deleteRange', request: decodeDeleteRangeRequest(entry.deleteRange) };
  }
  if (entry.range !== undefined) return { kind: 'range', request: decodeRangeRequest(entry.range) };
  if (entry.compaction !== undefined) return { kind: 'compaction', request: decodeCompactionRequest(entry.compaction) };
  if (entry.leaseGrant !== undefined) return { kind: 'leaseGrant', request: decodeLeaseGrantRequest(entry.leaseGrant) };
  if (entry.leaseRevoke !== undefined) {
    return { kind: 'leaseRevoke', request: decodeLeaseRevokeRequest(entry.leaseRevoke) };
  }
  return clusterCommandOf(entry);
}

function clusterCommandOf(entry: InternalRaftRequest): Command {
  if (entry.leaseCheckpoint !== undefined) return { kind: 'leaseCheckpoint', request: entry.leaseCheckpoint };
  if (entry.alarm !== undefined) return { kind: 'alarm', request: entry.alarm };
  if (entry.clusterVersionSet !== undefined) return { kind: 'clusterVersionSet', request: entry.clusterVersionSet };
  if (entry.clusterMemberAttrSet !== undefined) return { kind: 'memberAttrSet', request: entry.clusterMemberAttrSet };
  if (entry.downgradeInfoSet !== undefined) return { kind: 'downgradeInfoSet', request: entry.downgradeInfoSet };
  return authCommandOf(entry) ?? { kind: 'none' };
}
