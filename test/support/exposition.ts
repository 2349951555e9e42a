/** Reads the Prometheus text format, and is strict about it. */

export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  /** Every combination of label names that occurs, sorted, joined by commas; without `le`. */
  readonly labelNames: Set<string>;
  /** Upper bounds of a histogram's buckets, as text, in their order. */
  readonly buckets: string[];
  /** By `name{label="value",…}` with sorted labels; of histograms their sums, counts and buckets. */
  readonly samples: Map<string, number>;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|[-+0-9.e]+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\n"])*)"(?:,|$)/y;

/** Throws on a line that is not well-formed, and on a sample outside of its family. */
export function parseExposition(text: string): Map<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line is cut off');
  const families = new Map<string, MetricFamily>();
  let current: MetricFamily | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? [];
    if (name !== undefined && type !== undefined) {
      if (families.has(name)) throw new Error(`${name} comes twice`);
      current = { name, type, labelNames: new Set(), buckets: [], samples: new Map() };
      families.set(name, current);
    } else if (!line.startsWith('# HELP ')) {
      if (current === undefined) throw new Error(`a sample before any family: ${line}`);
      addSample(current, line);
    }
  }
  return families;
}

function addSample(family: MetricFamily, line: string): void {
  const [, name = '', labelText = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (name === '') throw new Error(`not a sample: ${line}`);
  const suffix = name.slice(family.name.length);
  const suffixes = family.type === 'histogram' || family.type === 'summary' ? ['_bucket', '_sum', '_count', ''] : [''];
  if (!name.startsWith(family.name) || !suffixes.includes(suffix)) throw new Error(`not of ${family.name}: ${line}`);
  const labels = parseLabels(labelText, line);
  const le = labels.get('le');
  if (suffix === '_bucket' && le !== undefined && !family.buckets.includes(le)) family.buckets.push(le);
  const names = [...labels.keys()].filter((label) => label !== 'le').sort();
  family.labelNames.add(names.join(','));
  family.samples.set(sampleKey(name, Object.fromEntries(labels)), Number(value.replace('Inf', 'Infinity')));
}

function parseLabels(text: string, line: string): Map<string, string> {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`bad labels: ${line}`);
    labels.set(
      match[1] ?? '',
      (match[2] ?? '').replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)),
    );
  }
  return labels;
}

export function sampleKey(name: string, labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? name : `${name}{${pairs.sort().join(',')}}`;
}

/** All samples of all families. */
export function samplesOf(families: ReadonlyMap<string, MetricFamily>): Map<string, number> {
  return new Map([...families.values()].flatMap(({ samples }) => [...samples]));
}

/** Families of several members of a cluster as those of one: what one of them shows, all show together. */
export function mergeFamilies(members: readonly ReadonlyMap<string, MetricFamily>[]): Map<string, MetricFamily> {
  const merged = new Map<string, MetricFamily>();
  for (const family of members.flatMap((families) => [...families.values()])) {
    const known = merged.get(family.name);
    if (known === undefined) merged.set(family.name, { ...family, labelNames: new Set(family.labelNames) });
    else for (const names of family.labelNames) known.labelNames.add(names);
  }
  return merged;
}
