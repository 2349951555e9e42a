/**
 * etcd's API messages as the tests see them, with the names of the proto files. int64 and uint64 are bigint (a number is
 * accepted in requests), enums are their names (a number for a value outside the enum), bytes are Uint8Array (a string in a
 * request stands for its UTF-8 bytes). Fields that are absent on the wire hold proto3's default; absent messages and oneof
 * members are undefined.
 */

export type Int = bigint | number;
export type Bytes = Uint8Array | string;

export interface ResponseHeader {
  cluster_id: bigint;
  member_id: bigint;
  revision: bigint;
  raft_term: bigint;
}

export interface KeyValue {
  key: Uint8Array;
  create_revision: bigint;
  mod_revision: bigint;
  version: bigint;
  value: Uint8Array;
  lease: bigint;
}

export interface Event {
  type: 'PUT' | 'DELETE';
  kv: KeyValue;
  prev_kv?: KeyValue;
}

// ---- KV ----

export type SortOrder = 'NONE' | 'ASCEND' | 'DESCEND';
export type SortTarget = 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE';

export interface RangeRequest {
  key?: Bytes;
  range_end?: Bytes;
  limit?: Int;
  revision?: Int;
  sort_order?: SortOrder | number;
  sort_target?: SortTarget | number;
  serializable?: boolean;
  keys_only?: boolean;
  count_only?: boolean;
  min_mod_revision?: Int;
  max_mod_revision?: Int;
  min_create_revision?: Int;
  max_create_revision?: Int;
}

export interface RangeResponse {
  header: ResponseHeader;
  kvs: KeyValue[];
  more: boolean;
  count: bigint;
}

export interface RangeStreamResponse {
  range_response: Omit<RangeResponse, 'header'> & { header?: ResponseHeader };
}

export interface PutRequest {
  key?: Bytes;
  value?: Bytes;
  lease?: Int;
  prev_kv?: boolean;
  ignore_value?: boolean;
  ignore_lease?: boolean;
}

export interface PutResponse {
  header: ResponseHeader;
  prev_kv?: KeyValue;
}

export interface DeleteRangeRequest {
  key?: Bytes;
  range_end?: Bytes;
  prev_kv?: boolean;
}

export interface DeleteRangeResponse {
  header: ResponseHeader;
  deleted: bigint;
  prev_kvs: KeyValue[];
}

/** At most one member is set. */
export interface RequestOp {
  request_range?: RangeRequest;
  request_put?: PutRequest;
  request_delete_range?: DeleteRangeRequest;
  request_txn?: TxnRequest;
}

export interface ResponseOp {
  response_range?: RangeResponse;
  response_put?: PutResponse;
  response_delete_range?: DeleteRangeResponse;
  response_txn?: TxnResponse;
}

export type CompareResult = 'EQUAL' | 'GREATER' | 'LESS' | 'NOT_EQUAL';
export type CompareTarget = 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | 'LEASE';

export interface Compare {
  result?: CompareResult | number;
  target?: CompareTarget | number;
  key?: Bytes;
  version?: Int;
  create_revision?: Int;
  mod_revision?: Int;
  value?: Bytes;
  lease?: Int;
  range_end?: Bytes;
}

export interface TxnRequest {
  compare?: readonly Compare[];
  success?: readonly RequestOp[];
  failure?: readonly RequestOp[];
}

export interface TxnResponse {
  header: ResponseHeader;
  succeeded: boolean;
  responses: ResponseOp[];
}

export interface CompactionRequest {
  revision?: Int;
  physical?: boolean;
}

export interface HeaderOnly {
  header: ResponseHeader;
}

// ---- Watch ----

export interface WatchCreateRequest {
  key?: Bytes;
  range_end?: Bytes;
  start_revision?: Int;
  progress_notify?: boolean;
  filters?: readonly ('NOPUT' | 'NODELETE')[];
  prev_kv?: boolean;
  watch_id?: Int;
  fragment?: boolean;
}

/** At most one member is set. */
export interface WatchRequest {
  create_request?: WatchCreateRequest;
  cancel_request?: { watch_id?: Int };
  progress_request?: Record<string, never>;
}

export interface WatchResponse {
  header: ResponseHeader;
  watch_id: bigint;
  created: boolean;
  canceled: boolean;
  compact_revision: bigint;
  cancel_reason: string;
  fragment: boolean;
  events: Event[];
}

// ---- Lease ----

export interface LeaseGrantRequest {
  TTL?: Int;
  ID?: Int;
}

export interface LeaseGrantResponse {
  header: ResponseHeader;
  ID: bigint;
  TTL: bigint;
  error: string;
}

export interface LeaseKeepAliveResponse {
  header: ResponseHeader;
  ID: bigint;
  TTL: bigint;
}

export interface LeaseTimeToLiveRequest {
  ID?: Int;
  keys?: boolean;
}

export interface LeaseTimeToLiveResponse {
  header: ResponseHeader;
  ID: bigint;
  TTL: bigint;
  grantedTTL: bigint;
  keys: Uint8Array[];
}

export interface LeaseLeasesResponse {
  header: ResponseHeader;
  leases: { ID: bigint }[];
}

// ---- Cluster and Maintenance ----

export interface Member {
  ID: bigint;
  name: string;
  peerURLs: string[];
  clientURLs: string[];
  isLearner: boolean;
}

export interface MembersResponse {
  header: ResponseHeader;
  members: Member[];
}

export interface AlarmRequest {
  action?: 'GET' | 'ACTIVATE' | 'DEACTIVATE' | number;
  memberID?: Int;
  alarm?: 'NONE' | 'NOSPACE' | 'CORRUPT' | number;
}

export interface AlarmResponse {
  header: ResponseHeader;
  alarms: { memberID: bigint; alarm: string }[];
}

export interface StatusResponse {
  header: ResponseHeader;
  version: string;
  dbSize: bigint;
  leader: bigint;
  raftIndex: bigint;
  raftTerm: bigint;
  raftAppliedIndex: bigint;
  errors: string[];
  dbSizeInUse: bigint;
  isLearner: boolean;
  storageVersion: string;
  dbSizeQuota: bigint;
  downgradeInfo?: { enabled: boolean; targetVersion: string };
}

export interface HashResponse {
  header: ResponseHeader;
  hash: number;
}

export interface HashKVResponse {
  header: ResponseHeader;
  hash: number;
  compact_revision: bigint;
  hash_revision: bigint;
}

export interface SnapshotResponse {
  header?: ResponseHeader;
  remaining_bytes: bigint;
  blob: Uint8Array;
  version: string;
}

export interface DowngradeResponse {
  header: ResponseHeader;
  version: string;
}

// ---- Lock and Election ----

export interface LockResponse {
  header: ResponseHeader;
  key: Uint8Array;
}

export interface LeaderKey {
  name: Uint8Array;
  key: Uint8Array;
  rev: bigint;
  lease: bigint;
}

export interface LeaderResponse {
  header: ResponseHeader;
  kv?: KeyValue;
}
