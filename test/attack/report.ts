/** Outcomes as lines for people. */
import Table from 'cli-table3';
import type { Outcome } from './run.ts';

const HEAD = ['attack', 'server', 'memory MB', 'rose', 'served', 'failed', 'median', 'worst', 'worst new', 'attacker'];

export function table(outcomes: readonly Outcome[]): string {
  const out = new Table({ head: HEAD, style: { head: [], border: [], compact: true } });
  for (const outcome of outcomes) out.push(row(outcome));
  return out.toString();
}

function row({ attack, server, baselineMb, peakMb, served, tally }: Outcome): string[] {
  return [
    attack,
    server,
    `${baselineMb.toFixed(0)} → ${peakMb.toFixed(0)}`,
    (peakMb - baselineMb).toFixed(0),
    String(served.requests),
    String(served.failed.length),
    ms(served.medianMs),
    ms(served.worstMs),
    ms(served.worstNewMs),
    Object.entries(tally)
      .map(([name, count]) => `${name} ${Math.round(count)}`)
      .join(', '),
  ];
}

function ms(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : '-';
}
