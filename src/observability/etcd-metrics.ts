/**
 * etcd's metrics (etcd-behaviour §7.1): names, types, labels and buckets as etcd has them, so that its alerts and dashboards
 * work. Families with labels appear once a label value is known, the others from the start.
 */

import { exponentialBuckets } from './instruments.ts';
import type { MetricRegistry } from './metric-registry.ts';

/** 1 ms to 8 s. */
const MS_TO_8S = exponentialBuckets(0.001, 2, 14);

export type EtcdMetrics = ReturnType<typeof createEtcdMetrics>;

export function createEtcdMetrics(registry: MetricRegistry) {
  return {
    server: serverMetrics(registry),
    disk: diskMetrics(registry),
    mvcc: mvccMetrics(registry),
    lease: leaseMetrics(registry),
    watch: watchMetrics(registry),
    snapshot: snapshotMetrics(registry),
    network: networkMetrics(registry),
    clusterVersion: registry.gauges('etcd_cluster_version', 'Version of the cluster, as a label.', ['cluster_version']),
    authRevision: registry.gauge('etcd_debugging_auth_revision', 'Revision of the auth store.'),
  };
}

function serverMetrics(r: MetricRegistry) {
  const applyBuckets = exponentialBuckets(0.0001, 2, 20);
  return {
    hasLeader: r.gauge('etcd_server_has_leader', 'Whether this member knows a leader.'),
    isLeader: r.gauge('etcd_server_is_leader', 'Whether this member is the leader.'),
    isLearner: r.gauge('etcd_server_is_learner', 'Whether this member is a learner.'),
    leaderChangesSeen: r.counter('etcd_server_leader_changes_seen_total', 'Leader changes seen.'),
    learnerPromoteFailures: r.counters('etcd_server_learner_promote_failures', 'Failed promotions of learners.', [
      'Reason',
    ]),
    learnerPromoteSuccesses: r.counter('etcd_server_learner_promote_successes', 'Promotions of learners while leader.'),
    heartbeatSendFailures: r.counter(
      'etcd_server_heartbeat_send_failures_total',
      'Heartbeats that could not be sent in time.',
    ),
    slowApply: r.counter('etcd_server_slow_apply_total', 'Applied requests that took too long.'),
    applySnapshotInProgress: r.gauge(
      'etcd_server_snapshot_apply_in_progress_total',
      'Whether a snapshot is being applied.',
    ),
    /** Gauges, despite their names. */
    proposalsCommitted: r.gauge('etcd_server_proposals_committed_total', 'Index of the last committed entry.'),
    proposalsApplied: r.gauge('etcd_server_proposals_applied_total', 'Index of the last applied entry.'),
    proposalsPending: r.gauge('etcd_server_proposals_pending', 'Proposals waiting to be committed.'),
    proposalsFailed: r.counter('etcd_server_proposals_failed_total', 'Proposals that failed.'),
    slowReadIndexes: r.counter(
      'etcd_server_slow_read_indexes_total',
      'Read indexes not in time in line with the leader.',
    ),
    readIndexesFailed: r.counter('etcd_server_read_indexes_failed_total', 'Read indexes that failed.'),
    leaseExpired: r.counter('etcd_debugging_server_lease_expired_total', 'Leases revoked because they expired.'),
    alarms: r.gauges('etcd_debugging_server_alarms', 'Active alarms.', ['server_id', 'alarm_type']),
    quotaBackendBytes: r.gauge('etcd_server_quota_backend_bytes', 'Quota of the database in bytes.'),
    version: r.gauges('etcd_server_version', 'Version of the server, as a label.', ['server_version']),
    goVersion: r.gauges('etcd_server_go_version', 'Version of the runtime, as a label.', ['server_go_version']),
    id: r.gauges('etcd_server_id', 'Id of this member in hex, as a label.', ['server_id']),
    featureEnabled: r.gauges('etcd_server_feature_enabled', 'Whether a feature gate is on.', ['name', 'stage']),
    /** version (v3), op, success. */
    applyDuration: r.histograms('etcd_server_apply_duration_seconds', 'Duration of applies.', applyBuckets, [
      'version',
      'op',
      'success',
    ]),
    rangeDuration: r.histograms('etcd_server_range_duration_seconds', 'Duration of ranges.', applyBuckets, ['success']),
    requestDuration: r.histograms('etcd_server_request_duration_seconds', 'Duration of requests.', MS_TO_8S, [
      'type',
      'success',
    ]),
    healthSuccess: r.counter('etcd_server_health_success', 'Answers of /health that were true.'),
    healthFailures: r.counter('etcd_server_health_failures', 'Answers of /health that were false.'),
    healthcheck: r.gauges('etcd_server_healthcheck', 'Last result of each health check.', ['type', 'name']),
    healthchecks: r.counters('etcd_server_healthchecks_total', 'Results of the health checks.', [
      'type',
      'name',
      'status',
    ]),
  };
}

function diskMetrics(r: MetricRegistry) {
  return {
    walFsyncDuration: r.histogram('etcd_disk_wal_fsync_duration_seconds', 'Duration of fsync on the WAL.', MS_TO_8S),
    walWriteDuration: r.histogram('etcd_disk_wal_write_duration_seconds', 'Duration of write on the WAL.', MS_TO_8S),
    walWriteBytes: r.gauge('etcd_disk_wal_write_bytes_total', 'Bytes written to the WAL.'),
    backendCommitDuration: r.histogram(
      'etcd_disk_backend_commit_duration_seconds',
      'Duration of backend commits.',
      MS_TO_8S,
    ),
    backendCommitWriteDuration: r.histogram(
      'etcd_debugging_disk_backend_commit_write_duration_seconds',
      'Duration of the writing part of backend commits.',
      MS_TO_8S,
    ),
    backendCommitRebalanceDuration: r.histogram(
      'etcd_debugging_disk_backend_commit_rebalance_duration_seconds',
      'Duration of the rebalancing part of backend commits.',
      MS_TO_8S,
    ),
    backendCommitSpillDuration: r.histogram(
      'etcd_debugging_disk_backend_commit_spill_duration_seconds',
      'Duration of the spilling part of backend commits.',
      MS_TO_8S,
    ),
    backendSnapshotDuration: r.histogram(
      'etcd_disk_backend_snapshot_duration_seconds',
      'Duration of backend snapshots.',
      exponentialBuckets(0.01, 2, 17),
    ),
    backendDefragDuration: r.histogram(
      'etcd_disk_backend_defrag_duration_seconds',
      'Duration of defragmentations.',
      exponentialBuckets(0.1, 2, 13),
    ),
    defragInflight: r.gauge('etcd_disk_defrag_inflight', 'Whether a defragmentation is under way.'),
  };
}

function mvccMetrics(r: MetricRegistry) {
  const hashBuckets = exponentialBuckets(0.01, 2, 15);
  return {
    range: r.counter('etcd_mvcc_range_total', 'Ranges seen by this member.'),
    /** As etcd_mvcc_range_total, under its name of old. */
    rangeDebugging: r.counter('etcd_debugging_mvcc_range_total', 'Ranges seen by this member.'),
    put: r.counter('etcd_mvcc_put_total', 'Puts seen by this member.'),
    delete: r.counter('etcd_mvcc_delete_total', 'Deletes seen by this member.'),
    txn: r.counter('etcd_mvcc_txn_total', 'Transactions seen by this member.'),
    hashDuration: r.histogram('etcd_mvcc_hash_duration_seconds', 'Duration of storage hashes.', hashBuckets),
    hashRevDuration: r.histogram('etcd_mvcc_hash_rev_duration_seconds', 'Duration of hashes by revision.', hashBuckets),
    dbTotalSize: r.gauge('etcd_mvcc_db_total_size_in_bytes', 'Size of the database file in bytes.'),
    dbTotalSizeInUse: r.gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Bytes of the database that are in use.'),
    dbOpenReadTransactions: r.gauge('etcd_mvcc_db_open_read_transactions', 'Read transactions open now.'),
    keys: r.gauge('etcd_debugging_mvcc_keys_total', 'Keys.'),
    totalPutSize: r.gauge('etcd_debugging_mvcc_total_put_size_in_bytes', 'Bytes of keys and values put.'),
    currentRevision: r.gauge('etcd_debugging_mvcc_current_revision', 'Current revision of the store.'),
    compactRevision: r.gauge('etcd_debugging_mvcc_compact_revision', 'Revision of the last compaction.'),
    dbCompactionLast: r.gauge('etcd_debugging_mvcc_db_compaction_last', 'Unix time of the last compaction.'),
    dbCompactionKeys: r.counter('etcd_debugging_mvcc_db_compaction_keys_total', 'Keys removed by compactions.'),
    indexCompactionPause: r.histogram(
      'etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds',
      'Pauses by index compactions in ms.',
      exponentialBuckets(0.5, 2, 14),
    ),
    dbCompactionPause: r.histogram(
      'etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds',
      'Pauses by database compactions in ms.',
      exponentialBuckets(1, 2, 13),
    ),
    dbCompactionTotal: r.histogram(
      'etcd_debugging_mvcc_db_compaction_total_duration_milliseconds',
      'Whole duration of database compactions in ms.',
      exponentialBuckets(100, 2, 14),
    ),
  };
}

function watchMetrics(r: MetricRegistry) {
  return {
    streams: r.gauge('etcd_debugging_mvcc_watch_stream_total', 'Watch streams.'),
    watchers: r.gauge('etcd_debugging_mvcc_watcher_total', 'Watchers.'),
    slowWatchers: r.gauge('etcd_debugging_mvcc_slow_watcher_total', 'Watchers that are not in line with the store.'),
    events: r.counter('etcd_debugging_mvcc_events_total', 'Events sent to watchers.'),
    pendingEvents: r.gauge('etcd_debugging_mvcc_pending_events_total', 'Events waiting to be sent.'),
    sendLoopEvents: r.histogram(
      'etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds',
      'Duration of sending a response with events.',
      MS_TO_8S,
    ),
    sendLoopPerEvent: r.histogram(
      'etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds',
      'Duration of sending a response with events, per event.',
      MS_TO_8S,
    ),
    sendLoopControl: r.histogram(
      'etcd_debugging_server_watch_send_loop_control_stream_duration_seconds',
      'Duration of sending answers to creations and cancellations.',
      MS_TO_8S,
    ),
    sendLoopProgress: r.histogram(
      'etcd_debugging_server_watch_send_loop_progress_duration_seconds',
      'Duration of sending progress notices.',
      MS_TO_8S,
    ),
  };
}

function leaseMetrics(r: MetricRegistry) {
  return {
    granted: r.counter('etcd_debugging_lease_granted_total', 'Leases granted.'),
    revoked: r.counter('etcd_debugging_lease_revoked_total', 'Leases revoked.'),
    renewed: r.counter('etcd_debugging_lease_renewed_total', 'Leases renewed by the leader.'),
    ttl: r.histogram('etcd_debugging_lease_ttl_total', 'TTLs of leases in seconds.', exponentialBuckets(1, 2, 24)),
  };
}

function snapshotMetrics(r: MetricRegistry) {
  return {
    fsyncDuration: r.histogram('etcd_snap_fsync_duration_seconds', 'Duration of fsync on snapshots.', MS_TO_8S),
    dbFsyncDuration: r.histogram(
      'etcd_snap_db_fsync_duration_seconds',
      'Duration of fsync on database snapshots.',
      MS_TO_8S,
    ),
    dbSaveDuration: r.histogram(
      'etcd_snap_db_save_total_duration_seconds',
      'Whole duration of saving database snapshots.',
      exponentialBuckets(0.1, 2, 10),
    ),
    saveDuration: r.histogram(
      'etcd_debugging_snap_save_total_duration_seconds',
      'Duration of saving snapshots.',
      MS_TO_8S,
    ),
    saveMarshallingDuration: r.histogram(
      'etcd_debugging_snap_save_marshalling_duration_seconds',
      'Duration of encoding snapshots.',
      MS_TO_8S,
    ),
  };
}

function networkMetrics(r: MetricRegistry) {
  const transferBuckets = exponentialBuckets(0.1, 2, 10);
  const snapshot = (direction: 'send' | 'receive', label: 'To' | 'From') => ({
    successes: r.counters(`etcd_network_snapshot_${direction}_success`, `Snapshots: ${direction}, succeeded.`, [label]),
    failures: r.counters(`etcd_network_snapshot_${direction}_failures`, `Snapshots: ${direction}, failed.`, [label]),
    inflights: r.gauges(`etcd_network_snapshot_${direction}_inflights_total`, `Snapshots: ${direction}, now.`, [label]),
    duration: r.histograms(
      `etcd_network_snapshot_${direction}_total_duration_seconds`,
      `Snapshots: ${direction}, duration.`,
      transferBuckets,
      [label],
    ),
  });
  return {
    peerSentBytes: r.counters('etcd_network_peer_sent_bytes_total', 'Bytes sent to peers.', ['To']),
    peerReceivedBytes: r.counters('etcd_network_peer_received_bytes_total', 'Bytes received from peers.', ['From']),
    peerSentFailures: r.counters('etcd_network_peer_sent_failures_total', 'Failures to send to peers.', ['To']),
    peerReceivedFailures: r.counters('etcd_network_peer_received_failures_total', 'Failures to receive from peers.', [
      'From',
    ]),
    peerRoundTripTime: r.histograms(
      'etcd_network_peer_round_trip_time_seconds',
      'Round-trip times between peers.',
      exponentialBuckets(0.0001, 2, 16),
      ['To'],
    ),
    activePeers: r.gauges('etcd_network_active_peers', 'Peers connected now.', ['Local', 'Remote']),
    knownPeers: r.gauges('etcd_network_known_peers', 'Peers known.', ['Local', 'Remote']),
    disconnectedPeers: r.counters('etcd_network_disconnected_peers_total', 'Disconnections of peers.', [
      'Local',
      'Remote',
    ]),
    /** Type (receive, send), API (watch, lease-keepalive). */
    serverStreamFailures: r.counters('etcd_network_server_stream_failures_total', 'Streams that failed.', [
      'Type',
      'API',
    ]),
    snapshotSend: snapshot('send', 'To'),
    snapshotReceive: snapshot('receive', 'From'),
  };
}
