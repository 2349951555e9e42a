/** Where the metrics here differ from those of etcd 3.5, and why. Tests compare both; docs/compatibility.md shows it. */

export interface MetricDifference {
  /** Names; a `*` stands for any characters. */
  readonly names: readonly string[];
  /**
   * `not offered`: etcd has it. `additional`: etcd 3.5 does not. `constant`: there, and always at 0 (counts of histograms may
   * rise). `on occasion`: in both, once what it counts has happened; the list of etcd's metrics does not have it.
   */
  readonly kind: 'not offered' | 'additional' | 'constant' | 'on occasion';
  readonly reason: string;
}

export const METRIC_DIFFERENCES: readonly MetricDifference[] = [
  {
    names: ['go_*'],
    kind: 'not offered',
    reason: 'They describe the Go runtime. Those of this one are nodejs_*.',
  },
  {
    names: ['etcd_debugging_store_*'],
    kind: 'not offered',
    reason: "They are of the store of etcd's v2 API, which is not offered; etcd 3.6 has dropped that API too.",
  },
  {
    names: ['etcd_grpc_proxy_*'],
    kind: 'not offered',
    reason: 'They belong to the gRPC proxy, which is not part of quorate; an etcd server shows them as 0.',
  },
  {
    names: ['nodejs_*'],
    kind: 'additional',
    reason: 'The JavaScript runtime: heap, memory outside of it, and how long the event loop was held up.',
  },
  {
    names: [
      'etcd_server_feature_enabled',
      'etcd_server_range_duration_seconds',
      'etcd_server_request_duration_seconds',
      'etcd_debugging_server_alarms',
      'etcd_network_known_peers',
    ],
    kind: 'additional',
    reason: 'As in releases of etcd after 3.5.',
  },
  {
    names: ['etcd_debugging_server_watch_send_loop_*'],
    kind: 'additional',
    reason:
      'As in releases of etcd after 3.5. At 0: a response is handed to the connection at once, no loop waits for it.',
  },
  {
    names: [
      'etcd_debugging_disk_backend_commit_rebalance_duration_seconds',
      'etcd_debugging_disk_backend_commit_spill_duration_seconds',
    ],
    kind: 'constant',
    reason: 'A commit has no such phases in LMDB: every commit is observed as 0 s.',
  },
  {
    names: ['etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds'],
    kind: 'constant',
    reason: 'There is no index in memory that a compaction would have to go through: observed as 0 ms.',
  },
  {
    names: [
      'etcd_snap_fsync_duration_seconds',
      'etcd_debugging_snap_save_marshalling_duration_seconds',
      'etcd_debugging_snap_save_total_duration_seconds',
    ],
    kind: 'constant',
    reason: 'No .snap files are written: the database itself says up to where it holds the log.',
  },
  {
    names: [
      'etcd_network_peer_sent_failures_total',
      'etcd_network_peer_received_failures_total',
      'etcd_network_disconnected_peers_total',
      'etcd_network_snapshot_*',
      'etcd_network_server_stream_failures_total',
      'etcd_server_learner_promote_failures',
    ],
    kind: 'on occasion',
    reason: 'Shown once it has happened, as in etcd.',
  },
];

/** The difference that covers a metric, if any does. */
export function metricDifference(
  name: string,
  kinds: readonly MetricDifference['kind'][] = ['not offered', 'additional', 'constant'],
): MetricDifference | undefined {
  return METRIC_DIFFERENCES.find(({ kind, names }) => kinds.includes(kind) && names.some((p) => matches(p, name)));
}

export function matches(pattern: string, name: string): boolean {
  const [start = '', end] = pattern.split('*');
  return end === undefined ? name === pattern : name.startsWith(start) && name.endsWith(end);
}
