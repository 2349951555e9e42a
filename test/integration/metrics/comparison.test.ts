/**
 * The metrics of quorate beside those of a real etcd in the same state: names, types, label names and buckets are the same but
 * for what scripts/compatibility/metric-differences.ts lists.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METRIC_DIFFERENCES, metricDifference, matches } from '../../../scripts/compatibility/metric-differences.ts';
import { withBundleForFile } from '../../support/bundle-for-file.ts';
import { mergeFamilies, type MetricFamily } from '../../support/exposition.ts';
import { sampleSum, scrape } from '../../support/metrics.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import type { ServerKind } from '../../support/server-process.ts';
import { TestCluster } from '../../support/test-cluster.ts';
import { until } from '../../support/until.ts';
import { runWorkload } from './workload.ts';

type Families = ReadonlyMap<string, MetricFamily>;

const available = etcdBinDir() !== undefined;
if (!available) console.info(`skipped: metrics beside etcd's: ${NO_ETCD}`);

const LIST = fileURLToPath(new URL('../../../scripts/compatibility/etcd-metrics.json', import.meta.url));
/** Elections only where the test wants one, also on a busy machine. */
const FLAGS = ['--heartbeat-interval=150', '--election-timeout=3000', '--metrics=extensive'];

describe.skipIf(!available)("metrics beside etcd's", () => {
  const families: Record<ServerKind, { one: Families; three: Families }> = {
    etcd: { one: new Map(), three: new Map() },
    quorate: { one: new Map(), three: new Map() },
  };
  const clusters: TestCluster[] = [];

  withBundleForFile();

  beforeAll(async () => {
    await Promise.all(
      (['etcd', 'quorate'] as const).map(async (kind) => {
        families[kind].one = await measured(clusters, [kind]);
        families[kind].three = await measured(clusters, [kind, kind, kind]);
      }),
    );
  }, 120_000);

  afterAll(() => Promise.all(clusters.map((cluster) => cluster.stop())));

  for (const size of ['one', 'three'] as const) {
    const name = size === 'one' ? '1 member' : '3 members';

    it(`${name}: every metric of etcd's is there, with its type, labels and buckets`, () => {
      const { etcd, quorate } = { etcd: families.etcd[size], quorate: families.quorate[size] };
      expect(etcd.size).toBeGreaterThan(80);
      const expected = [...etcd.values()].filter((family) => isExpected(family.name, quorate));
      expect(expected.map(({ name }) => shapeOf(quorate.get(name)))).toEqual(expected.map(shapeOf));
    });

    it(`${name}: what etcd does not have is listed`, () => {
      // Older builds of etcd have fewer: those of the list are etcd's too.
      const known = new Set([...families.etcd[size].keys(), ...etcdMetrics().metrics.map((metric) => metric.name)]);
      const additional = [...families.quorate[size].keys()].filter((metric) => !known.has(metric));
      expect(
        additional.filter((metric) => metricDifference(metric, ['additional', 'on occasion']) === undefined),
      ).toEqual([]);
    });

    it(`${name}: what is listed as always 0 is`, () => {
      const constant = [...families.quorate[size].values()].filter(({ name }) => metricDifference(name, ['constant']));
      const sums = constant.flatMap(({ samples }) => [...samples].filter(([key]) => /_sum\b/.test(key)));
      expect(sums.length).toBeGreaterThan(3);
      expect(sums.filter(([, value]) => value !== 0)).toEqual([]);
    });
  }

  it('every series of gRPC that etcd has from the start is there', () => {
    const keys = (kind: ServerKind): string[] =>
      [...families[kind].one.values()]
        .filter(({ name }) => name.startsWith('grpc_server_'))
        .flatMap(({ samples }) => [...samples.keys()]);
    const own = new Set(keys('quorate'));
    expect(keys('etcd').length).toBeGreaterThan(17 * 40);
    expect(keys('etcd').filter((key) => !own.has(key))).toEqual([]);
  });

  it('every listed difference is one', () => {
    const { one, three } = families.quorate;
    const etcd = [...families.etcd.one.keys(), ...families.etcd.three.keys()];
    const own = [...one.keys(), ...three.keys()];
    for (const { names, kind } of METRIC_DIFFERENCES) {
      if (kind === 'on occasion') continue;
      for (const pattern of names) {
        const there = { etcd: etcd.some((n) => matches(pattern, n)), quorate: own.some((n) => matches(pattern, n)) };
        // Alarms are not in the workload.
        if (pattern === 'etcd_debugging_server_alarms') continue;
        expect([pattern, there]).toEqual([pattern, { etcd: kind !== 'additional', quorate: kind !== 'not offered' }]);
      }
    }
  });

  it("the list of etcd's metrics that the documentation is made from is right", (context) => {
    const all = mergeFamilies([families.etcd.one, families.etcd.three]);
    const [version = ''] = [...(all.get('etcd_server_version')?.samples.keys() ?? [])].map(
      (key) => key.split('"')[1] ?? '',
    );
    const metrics = [...all.values()]
      .filter(({ name }) => !name.startsWith('go_') && metricDifference(name, ['on occasion']) === undefined)
      .map(({ name, type, labelNames }) => ({ name, type, labels: [...labelNames].sort().at(-1) ?? '' }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const found = { version, metrics };
    if (process.env['UPDATE_ETCD_METRICS'] !== undefined) writeFileSync(LIST, `${JSON.stringify(found, null, 2)}\n`);
    if (version !== etcdMetrics().version) {
      const reason = `the list is of etcd ${etcdMetrics().version}, and this is ${version}`;
      console.info(`skipped: ${reason}`);
      context.skip(reason);
    }
    expect(etcdMetrics()).toEqual(found);
  });
});

/** As recorded: UPDATE_ETCD_METRICS=1 records anew. */
function etcdMetrics(): { version: string; metrics: { name: string; type: string; labels: string }[] } {
  return JSON.parse(readFileSync(LIST, 'utf8')) as ReturnType<typeof etcdMetrics>;
}

/** What happened on one of the clusters need not have happened on the other. */
function isExpected(name: string, own: Families): boolean {
  if (metricDifference(name, ['not offered']) !== undefined) return false;
  return metricDifference(name, ['on occasion']) === undefined || own.has(name);
}

function shapeOf(family: MetricFamily | undefined): unknown {
  if (family === undefined) return undefined;
  const { name, type, labelNames, buckets } = family;
  return { name, type, labels: [...labelNames].sort(), buckets };
}

/** What a new cluster of these members shows after the workload, all members together. */
async function measured(clusters: TestCluster[], kinds: readonly ServerKind[]): Promise<Families> {
  const cluster = await TestCluster.start(kinds, FLAGS);
  clusters.push(cluster);
  const { server, client } = await cluster.leader();
  await runWorkload(client, server.endpoint);
  for (const member of cluster.members) {
    if (kinds.length === 1) continue;
    const peersAreProbed = async (): Promise<boolean> =>
      (await sampleSum(member.server.endpoint, 'etcd_network_peer_round_trip_time_seconds_count')) > 0;
    await until('round trips to peers are measured', peersAreProbed, 60_000);
  }
  return mergeFamilies(await Promise.all(cluster.members.map((member) => scrape(member.server.endpoint))));
}
