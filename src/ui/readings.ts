/** From what the server says now and said before to the figures that are shown. */
import type { ClusterView, MemberView } from './cluster-view.ts';
import type { Row } from './history.ts';
import { buckets, total, type Metrics } from './metrics-text.ts';
import { increase, quantile, rate } from './rates.ts';

export interface Reading {
  /** Unix time. */
  readonly seconds: number;
  /** Undefined: could not be had. */
  readonly metrics: Metrics | undefined;
  readonly cluster: ClusterView | undefined;
}

/** Requests by what they do; whatever is not named here is Other. */
export const REQUEST_KINDS = ['Range', 'Put', 'Txn', 'Other'] as const;
const KIND_OF_METHOD: ReadonlyMap<string, string> = new Map([
  ['Range', 'Range'],
  ['RangeStream', 'Range'],
  ['Put', 'Put'],
  ['Txn', 'Txn'],
]);
/** Where the server, not the request, is to blame. */
const FAILURES = new Set(['Unknown', 'DeadlineExceeded', 'ResourceExhausted', 'Internal', 'Unavailable', 'DataLoss']);

/** Which histogram tells how long requests take: the first of these in which something was counted. */
const LATENCIES = [
  ['etcd_server_request_duration_seconds', 'requests'],
  ['grpc_server_handling_seconds', 'gRPC calls'],
  ['etcd_server_apply_duration_seconds', 'applying requests'],
] as const;

export interface Figures {
  readonly row: Row;
  /** What the latencies are of. */
  readonly latencyOf: string | undefined;
}

/** Names of figures that there is one of for each member, or peer. */
export const lagOf = (id: string): string => `lag.${id}`;
export const sizeOf = (id: string): string => `size.${id}`;
export const roundTripOf = (id: string): string => `rtt.${id}`;

export function figures(before: Reading | undefined, now: Reading): Figures {
  const seconds = before === undefined ? 0 : now.seconds - before.seconds;
  const perSecond = (name: string, only?: (labels: Readonly<Record<string, string>>) => boolean) =>
    rate(read(before, name, only), read(now, name, only), seconds);
  const latency = latencies(before, now);
  return {
    row: {
      ...requests(before, now, seconds),
      ...latency.row,
      failed: perSecond('grpc_server_handled_total', ({ grpc_code: code = '' }) => FAILURES.has(code)),
      sent: perSecond('etcd_network_client_grpc_sent_bytes_total'),
      received: perSecond('etcd_network_client_grpc_received_bytes_total'),
      events: perSecond('etcd_debugging_mvcc_events_total'),
      applied: perSecond('etcd_server_proposals_applied_total'),
      cpu: percent(perSecond('process_cpu_seconds_total')),
      memory: read(now, 'process_resident_memory_bytes'),
      watchers: read(now, 'etcd_debugging_mvcc_watcher_total'),
      fsync: quantileOf(0.99, 'etcd_disk_wal_fsync_duration_seconds', before, now),
      commit: quantileOf(0.99, 'etcd_disk_backend_commit_duration_seconds', before, now),
      ...memberFigures(now.cluster),
    },
    latencyOf: latency.of,
  };
}

/** Entries of the log that the member has still to apply; undefined if it does not answer. */
export function lag({ members }: ClusterView, { status }: MemberView): number | undefined {
  if (status === undefined) return undefined;
  const committed = Math.max(...members.map((member) => member.status?.raftIndex ?? 0));
  return Math.max(0, committed - status.appliedIndex);
}

function requests(before: Reading | undefined, now: Reading, seconds: number): Record<string, number | undefined> {
  const kindOf = ({ grpc_method: method = '' }: Readonly<Record<string, string>>): string =>
    KIND_OF_METHOD.get(method) ?? 'Other';
  const rows: Record<string, number | undefined> = {};
  let all: number | undefined;
  for (const kind of REQUEST_KINDS) {
    const only = (labels: Readonly<Record<string, string>>): boolean => kindOf(labels) === kind;
    const name = 'grpc_server_msg_received_total';
    // A metric may only begin with the first request.
    const past = before?.metrics === undefined ? undefined : (read(before, name, only) ?? 0);
    const perSecond = rate(past, now.metrics === undefined ? undefined : (read(now, name, only) ?? 0), seconds);
    rows[kind] = perSecond;
    if (perSecond !== undefined) all = (all ?? 0) + perSecond;
  }
  return { ...rows, requests: all };
}

function latencies(before: Reading | undefined, now: Reading): { row: Row; of: string | undefined } {
  for (const [name, of] of LATENCIES) {
    const p50 = quantileOf(0.5, name, before, now);
    if (p50 !== undefined) return { row: { p50, p99: quantileOf(0.99, name, before, now) }, of };
  }
  return { row: {}, of: undefined };
}

function quantileOf(q: number, name: string, before: Reading | undefined, now: Reading): number | undefined {
  if (before?.metrics === undefined || now.metrics === undefined) return undefined;
  // Streams last as long as their clients want.
  const only = ({ grpc_type: type }: Readonly<Record<string, string>>): boolean =>
    type === undefined || type === 'unary';
  return quantile(q, increase(buckets(before.metrics, name, only), buckets(now.metrics, name, only)));
}

function memberFigures(cluster: ClusterView | undefined): Row {
  const row: Record<string, number | undefined> = {};
  if (cluster === undefined) return row;
  for (const member of cluster.members) {
    const { id, status, roundTripMs } = member;
    row[lagOf(id)] = lag(cluster, member);
    row[sizeOf(id)] = status?.dbSizeBytes;
    row[roundTripOf(id)] = roundTripMs === undefined ? undefined : roundTripMs / 1000;
  }
  return row;
}

function read(
  reading: Reading | undefined,
  name: string,
  only?: (labels: Readonly<Record<string, string>>) => boolean,
): number | undefined {
  return reading?.metrics === undefined ? undefined : total(reading.metrics, name, only);
}

function percent(fraction: number | undefined): number | undefined {
  return fraction === undefined ? undefined : fraction * 100;
}
