import Table from 'cli-table3';
import type { Check, Context } from './check.ts';

export interface CheckResult {
  readonly check: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly ms: number;
  /** Why it failed, or was skipped. */
  readonly reason?: string;
}

/** One after the other; each result is told as soon as it is there. */
export async function runChecks(
  checks: readonly Check[],
  context: Context,
  onResult: (result: CheckResult) => void = () => undefined,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    const result = await runCheck(check, context);
    results.push(result);
    onResult(result);
  }
  return results;
}

async function runCheck({ name, run, impossible }: Check, context: Context): Promise<CheckResult> {
  const reason = impossible?.(context);
  if (reason !== undefined) return { check: name, outcome: 'skipped', ms: 0, reason };
  const beganMs = performance.now();
  const took = (): number => Math.round(performance.now() - beganMs);
  try {
    await run(context);
    return { check: name, outcome: 'passed', ms: took() };
  } catch (error) {
    return { check: name, outcome: 'failed', ms: took(), reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof Error && error.cause instanceof Error ? `${text} (${error.cause.message})` : text;
}

/** A column for each run, e.g. on quorate and on etcd. */
export function tableOf(runs: ReadonlyMap<string, readonly CheckResult[]>): string {
  const table = new Table({ head: ['check', ...runs.keys()], style: { head: [], border: [] } });
  const names = [...new Set([...runs.values()].flatMap((results) => results.map(({ check }) => check)))];
  for (const name of names) {
    const cells = [...runs.values()].map((results) => cell(results.find(({ check }) => check === name)));
    table.push([name, ...cells]);
  }
  const totals = [...runs.values()].map((results) => {
    const count = (outcome: CheckResult['outcome']): number =>
      results.filter((result) => result.outcome === outcome).length;
    return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
  });
  table.push([`${names.length} checks`, ...totals]);
  return table.toString();
}

function cell(result: CheckResult | undefined): string {
  if (result === undefined) return '';
  return result.outcome === 'skipped' ? 'skipped' : `${result.outcome} ${result.ms} ms`;
}
