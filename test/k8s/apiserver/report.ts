import Table from 'cli-table3';
import { OPERATIONS, type Operation } from './figures.ts';
import type { Side } from './run.ts';

/** Side by side: what each store did, and what was found. */
export function report(sides: readonly Side[]): string {
  const table = new Table({ head: ['', ...sides.map(({ kind }) => kind)], style: { head: [], border: [] } });
  const row = (what: string, cell: (side: Side) => string): void => void table.push([what, ...sides.map(cell)]);
  row('writes acknowledged', ({ model }) => String(model.figures.writes));
  row('writes/s', ({ model }) => model.figures.writesPerSecond.toFixed(0));
  for (const operation of ['create', 'update', 'delete'] as const) {
    row(`${operation}s/s`, ({ model }) => perSecond(model.figures.latencies[operation].count, model.figures.seconds));
  }
  for (const operation of OPERATIONS) {
    row(`${operation}, p50 / p99 ms`, (side) => percentiles(side, operation));
  }
  row('conflicts', ({ model }) => String(model.figures.conflicts));
  row('lists that a compaction passed', ({ model }) => String(model.figures.gone));
  row('compactions', ({ model }) => String(model.figures.compactions));
  row('keys that ended with a lease', ({ model }) => String(model.figures.expired));
  row('watches resumed / listed again', ({ model }) => `${model.figures.resumed} / ${model.figures.relisted}`);
  row('requests lost in crashes', ({ model }) => String(model.figures.excused));
  row('connections', ({ model }) => String(model.connections));
  row('watch events checked', ({ model }) => String(model.checkedEvents));
  row('violations', ({ model }) => String(model.findings.total));
  row('anonymous memory, MB', ({ memory }) => memoryLine(memory.map(({ anonymousMb }) => anonymousMb)));
  return table.toString();
}

export function told(sides: readonly Side[]): string[] {
  return sides.flatMap(({ kind, model }) => model.findings.told.map((line) => `${kind}: ${line}`));
}

function perSecond(count: number, seconds: number): string {
  return (count / seconds).toFixed(0);
}

function percentiles({ model }: Side, operation: Operation): string {
  const latencies = model.figures.latencies[operation];
  if (latencies.count === 0) return 'none';
  return `${latencies.percentileMs(50).toFixed(1)} / ${latencies.percentileMs(99).toFixed(1)}`;
}

const SHOWN = 8;

/** Over time: evenly chosen samples, from the first to the last. */
function memoryLine(samples: readonly number[]): string {
  const count = Math.min(SHOWN, samples.length);
  const chosen = Array.from({ length: count }, (_, i) =>
    samples[Math.round((i * (samples.length - 1)) / Math.max(1, count - 1))]?.toFixed(0),
  );
  return chosen.join(' ');
}
