/** Plans that once failed, as files: they are run again with every test. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from './plan.ts';

export const REGRESSIONS = join(import.meta.dirname, 'regressions');

export interface PlanFile {
  /** What went wrong. */
  readonly found: string;
  readonly plan: Plan;
}

export function readPlan(path: string): PlanFile {
  return JSON.parse(readFileSync(path, 'utf8')) as PlanFile;
}

/** One operation, fault or setting to a line. */
export function writePlan(path: string, { found, plan }: PlanFile): void {
  const { seed, knobs, clients, faults } = plan;
  const settings = Object.entries(knobs).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const parts = [
    `"seed": ${seed}`,
    `"knobs": ${block('{', settings, '}')}`,
    `"clients": ${list(clients.map(({ operations }) => `{ "operations": ${list(operations.map(line))} }`))}`,
    `"faults": ${list(faults.map(line))}`,
  ];
  const text = block('{', [`"found": ${JSON.stringify(found)}`, `"plan": ${block('{', parts, '}')}`], '}');
  writeFileSync(path, `${text}\n`);
}

function line(value: unknown): string {
  return JSON.stringify(value, null, 1).replaceAll(/\n\s*/g, ' ');
}

function list(items: readonly string[]): string {
  return items.length === 0 ? '[]' : block('[', items, ']');
}

function block(open: string, items: readonly string[], close: string): string {
  return `${open}\n${items.map((item) => `  ${item.replaceAll('\n', '\n  ')}`).join(',\n')}\n${close}`;
}

export function regressions(): string[] {
  return readdirSync(REGRESSIONS).filter((name) => name.endsWith('.json'));
}
