/** The choices that the .proto files do not make: which fields are ids, and which stay encoded. */

/**
 * 64-bit fields that hold ids are `bigint`: they use all 64 bits. All other 64-bit fields are `number`: revisions,
 * indexes, terms, counts and sizes stay far below 2^53.
 * An entry is a field name as in the .proto file (any message), or Message.field (that message only).
 */
const BIGINT_FIELDS = new Set([
  'cluster_id',
  'member_id',
  'memberID',
  'member_ID',
  'ID',
  'lease',
  'watch_id',
  'leader',
  'targetID',
  'node_id',
  'NodeID',
  'ClusterID',
  'voters',
  'learners',
  'voters_outgoing',
  'learners_next',
  'Message.to',
  'Message.from',
  'Message.vote',
  'HardState.vote',
  'ConfChange.id',
]);

/**
 * Message-typed fields that stay encoded (Uint8Array), so that values are copied and never decoded and encoded again.
 * Entries are package.Message.field.
 */
const RAW_FIELDS = new Set([
  'mvccpb.Event.kv',
  'mvccpb.Event.prev_kv',
  'etcdserverpb.RangeResponse.kvs',
  'etcdserverpb.PutResponse.prev_kv',
  'etcdserverpb.DeleteRangeResponse.prev_kvs',
  'etcdserverpb.WatchResponse.events',
  'etcdserverpb.InternalRaftRequest.range',
  'etcdserverpb.InternalRaftRequest.put',
  'etcdserverpb.InternalRaftRequest.delete_range',
  'etcdserverpb.InternalRaftRequest.txn',
  'etcdserverpb.InternalRaftRequest.compaction',
  'etcdserverpb.InternalRaftRequest.lease_grant',
  'etcdserverpb.InternalRaftRequest.lease_revoke',
]);

/** proto2 scalars whose absence means something: `undefined` when absent, written when defined. */
const PRESENCE_FIELDS = new Set(['etcdserverpb.Request.PrevExist', 'etcdserverpb.Request.Refresh']);

export function isBigint(message: string, field: string): boolean {
  return BIGINT_FIELDS.has(field) || BIGINT_FIELDS.has(`${message}.${field}`);
}

/** `message` is the full name, without a leading dot. */
export function isRaw(message: string, field: string): boolean {
  return RAW_FIELDS.has(`${message}.${field}`);
}

export function hasPresence(message: string, field: string): boolean {
  return PRESENCE_FIELDS.has(`${message}.${field}`);
}

/** range_end -> rangeEnd, remaining_TTL -> remainingTTL, NodeID -> nodeID; names all in capitals (ID, TTL) stay. */
export function memberName(field: string): string {
  if (field === field.toUpperCase()) return field;
  const camel = field.replace(/_([a-zA-Z])/g, (_match, letter: string) => letter.toUpperCase());
  return camel.charAt(0).toLowerCase() + camel.slice(1);
}

/** Every .proto file below proto/, and the TypeScript file below src/gen that it becomes. */
export const PROTO_FILES: ReadonlyArray<readonly [proto: string, output: string]> = [
  ['etcdserverpb/rpc.proto', 'rpc.ts'],
  ['etcdserverpb/raft_internal.proto', 'raft-internal.ts'],
  ['etcdserverpb/etcdserver.proto', 'etcdserver.ts'],
  ['mvccpb/kv.proto', 'mvccpb.ts'],
  ['authpb/auth.proto', 'authpb.ts'],
  ['membershippb/membership.proto', 'membershippb.ts'],
  ['v3lockpb/v3lock.proto', 'v3lockpb.ts'],
  ['v3electionpb/v3election.proto', 'v3electionpb.ts'],
  ['raftpb/raft.proto', 'raftpb.ts'],
  ['walpb/record.proto', 'walpb.ts'],
  ['snappb/snap.proto', 'snappb.ts'],
  ['leasepb/lease.proto', 'leasepb.ts'],
  ['health/health.proto', 'health.ts'],
];
