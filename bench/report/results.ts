/** From rounds to a table of figures: what the JSON file holds, and what the table and the chart show. */
import type { Unit } from '../case.ts';
import type { Machine } from '../machine.ts';
import type { CaseRun } from '../runner.ts';
import type { ServerKind } from '../servers/server.ts';
import type { SizeName } from '../sizes.ts';
import { type Better, type Spread, spread, timesBetter } from '../statistics.ts';
import { limitOf } from './limits.ts';

export interface Figure extends Spread {
  /** Each round's value, in their order. */
  readonly values: readonly number[];
}

export interface Row {
  readonly case: string;
  readonly title: string;
  readonly name: string;
  readonly unit: Unit;
  readonly better: Better;
  readonly headline: boolean;
  readonly quorate?: Figure;
  readonly etcd?: Figure;
  /** How many times better quorate's median is than etcd's. */
  readonly ratio?: number;
  /** What quorate may need at most, where there is such a goal. */
  readonly limit?: number;
}

export interface Results {
  /** ISO 8601. */
  readonly date: string;
  readonly size: SizeName;
  readonly rounds: number;
  /** 1: servers alone. */
  readonly members: number;
  readonly machine: Machine;
  /** The longest time for which the idle machine let a thread that wanted to run not run, before and after all cases. */
  readonly standstillMs: { readonly before: number; readonly after: number };
  readonly versions: Readonly<Partial<Record<ServerKind, string>>>;
  /** The commit that quorate was built from, with a + when files were changed since; empty outside a checkout. */
  readonly commit: string;
  /** Both servers sync every write before they acknowledge it. */
  readonly fsync: true;
  readonly loadGenerator: string;
  readonly rows: readonly Row[];
  readonly failures: readonly string[];
}

export function rowsOf(run: CaseRun): Row[] {
  const all = Object.values(run.rounds).flat(2);
  const names = new Map(all.map((measurement) => [measurement.name, measurement]));
  return [...names.values()].map(({ name, unit, better, headline }) => {
    const quorate = figureOf(run, 'quorate', name);
    const etcd = figureOf(run, 'etcd', name);
    const limit = limitOf(run.name, name);
    return {
      case: run.name,
      title: run.title,
      name,
      unit,
      better,
      headline: headline === true,
      ...(quorate && { quorate }),
      ...(etcd && { etcd }),
      ...(quorate && etcd && { ratio: timesBetter(quorate.median, etcd.median, better) }),
      ...(limit !== undefined && { limit }),
    };
  });
}

function figureOf(run: CaseRun, server: ServerKind, name: string): Figure | undefined {
  const values = (run.rounds[server] ?? []).flatMap((round) => round.filter((one) => one.name === name)).map(valueOf);
  return values.length === 0 ? undefined : { ...spread(values), values };
}

function valueOf({ value }: { readonly value: number }): number {
  return value;
}
