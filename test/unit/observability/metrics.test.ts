import { describe, expect, it } from 'vitest';
import { createEtcdMetrics } from '../../../src/observability/etcd-metrics.ts';
import { formatNumber } from '../../../src/observability/exposition.ts';
import { GrpcMetrics } from '../../../src/observability/grpc-metrics.ts';
import { HealthEndpointMetrics } from '../../../src/observability/health-metrics.ts';
import { exponentialBuckets } from '../../../src/observability/instruments.ts';
import { MetricRegistry } from '../../../src/observability/metric-registry.ts';
import { registerProcessMetrics } from '../../../src/observability/process-metrics.ts';

/** Every sample line as name{labels} -> value. */
function samples(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]));
}

describe('formatNumber', () => {
  it('writes numbers as Go does', () => {
    const cases: [number, string][] = [
      [0, '0'],
      [-0, '0'],
      [1, '1'],
      [-1.5, '-1.5'],
      [524288, '524288'],
      [1048576, '1.048576e+06'],
      [999999.5, '999999.5'],
      [1e6, '1e+06'],
      [2147483648, '2.147483648e+09'],
      [0.0001, '0.0001'],
      [0.00001, '1e-05'],
      [4.5189e-5, '4.5189e-05'],
      [1.8446744073709552e19, '1.8446744073709552e+19'],
      [1.5e300, '1.5e+300'],
      [Number.POSITIVE_INFINITY, '+Inf'],
      [Number.NEGATIVE_INFINITY, '-Inf'],
      [Number.NaN, 'NaN'],
    ];
    expect(cases.map(([value]) => formatNumber(value))).toEqual(cases.map(([, text]) => text));
  });
});

describe('MetricRegistry', () => {
  it('exposes families by name with sorted labels and escaped values', () => {
    const r = new MetricRegistry();
    r.gauge('z_gauge', 'Last\nline \\.').set(2.5);
    const family = r.counters('a_total', 'First.', ['z', 'a']);
    family.with('2', 'say "hi"\n\\').inc(3);
    family.with('1', 'x').inc();
    r.counters('unseen_total', 'No children.', ['x']);
    expect(r.expose()).toBe(
      [
        '# HELP a_total First.',
        '# TYPE a_total counter',
        'a_total{a="say \\"hi\\"\\n\\\\",z="2"} 3',
        'a_total{a="x",z="1"} 1',
        '# HELP z_gauge Last\\nline \\\\.',
        '# TYPE z_gauge gauge',
        'z_gauge 2.5',
        '',
      ].join('\n'),
    );
  });

  it('exposes histograms cumulatively; a value on a bound belongs to it', () => {
    const r = new MetricRegistry();
    const cell = r.histograms('h', 'H.', exponentialBuckets(1, 2, 3), ['op']).with('x');
    for (const value of [0.5, 1, 1.5, 4, 4.1, 1e9]) cell.observe(value);
    expect(r.expose()).toBe(
      [
        '# HELP h H.',
        '# TYPE h histogram',
        'h_bucket{op="x",le="1"} 2',
        'h_bucket{op="x",le="2"} 3',
        'h_bucket{op="x",le="4"} 4',
        'h_bucket{op="x",le="+Inf"} 6',
        `h_sum{op="x"} ${formatNumber(0.5 + 1 + 1.5 + 4 + 4.1 + 1e9)}`,
        'h_count{op="x"} 6',
        '',
      ].join('\n'),
    );
  });

  it('reads collected values when asked, and refuses a name twice', () => {
    const r = new MetricRegistry();
    let revision = 7;
    r.gauge('g', 'G.').collect(() => revision);
    expect(r.expose()).toContain('g 7\n');
    revision = 8;
    expect(r.expose()).toContain('g 8\n');
    expect(() => r.gauge('g', 'G.')).toThrow('registered twice');
  });

  it('does not grow without bound when label values come from outside', () => {
    const r = new MetricRegistry();
    const family = r.counters('c_total', 'C.', ['who']);
    for (let i = 0; i < 5000; i++) family.with(`client ${i}`).inc();
    const shown = samples(r.expose());
    expect(shown.size).toBeLessThanOrEqual(2001);
    expect(shown.get('c_total{who="other"}')).toBe('3000');
  });

  it('forgets children', () => {
    const r = new MetricRegistry();
    const family = r.gauges('peers', 'P.', ['Remote']);
    family.with('a').set(1);
    family.with('b').set(1);
    family.remove('a');
    expect([...samples(r.expose()).keys()]).toEqual(['peers{Remote="b"}']);
    family.clear();
    expect(r.expose()).toBe('');
  });
});

describe('etcd metrics', () => {
  it('have the names and types that alerts and dashboards use', () => {
    const r = new MetricRegistry();
    createEtcdMetrics(r);
    const text = r.expose();
    const expected = [
      'etcd_server_has_leader gauge',
      'etcd_server_leader_changes_seen_total counter',
      'etcd_server_proposals_committed_total gauge',
      'etcd_server_proposals_applied_total gauge',
      'etcd_server_proposals_pending gauge',
      'etcd_server_proposals_failed_total counter',
      'etcd_server_quota_backend_bytes gauge',
      'etcd_disk_wal_fsync_duration_seconds histogram',
      'etcd_disk_backend_commit_duration_seconds histogram',
      'etcd_mvcc_db_total_size_in_bytes gauge',
      'etcd_mvcc_db_total_size_in_use_in_bytes gauge',
      'etcd_debugging_mvcc_keys_total gauge',
      'etcd_debugging_lease_granted_total counter',
    ];
    for (const line of expected) expect(text).toContain(`# TYPE ${line}\n`);
  });

  it('have the buckets of etcd, to the letter', () => {
    const r = new MetricRegistry();
    createEtcdMetrics(r);
    const bounds = (name: string): string[] =>
      [...samples(r.expose()).keys()].flatMap((key) => {
        const le = key.startsWith(`${name}_bucket`) ? /le="([^"]+)"/.exec(key)?.[1] : undefined;
        return le === undefined ? [] : [le];
      });
    expect(bounds('etcd_disk_wal_fsync_duration_seconds').join(' ')).toBe(
      '0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 2.048 4.096 8.192 +Inf',
    );
    expect(bounds('etcd_debugging_lease_ttl_total').slice(18).join(' ')).toBe(
      '262144 524288 1.048576e+06 2.097152e+06 4.194304e+06 8.388608e+06 +Inf',
    );
    expect(bounds('etcd_disk_backend_snapshot_duration_seconds').slice(-3).join(' ')).toBe('327.68 655.36 +Inf');
  });

  it('initialise every method and code of gRPC to 0 and count without a histogram unless extensive', () => {
    const r = new MetricRegistry();
    const method = new GrpcMetrics(r, false).method('unary', 'etcdserverpb.KV', 'Range');
    const shown = samples(r.expose());
    const handled = [...shown].filter(([key]) => key.startsWith('grpc_server_handled_total'));
    expect(handled).toHaveLength(17);
    expect(handled.every(([, value]) => value === '0')).toBe(true);
    const labels = 'grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"';
    expect(shown.get(`grpc_server_started_total{${labels}}`)).toBe('0');
    expect(shown.get(`grpc_server_handled_total{grpc_code="DeadlineExceeded",${labels}}`)).toBe('0');
    method.handled(4, 0.1);
    expect(samples(r.expose()).get(`grpc_server_handled_total{grpc_code="DeadlineExceeded",${labels}}`)).toBe('1');
    expect(r.expose()).not.toContain('grpc_server_handling_seconds');
  });

  it('bound the client versions they tell apart', () => {
    const r = new MetricRegistry();
    const grpc = new GrpcMetrics(r, false);
    for (let i = 0; i < 100; i++) grpc.clientRequest('unary', `3.${i}`);
    grpc.clientRequest('unary', '3.5');
    const shown = samples(r.expose());
    expect(shown.get('etcd_server_client_requests_total{client_api_version="3.5",type="unary"}')).toBe('2');
    expect(shown.get('etcd_server_client_requests_total{client_api_version="other",type="unary"}')).toBe('36');
  });

  it('cost next to nothing per request', () => {
    const r = new MetricRegistry();
    const grpc = new GrpcMetrics(r, true);
    const methods = Array.from({ length: 45 }, (_, i) => grpc.method('unary', 's', `M${i}`));
    const requests = 300_000;
    const round = (): number => {
      const startedMs = performance.now();
      for (let i = 0; i < requests; i++) {
        const method = methods[i % methods.length];
        method?.started();
        method?.messageReceived(100);
        grpc.clientRequest('unary', '3.5');
        method?.messageSent(50);
        method?.handled(0, 0.0003);
      }
      return ((performance.now() - startedMs) * 1000) / requests;
    };
    const microseconds = Math.min(round(), round(), round());
    expect(microseconds).toBeLessThan(0.5);
  });

  it('show the health endpoints', () => {
    const r = new MetricRegistry();
    const health = new HealthEndpointMetrics(createEtcdMetrics(r));
    health.health(true);
    health.check('readyz', 'data_corruption', false);
    const shown = samples(r.expose());
    expect(shown.get('etcd_server_health_success')).toBe('1');
    expect(shown.get('etcd_server_healthcheck{name="data_corruption",type="readyz"}')).toBe('0');
    expect(shown.get('etcd_server_healthchecks_total{name="data_corruption",status="error",type="readyz"}')).toBe('1');
  });
});

describe('process metrics', () => {
  it('read the process', () => {
    const r = new MetricRegistry();
    registerProcessMetrics(r);
    const shown = samples(r.expose());
    const value = (name: string): number => Number(shown.get(name));
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
    expect(value('process_virtual_memory_bytes')).toBeGreaterThan(value('process_resident_memory_bytes'));
    expect(value('process_cpu_seconds_total')).toBeGreaterThan(0.01);
    expect(Math.abs(value('process_start_time_seconds') - Date.now() / 1000)).toBeLessThan(600);
    expect(value('process_open_fds')).toBeGreaterThan(2);
    expect(value('process_max_fds')).toBeGreaterThan(value('process_open_fds'));
    expect(value('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0);
  });
});
