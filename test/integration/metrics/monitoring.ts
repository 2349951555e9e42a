/**
 * What people watch etcd by: the conditions of the alerts, and the panels of the dashboard, of its monitoring mixin. The names are the
 * mixin's (etcd-io/etcd, contrib/mixin, Apache-2.0); the expressions are written anew from what each looks at, without the
 * selectors that only pick a cluster.
 */

export interface Monitored {
  /** Of the alert or the panel. */
  readonly name: string;
  readonly expression: string;
}

const FAILED = 'Unknown|FailedPrecondition|ResourceExhausted|Internal|Unavailable|DataLoss|DeadlineExceeded';

/** 100 times the failed part of all requests, per method. */
const FAILED_PER_CENT = `100 * sum without (grpc_type, grpc_code) (rate(grpc_server_handled_total{grpc_code=~"${FAILED}"}[5m]))
  / sum without (grpc_type, grpc_code) (rate(grpc_server_handled_total[5m]))`;

function p99(histogram: string): string {
  return `histogram_quantile(0.99, rate(${histogram}_bucket[5m]))`;
}

/** Two alerts of one name differ in how much it takes. */
export const ALERTS: readonly Monitored[] = [
  {
    name: 'etcdMembersDown',
    expression: `max without (endpoint) (
      sum without (instance) (up == bool 0)
      or count without (To) (sum without (instance) (rate(etcd_network_peer_sent_failures_total[2m])) > 0.01)
    ) > 0`,
  },
  {
    name: 'etcdInsufficientMembers',
    expression: 'sum without (instance) (up == bool 1) < (count without (instance) (up) + 1) / 2',
  },
  { name: 'etcdNoLeader', expression: 'etcd_server_has_leader == 0' },
  {
    name: 'etcdHighNumberOfLeaderChanges',
    expression: `increase((max without (instance) (etcd_server_leader_changes_seen_total)
      or 0 * absent(etcd_server_leader_changes_seen_total))[15m:1m]) >= 4`,
  },
  { name: 'etcdHighNumberOfFailedGRPCRequests', expression: `${FAILED_PER_CENT} > 1` },
  { name: 'etcdHighNumberOfFailedGRPCRequests', expression: `${FAILED_PER_CENT} > 5` },
  {
    name: 'etcdGRPCRequestsSlow',
    expression: `histogram_quantile(0.99, sum without (grpc_type) (
      rate(grpc_server_handling_seconds_bucket{grpc_method!="Defragment", grpc_type="unary"}[5m])
    )) > 0.15`,
  },
  {
    name: 'etcdMemberCommunicationSlow',
    expression: `${p99('etcd_network_peer_round_trip_time_seconds')} > 0.15`,
  },
  { name: 'etcdHighNumberOfFailedProposals', expression: 'rate(etcd_server_proposals_failed_total[15m]) > 5' },
  { name: 'etcdHighFsyncDurations', expression: `${p99('etcd_disk_wal_fsync_duration_seconds')} > 0.5` },
  { name: 'etcdHighFsyncDurations', expression: `${p99('etcd_disk_wal_fsync_duration_seconds')} > 1` },
  { name: 'etcdHighCommitDurations', expression: `${p99('etcd_disk_backend_commit_duration_seconds')} > 0.25` },
  {
    name: 'etcdDatabaseQuotaLowSpace',
    expression: `100 * last_over_time(etcd_mvcc_db_total_size_in_bytes[5m])
      / last_over_time(etcd_server_quota_backend_bytes[5m]) > 95`,
  },
  {
    name: 'etcdExcessiveDatabaseGrowth',
    expression: 'predict_linear(etcd_mvcc_db_total_size_in_bytes[4h], 14400) > etcd_server_quota_backend_bytes',
  },
  {
    name: 'etcdDatabaseHighFragmentationRatio',
    expression: `last_over_time(etcd_mvcc_db_total_size_in_use_in_bytes[5m])
      / last_over_time(etcd_mvcc_db_total_size_in_bytes[5m]) < 0.5
      and etcd_mvcc_db_total_size_in_use_in_bytes > 104857600`,
  },
];

/** Streams that were begun and have not ended. */
function openStreams(service: string): string {
  const labels = `{grpc_service="etcdserverpb.${service}", grpc_type="bidi_stream"}`;
  return `sum(grpc_server_started_total${labels}) - sum(grpc_server_handled_total${labels})`;
}

function p99PerInstance(histogram: string): string {
  return `histogram_quantile(0.99, sum by (instance, le) (rate(${histogram}_bucket[5m])))`;
}

export const PANELS: readonly Monitored[] = [
  { name: 'Up', expression: 'sum(etcd_server_has_leader)' },
  { name: 'RPC rate', expression: 'sum(rate(grpc_server_started_total{grpc_type="unary"}[5m]))' },
  {
    name: 'RPC failed rate',
    expression: `sum(rate(grpc_server_handled_total{grpc_type="unary", grpc_code=~"${FAILED}"}[5m]))`,
  },
  { name: 'Watch streams', expression: openStreams('Watch') },
  { name: 'Lease streams', expression: openStreams('Lease') },
  { name: 'DB size', expression: 'etcd_mvcc_db_total_size_in_bytes' },
  { name: 'WAL fsync', expression: p99PerInstance('etcd_disk_wal_fsync_duration_seconds') },
  { name: 'DB fsync', expression: p99PerInstance('etcd_disk_backend_commit_duration_seconds') },
  { name: 'Memory', expression: 'process_resident_memory_bytes' },
  { name: 'Client traffic in', expression: 'rate(etcd_network_client_grpc_received_bytes_total[5m])' },
  { name: 'Client traffic out', expression: 'rate(etcd_network_client_grpc_sent_bytes_total[5m])' },
  { name: 'Peer traffic in', expression: 'sum by (instance) (rate(etcd_network_peer_received_bytes_total[5m]))' },
  { name: 'Peer traffic out', expression: 'sum by (instance) (rate(etcd_network_peer_sent_bytes_total[5m]))' },
  { name: 'Proposals failed', expression: 'sum(rate(etcd_server_proposals_failed_total[5m]))' },
  { name: 'Proposals pending', expression: 'sum(etcd_server_proposals_pending)' },
  { name: 'Proposals committed', expression: 'sum(rate(etcd_server_proposals_committed_total[5m]))' },
  { name: 'Proposals applied', expression: 'sum(rate(etcd_server_proposals_applied_total[5m]))' },
  { name: 'Leader elections', expression: 'changes(etcd_server_leader_changes_seen_total[1d])' },
  { name: 'Peer round trip time', expression: p99PerInstance('etcd_network_peer_round_trip_time_seconds') },
];
