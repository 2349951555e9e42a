import type { Results, Row, Figure } from './results.ts';

/** The results as a page of Markdown: the circumstances, the table, the goals that are missed. */
export function markdown(results: Results): string {
  const { machine, standstillMs, versions } = results;
  const lines = [
    `# Benchmark of ${results.date.slice(0, 10)}${results.members > 1 ? `: clusters of ${results.members} members` : ''}`,
    '',
    `quorate ${versions.quorate ?? '(not run)'}${results.commit && ` (${results.commit})`} and etcd ${versions.etcd ?? '(not run)'}, one after the other, ` +
      `${results.rounds} round${results.rounds > 1 ? 's' : ''}, ${results.size} size, every write synced to disk before it is acknowledged.`,
    '',
    `${machine.cores} x ${machine.cpuModel}, ${machine.memoryGB} GB, Linux ${machine.kernel}, ${machine.fileSystem} ` +
      `(fdatasync of 4 kB: ${machine.fdatasyncMicros} µs), Node ${machine.node}, ${results.loadGenerator}; ` +
      `load average before: ${machine.loadAverageBefore}. A thread that only looked at the clock, one on each core and nothing else running, ` +
      `stood still for up to ${amount(standstillMs.before)} ms before, ${amount(standstillMs.after)} ms after.`,
    '',
    'Median of the rounds (smallest – largest). Ratio: how many times better quorate is; below 1 etcd is better.',
    '',
    ...table(results.rows),
  ];
  const missed = results.rows.filter(({ limit, quorate }) => limit !== undefined && (quorate?.median ?? 0) > limit);
  if (missed.length > 0) {
    lines.push('', 'Goals missed:', '');
    for (const row of missed) {
      lines.push(
        `- ${row.case}, ${row.name}: ${amount(row.quorate?.median ?? 0)} ${row.unit}, goal ${row.limit} ${row.unit}`,
      );
    }
  }
  if (results.failures.length > 0) {
    lines.push('', 'Failed:', '', ...results.failures.map((text) => `- ${text.replaceAll('\n', ' ')}`));
  }
  return `${lines.join('\n')}\n`;
}

function table(rows: readonly Row[]): string[] {
  const lines = ['| case | figure | quorate | etcd | ratio |', '| --- | --- | ---: | ---: | ---: |'];
  let last = '';
  for (const row of rows) {
    const title = row.case === last ? '' : row.title;
    last = row.case;
    const ratio = row.ratio === undefined ? '' : row.ratio.toFixed(2);
    const name = row.limit === undefined ? row.name : `${row.name} (goal: at most ${row.limit} ${row.unit})`;
    lines.push(`| ${title} | ${name} | ${cell(row.quorate, row)} | ${cell(row.etcd, row)} | ${ratio} |`);
  }
  return lines;
}

function cell(figure: Figure | undefined, { unit }: Row): string {
  if (figure === undefined) return '–';
  const { median, min, max, values } = figure;
  const middle = unit === '/s' ? `${amount(median)}/s` : `${amount(median)} ${unit}`;
  return values.length === 1 ? middle : `${middle} (${amount(min)} – ${amount(max)})`;
}

/** Three digits at least, none that mean nothing. */
export function amount(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
