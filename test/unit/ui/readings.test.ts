import { describe, expect, test } from 'vitest';
import type { ClusterView, MemberView } from '../../../src/ui/cluster-view.ts';
import { parseMetrics } from '../../../src/ui/metrics-text.ts';
import { figures, lag, lagOf, roundTripOf, sizeOf, type Reading } from '../../../src/ui/readings.ts';

function member(id: string, raftIndex: number, appliedIndex: number): MemberView {
  const status = { version: '3.6.12', leader: 'a', term: 2, raftIndex, appliedIndex, errors: [], quotaBytes: 0 };
  return {
    id,
    name: `m-${id}`,
    isLearner: false,
    clientURLs: [],
    peerURLs: [],
    roundTripMs: 2,
    status: { ...status, dbSizeBytes: 1000 + appliedIndex, dbInUseBytes: 10 },
  };
}

function cluster(...members: MemberView[]): ClusterView {
  const more = { alarms: [], gateway: true, authEnabled: false };
  return { clusterId: 'c', memberId: 'a', version: '3.6.12', leader: 'a', term: 2, revision: 9, members, ...more };
}

function reading(seconds: number, ...lines: string[]): Reading {
  return { seconds, metrics: parseMetrics(lines.join('\n')), cluster: undefined };
}

describe('figures', () => {
  test('of requests: by kind, and those that begin to be counted later', () => {
    const before = reading(100, 'grpc_server_msg_received_total{grpc_method="Put"} 10');
    const now = reading(
      102,
      'grpc_server_msg_received_total{grpc_method="Put"} 30',
      'grpc_server_msg_received_total{grpc_method="RangeStream"} 4',
      'grpc_server_msg_received_total{grpc_method="Range"} 2',
      'grpc_server_msg_received_total{grpc_method="LeaseKeepAlive"} 1',
      'grpc_server_handled_total{grpc_method="Put",grpc_code="Unavailable"} 6',
      'grpc_server_handled_total{grpc_method="Put",grpc_code="NotFound"} 600',
    );
    const { row } = figures(before, now);
    expect(row).toMatchObject({ Put: 10, Range: 3, Other: 0.5, Txn: 0, requests: 13.5, failed: undefined });
    expect(figures(now, { ...now, seconds: 104 }).row).toMatchObject({ requests: 0, failed: 0 });
  });

  test('of latency: from the first histogram in which something was counted', () => {
    const apply = (count: number): string[] => [
      `etcd_server_apply_duration_seconds_bucket{op="Put",le="0.1"} ${count}`,
      `etcd_server_apply_duration_seconds_bucket{op="Put",le="+Inf"} ${count}`,
    ];
    const grpc = (type: string, count: number): string[] => [
      `grpc_server_handling_seconds_bucket{grpc_type="${type}",le="1"} ${count}`,
      `grpc_server_handling_seconds_bucket{grpc_type="${type}",le="+Inf"} ${count}`,
    ];
    const before = reading(1, ...apply(1), ...grpc('unary', 5), ...grpc('bidi_stream', 0));
    const idle = figures(before, reading(3, ...apply(1), ...grpc('unary', 5), ...grpc('bidi_stream', 0)));
    expect(idle.latencyOf).toBeUndefined();
    expect(idle.row['p99']).toBeUndefined();
    // Streams do not count.
    const applied = figures(before, reading(3, ...apply(11), ...grpc('unary', 5), ...grpc('bidi_stream', 50)));
    expect(applied.latencyOf).toBe('applying requests');
    expect(applied.row['p50']).toBeCloseTo(0.05);
    const called = figures(before, reading(3, ...apply(11), ...grpc('unary', 105), ...grpc('bidi_stream', 50)));
    expect(called.latencyOf).toBe('gRPC calls');
    expect(called.row['p99']).toBeCloseTo(0.99);
  });

  test('of members: how far behind, how large, how far away', () => {
    const unreachable: MemberView = { ...member('c', 0, 0), error: 'no answer' };
    const { status: _, ...silent } = unreachable;
    const view = cluster(member('a', 50, 48), member('b', 45, 40), silent);
    const { row } = figures(undefined, { seconds: 1, metrics: undefined, cluster: view });
    expect(row[lagOf('a')]).toBe(2);
    expect(row[lagOf('b')]).toBe(10);
    expect(row[lagOf('c')]).toBeUndefined();
    expect(row[sizeOf('b')]).toBe(1040);
    expect(row[roundTripOf('b')]).toBe(0.002);
    expect(lag(view, silent)).toBeUndefined();
  });

  test('are unknown when the server did not answer', () => {
    const before = reading(1, 'grpc_server_msg_received_total{grpc_method="Put"} 10');
    const { row } = figures(before, { seconds: 3, metrics: undefined, cluster: undefined });
    expect(row['requests']).toBeUndefined();
    expect(row['Put']).toBeUndefined();
  });
});
