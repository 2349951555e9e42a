/** The Prometheus text format, as far as a server's own /metrics needs it. */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** By metric name; a histogram's parts are metrics of their own (`…_bucket`, `…_sum`, `…_count`). */
export type Metrics = ReadonlyMap<string, readonly Sample[]>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Lines that cannot be read are left out. */
export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels, number] = LINE.exec(line) ?? [];
    if (name === undefined || number === undefined) continue;
    const value = parseValue(number);
    if (value === undefined) continue;
    const samples = metrics.get(name);
    const sample = { labels: parseLabels(labels ?? ''), value };
    if (samples === undefined) metrics.set(name, [sample]);
    else samples.push(sample);
  }
  return metrics;
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels[name] = value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  }
  return labels;
}

function parseValue(text: string): number | undefined {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  const value = Number(text);
  return Number.isNaN(value) && text !== 'NaN' ? undefined : value;
}

type Filter = (labels: Sample['labels']) => boolean;

/** Sum over all samples (that `only` takes); undefined if there are none. */
export function total(metrics: Metrics, name: string, only: Filter = () => true): number | undefined {
  const samples = metrics.get(name)?.filter(({ labels }) => only(labels));
  if (samples === undefined || samples.length === 0) return undefined;
  return samples.reduce((sum, { value }) => sum + value, 0);
}

/** Upper bound of each bucket, in seconds (or whatever it measures), to how many were at most that: all samples together. */
export type Buckets = ReadonlyMap<number, number>;

export function buckets(metrics: Metrics, name: string, only: Filter = () => true): Buckets {
  const counts = new Map<number, number>();
  for (const { labels, value } of metrics.get(`${name}_bucket`) ?? []) {
    const bound = parseValue(labels['le'] ?? '');
    if (bound === undefined || !only(labels)) continue;
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  return counts;
}
