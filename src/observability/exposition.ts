/** The Prometheus text format, down to how Go writes numbers: the `le` labels are compared as text. */

import type { HistogramCell } from './instruments.ts';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Shortest form that reads back as the same number; an exponent below 1e-4 and from 1e6. */
export function formatNumber(value: number): string {
  if (value === 0) return '0';
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e6) return String(value);
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  const digits = exponent.slice(1).padStart(2, '0');
  return `${mantissa}e${exponent.charAt(0)}${digits}`;
}

/** `{a="1",b="2"}`, sorted by name; the empty string without labels. */
export function formatLabels(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  const pairs = names.map((name, i) => `${name}="${escapeLabel(values[i] ?? '')}"`);
  return `{${pairs.sort().join(',')}}`;
}

export function histogramLines(name: string, labels: string, cell: HistogramCell): string {
  let text = '';
  let cumulative = 0;
  const open = labels === '' ? '{' : `${labels.slice(0, -1)},`;
  for (let i = 0; i < cell.counts.length; i++) {
    cumulative += cell.counts[i] as number;
    const bound = i < cell.bounds.length ? formatNumber(cell.bounds[i] as number) : '+Inf';
    text += `${name}_bucket${open}le="${bound}"} ${formatNumber(cumulative)}\n`;
  }
  return `${text}${name}_sum${labels} ${formatNumber(cell.sum)}\n${name}_count${labels} ${formatNumber(cumulative)}\n`;
}

export function headerLines(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
}

function escapeLabel(value: string): string {
  return /[\\\n"]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"') : value;
}
