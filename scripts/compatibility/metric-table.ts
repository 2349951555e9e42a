/** Metrics of etcd 3.5 and of quorate. */
import etcdMetrics from './etcd-metrics.json' with { type: 'json' };
import { createEtcdMetrics } from '../../src/observability/etcd-metrics.ts';
import { GrpcMetrics } from '../../src/observability/grpc-metrics.ts';
import { MetricRegistry } from '../../src/observability/metric-registry.ts';
import { registerProcessMetrics } from '../../src/observability/process-metrics.ts';
import { scrapes } from '../../src/observability/scrape-metrics.ts';
import { metricDifference } from './metric-differences.ts';
import type { Entry } from './entry.ts';

export interface MetricEntry extends Entry {
  readonly type: string;
  readonly labels: string;
}

/** By name. Throws when a metric differs from etcd's and no listed difference covers it. */
export function metricTable(): MetricEntry[] {
  const theirs = new Map(etcdMetrics.metrics.map((metric) => [metric.name, metric]));
  const own = new Map(ownMetrics().map((metric) => [metric.name, metric]));
  const names = [...new Set([...theirs.keys(), ...own.keys()])].sort();
  return names.map((name) => {
    const [etcd, here] = [theirs.get(name), own.get(name)];
    const { type, labels } = here ?? etcd ?? { type: '', labels: '' };
    if (etcd !== undefined && here !== undefined) {
      if (etcd.type !== type || etcd.labels !== labels) throw new Error(`${name} is a ${type} of ${labels} here only`);
      const constant = metricDifference(name, ['constant']);
      return { name, type, labels, status: constant ? 'differs' : 'works', note: constant?.reason ?? '' };
    }
    const difference = metricDifference(name, here === undefined ? ['not offered'] : ['additional', 'on occasion']);
    if (difference === undefined) throw new Error(`${name} is only in ${here === undefined ? 'etcd' : 'quorate'}`);
    return { name, type, labels, status: here === undefined ? 'not offered' : 'works', note: difference.reason };
  });
}

/** As a server registers them, with --metrics=extensive. */
function ownMetrics(): { name: string; type: string; labels: string }[] {
  const registry = new MetricRegistry();
  createEtcdMetrics(registry);
  registerProcessMetrics(registry);
  scrapes(registry);
  new GrpcMetrics(registry, true);
  return registry
    .families()
    .map(({ name, type, labelNames }) => ({ name, type, labels: [...labelNames].sort().join(',') }));
}
