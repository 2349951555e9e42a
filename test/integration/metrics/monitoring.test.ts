/**
 * What the alerts and the dashboard of etcd's monitoring look at: it is there on one member and on three, and it moves when what
 * it is watched for happens.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withBundleForFile } from '../../support/bundle-for-file.ts';
import { type MetricFamily, samplesOf } from '../../support/exposition.ts';
import { sample, sampleSum, scrape } from '../../support/metrics.ts';
import { promqlUse, type Selector } from '../../support/promql.ts';
import { quorateExists } from '../../support/quorate-process.ts';
import { TestCluster, type ClusterMember } from '../../support/test-cluster.ts';
import { until } from '../../support/until.ts';
import { openWatch } from '../../support/watch-helpers.ts';
import { ALERTS, PANELS } from './monitoring.ts';

const EVERYTHING = [...ALERTS, ...PANELS];
/** Prometheus adds these to what it scrapes. */
const TARGET_LABELS = new Set(['instance', 'endpoint', 'job', 'cluster', 'namespace', 'pod']);
/** Of the histograms, what tells that they moved. */
const COUNT = /_bucket$/;

const QUOTA_BYTES = 4 * 1024 ** 2;
const FLAGS = ['--metrics=extensive', '--heartbeat-interval=100', '--election-timeout=1000'];

type Families = ReadonlyMap<string, MetricFamily>;

/** Of all metrics that anything looks at: those that changed, and the test that made them. */
const moved = new Map<string, string>();

describe('the parser', () => {
  it('takes what is PromQL, and nothing else', () => {
    expect(EVERYTHING.length).toBe(34);
    for (const { expression } of EVERYTHING) expect(promqlUse(expression).selectors.length).toBeGreaterThan(0);
    expect(promqlUse('sum by (a, b) (x{c=~"d", e!="f"}) / y')).toEqual({
      selectors: [
        {
          metric: 'x',
          matchers: [
            { label: 'c', operator: '=~', value: 'd' },
            { label: 'e', operator: '!=', value: 'f' },
          ],
        },
        { metric: 'y', matchers: [] },
      ],
      groupingLabels: ['a', 'b'],
    });
    for (const text of ['sum(', 'x{y=z}', 'rate(x[5m)', 'x and']) expect(() => promqlUse(text)).toThrow(text);
  });
});

describe.skipIf(!quorateExists())('monitoring', () => {
  withBundleForFile();

  describe('one member', () => {
    let cluster: TestCluster;
    let member: ClusterMember;

    beforeAll(async () => {
      cluster = await TestCluster.start(['quorate'], [...FLAGS, `--quota-backend-bytes=${QUOTA_BYTES}`]);
      member = await cluster.leader();
    });
    afterAll(() => cluster.stop());

    it.for(EVERYTHING)('$name is there', async ({ expression }) => {
      // Of other members, one that is alone shows nothing, in etcd too.
      expect(absent(expression, await scrape(member.server.endpoint), /^etcd_network_peer_/)).toEqual([]);
    });

    it('moves with requests, watches and leases', async () => {
      const { client, server } = member;
      const streams = (service: string): Promise<number> => openStreams(server.endpoint, service);
      await track('requests', [member], async () => {
        const { stream } = await openWatch(client, { key: 'm/', range_end: 'm0' });
        const lease = client.leaseKeepAlive();
        lease.send({ ID: 1 });
        await lease.next();
        expect([await streams('Watch'), await streams('Lease')]).toEqual([1, 1]);
        for (let i = 0; i < 20; i++) await client.put({ key: `m/${i}`, value: 'x' });
        await client.range({ key: 'm/' });
        stream.cancel();
        lease.cancel();
        await expect
          .poll(async () => [await streams('Watch'), await streams('Lease')], { timeout: 10_000 })
          .toEqual([0, 0]);
        // A commit of the database, about a second later.
        await grows(server.endpoint, 'etcd_disk_backend_commit_duration_seconds_count');
      });
    });

    it('the size nears the quota, the part in use shrinks, and requests fail when there is no space', async () => {
      const { client, server } = member;
      const value = Buffer.alloc(256 * 1024, 1);
      await track('the quota', [member], async () => {
        const ended = async (): Promise<string> => {
          for (let i = 0; i < 60; i++) await client.put({ key: `big/${i % 4}`, value });
          return 'no quota';
        };
        await expect(ended()).rejects.toThrow('database space exceeded');
        const size = (): Promise<number> => sample(server.endpoint, 'etcd_mvcc_db_total_size_in_bytes');
        const quota = await sample(server.endpoint, 'etcd_server_quota_backend_bytes');
        expect(quota).toBe(QUOTA_BYTES);
        await expect.poll(async () => (await size()) / quota, { timeout: 15_000 }).toBeGreaterThan(0.8);
        const labels = { grpc_type: 'unary', grpc_service: 'etcdserverpb.KV', grpc_method: 'Put' };
        const refused = { ...labels, grpc_code: 'ResourceExhausted' };
        expect(await sample(server.endpoint, 'grpc_server_handled_total', refused)).toBe(1);
        const raised = { server_id: member.id.toString(16), alarm_type: 'NOSPACE' };
        expect(await sample(server.endpoint, 'etcd_debugging_server_alarms', raised)).toBe(1);
        const inUse = async (): Promise<number> =>
          (await sample(server.endpoint, 'etcd_mvcc_db_total_size_in_use_in_bytes')) / (await size());
        const { header } = await client.deleteRange({ key: 'big/', range_end: 'big0' });
        await client.compact({ revision: header.revision, physical: true });
        await expect.poll(inUse, { timeout: 15_000 }).toBeLessThan(0.5);
      });
    });
  });

  describe('three members', () => {
    let cluster: TestCluster;

    beforeAll(async () => {
      cluster = await TestCluster.start(['quorate', 'quorate', 'quorate'], FLAGS);
      await cluster.leader();
      for (const { server, client } of cluster.members) {
        await client.put({ key: 'through', value: server.name });
        await grows(server.endpoint, 'etcd_network_peer_round_trip_time_seconds_count');
      }
    }, 90_000);
    afterAll(() => cluster.stop());

    it.for(EVERYTHING)('$name is there', async ({ expression }) => {
      for (const { server } of cluster.members) {
        // What was never provoked is not there on a real etcd either.
        expect(absent(expression, await scrape(server.endpoint), /^etcd_network_peer_sent_failures_total$/)).toEqual(
          [],
        );
      }
    });

    it('moves as members measure the way to each other', { timeout: 60_000 }, async () => {
      const [member] = cluster.members;
      if (member === undefined) throw new Error('no member');
      await track('probes', [member], () =>
        grows(member.server.endpoint, 'etcd_network_peer_round_trip_time_seconds_count'),
      );
      expect(moved.has('etcd_network_peer_round_trip_time_seconds_bucket')).toBe(true);
    });

    it(
      'moves when the leader is lost, when all others are, and when a proposal fails',
      { timeout: 90_000 },
      async () => {
        const first = await cluster.leader();
        const followers = await cluster.followers();
        await track('the loss of members', followers, async () => {
          const changes = (): Promise<number[]> =>
            Promise.all(
              followers.map(({ server }) => sample(server.endpoint, 'etcd_server_leader_changes_seen_total')),
            );
          const before = await changes();
          await first.server.kill();
          await expect
            .poll(async () => (await changes()).every((seen, i) => seen > (before[i] ?? 0)), { timeout: 20_000 })
            .toBe(true);
          const survivor = await cluster.leader();
          const [other] = await cluster.followers();
          const { endpoint } = survivor.server;
          await survivor.client.put({ key: 'with', value: 'two' });
          // A leader goes on sending to whom it has lost.
          const lost = { To: first.id.toString(16) };
          const unsent = (): Promise<number> => sample(endpoint, 'etcd_network_peer_sent_failures_total', lost);
          await expect.poll(unsent, { timeout: 20_000 }).toBeGreaterThan(3);
          expect(absent(alert('etcdMembersDown'), await scrape(endpoint), /^$/)).toEqual([]);
          await other?.server.kill();
          const hasLeader = (): Promise<number> => sample(endpoint, 'etcd_server_has_leader');
          await expect.poll(hasLeader, { timeout: 20_000 }).toBe(0);
          const failing = survivor.client.put({ key: 'alone', value: '' }, { timeoutMs: 30_000 });
          failing.catch(() => {});
          const pending = (): Promise<number> => sample(endpoint, 'etcd_server_proposals_pending');
          await expect.poll(pending, { timeout: 6_000 }).toBeGreaterThan(0);
          moved.set('etcd_server_proposals_pending', 'a proposal that waits');
          await expect(failing).rejects.toThrow('etcdserver: request timed out');
          expect(await sampleSum(endpoint, 'etcd_server_proposals_failed_total')).toBeGreaterThan(0);
          const labels = { grpc_type: 'unary', grpc_service: 'etcdserverpb.KV', grpc_method: 'Put' };
          expect(await sample(endpoint, 'grpc_server_handled_total', { ...labels, grpc_code: 'Unavailable' })).toBe(1);
        });
      },
    );
  });

  it('all that is looked at has moved', () => {
    const metrics = new Set(
      EVERYTHING.flatMap(({ expression }) => promqlUse(expression).selectors.map((s) => s.metric)),
    );
    metrics.delete('up');
    // It is what the flag says: above.
    metrics.delete('etcd_server_quota_backend_bytes');
    expect([...metrics].filter((metric) => !moved.has(metric))).toEqual([]);
  });
});

function alert(name: string): string {
  return ALERTS.find((rule) => rule.name === name)?.expression ?? '';
}

/** What the expression looks at and is not there, but for metrics that `optional` matches. */
function absent(expression: string, families: Families, optional: RegExp): string[] {
  const { selectors, groupingLabels } = promqlUse(expression);
  const present = selectors.filter(({ metric }) => metric !== 'up' && !optional.test(metric));
  const problems = present.flatMap((selector) => problemsOf(selector, families));
  const labels = new Set(present.flatMap(({ metric }) => labelsOf(metric, families)));
  if (present.length < selectors.length) return problems;
  const grouping = groupingLabels.filter((label) => !TARGET_LABELS.has(label) && !labels.has(label));
  return [...problems, ...grouping.map((label) => `no label ${label} to group by`)];
}

function problemsOf({ metric, matchers }: Selector, families: Families): string[] {
  const samples = [...samplesOf(families).keys()].filter((key) => key === metric || key.startsWith(`${metric}{`));
  if (samples.length === 0) return [`no metric ${metric}`];
  return matchers.flatMap(({ label, operator, value }) => {
    const values = operator === '=~' ? value.split('|') : [value];
    const missing = values.filter((one) => !samples.some((key) => key.includes(`${label}=${JSON.stringify(one)}`)));
    return missing.map((one) => `${metric} has no ${label}="${one}"`);
  });
}

function labelsOf(metric: string, families: Families): string[] {
  const family = families.get(metric.replace(COUNT, ''));
  const names = [...(family?.labelNames ?? [])].flatMap((joined) => joined.split(','));
  return family?.type === 'histogram' ? [...names, 'le'] : names;
}

/** Runs `work` and remembers what it moved on those of the members that it left running. */
async function track(what: string, members: readonly ClusterMember[], work: () => Promise<void>): Promise<void> {
  const before = await Promise.all(members.map(async ({ server }) => samplesOf(await scrape(server.endpoint))));
  await work();
  for (const [i, { server }] of members.entries()) {
    if (!server.running) continue;
    for (const [key, value] of samplesOf(await scrape(server.endpoint))) {
      if (value !== before[i]?.get(key)) moved.set(key.replace(/\{.*/, ''), what);
    }
  }
}

/** Waits until the value, a count since the start, has grown. */
async function grows(endpoint: string, metric: string, timeoutMs = 30_000): Promise<void> {
  const first = await sampleSum(endpoint, metric);
  await until(`${metric} grows`, async () => (await sampleSum(endpoint, metric)) > first, timeoutMs);
}

async function openStreams(endpoint: string, service: string): Promise<number> {
  const samples = [...samplesOf(await scrape(endpoint))];
  const sum = (name: string): number =>
    samples
      .filter(([key]) => key.startsWith(`${name}{`) && key.includes(`grpc_service="etcdserverpb.${service}"`))
      .filter(([key]) => key.includes('grpc_type="bidi_stream"'))
      .reduce((total, [, value]) => total + value, 0);
  return sum('grpc_server_started_total') - sum('grpc_server_handled_total');
}
