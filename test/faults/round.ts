/** One round: a new cluster, traffic, faults, peace, and then everything is held against what the store says it did. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../src/base/random.ts';
import type { ServerKind } from '../support/server-process.ts';
import { checkAnswers } from './checks/answers.ts';
import { checkCompactions } from './checks/compactions.ts';
import { checkLeases, checkLocks } from './checks/leases.ts';
import type { Ledger } from './checks/ledger.ts';
import { checkSingleKeys } from './checks/single-keys.ts';
import { shown } from './checks/violation.ts';
import { checkWatch } from './checks/watches.ts';
import { checkWrites } from './checks/writes.ts';
import { FaultCluster } from './cluster.ts';
import { faultNamed } from './faults/all.ts';
import { agreedLedger, disarm, expectHealthy, leasesEnded } from './aftermath.ts';
import { History } from './history.ts';
import type { Network } from './network/network.ts';
import type { RoundPlan, Step } from './plan.ts';
import { Traffic } from './traffic/traffic.ts';

export interface RoundOptions {
  readonly kind: ServerKind;
  readonly members: number;
  readonly network: (random: SeededRandom) => Network;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  /** Logs, and if it fails the history. */
  readonly directory: string;
}

export interface RoundReport {
  readonly notes: readonly string[];
  readonly ok: number;
  readonly refused: number;
  readonly unknown: number;
  readonly revision: number;
  /** How much was held against what: operations placed, events watched and so on. */
  readonly checked: Readonly<Record<string, number>>;
  readonly seconds: number;
}

const BEFORE_MS = 700;
const PEACE_MS = 60_000;

/** Rejects with a Violation, or with what else went wrong; everything about it is in the directory then. */
export async function runRound(plan: RoundPlan, options: RoundOptions): Promise<RoundReport> {
  mkdirSync(options.directory, { recursive: true });
  const beganMs = performance.now();
  const history = new History();
  const notes: string[] = [];
  const note = (what: string): void => {
    notes.push(`${((performance.now() - beganMs) / 1000).toFixed(1)} s: ${what}`);
  };
  let ledger: Ledger | undefined;
  try {
    ledger = await play(plan, options, history, note);
    const checked = check(history, ledger);
    const seconds = (performance.now() - beganMs) / 1000;
    return { notes, ...outcomes(history), revision: ledger.revision, checked, seconds };
  } catch (error) {
    keep(options.directory, { plan, notes, history, ledger, error });
    throw error;
  }
}

async function play(
  plan: RoundPlan,
  options: RoundOptions,
  history: History,
  note: (what: string) => void,
): Promise<Ledger> {
  const network = options.network(new SeededRandom(plan.seed + plan.round));
  const smallVolume = plan.steps.some(({ fault }) => fault === 'disk-full');
  const cluster = await FaultCluster.start({ ...options, network, smallVolume });
  const traffic = new Traffic(cluster, history, plan.seed * 1000 + plan.round, plan.compacts);
  try {
    await sleep(BEFORE_MS);
    for (const step of plan.steps) {
      await makeFaults(step, cluster, note);
      await sleep(step.restMs);
    }
    cluster.heal();
    note('peace');
    await cluster.leader(PEACE_MS);
    note('all have the same leader');
    await traffic.stopWorkers();
    await disarm(cluster, PEACE_MS);
    const revision = await expectHealthy(cluster, history, PEACE_MS);
    note('all are healthy');
    const last = await leasesEnded(cluster, history, revision);
    note('all leases are over');
    await traffic.watchedTo(last, PEACE_MS);
    note('all watches are complete');
    await traffic.stop();
    const ledger = await agreedLedger(cluster, history, traffic.chronicle());
    note('all hold the same');
    return ledger;
  } finally {
    await traffic.stop();
    traffic.close();
    await cluster.stop();
  }
}

async function makeFaults(step: Step, cluster: FaultCluster, note: (what: string) => void): Promise<void> {
  const names = step.alongside === undefined ? [step.fault] : [step.fault, step.alongside];
  const faults = names.map((name, i) => {
    const random = new SeededRandom(step.seed + i);
    return faultNamed(name).make({ cluster, random, forMs: step.forMs, note });
  });
  const failed = (await Promise.allSettled(faults)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** In the order in which a failure says the most. */
export function check(history: History, ledger: Ledger): Record<string, number> {
  const effects = checkWrites(history, ledger);
  checkAnswers(history, ledger, effects);
  const operations = checkSingleKeys(history);
  const events = history.watches.reduce((sum, record) => sum + checkWatch(record, ledger), 0);
  const leases = checkLeases(history, ledger);
  const locks = checkLocks(history, ledger);
  const past = checkCompactions(history);
  return { effects: effects.size, operations, events, leases, locks, past, compactions: history.compactions.length };
}

function outcomes({ operations }: History): { ok: number; refused: number; unknown: number } {
  const ok = operations.filter(({ answer }) => answer !== undefined).length;
  const refused = operations.filter((operation) => operation.refused).length;
  return { ok, refused, unknown: operations.length - ok - refused };
}

interface Kept {
  readonly plan: RoundPlan;
  readonly notes: readonly string[];
  readonly history: History;
  readonly ledger: Ledger | undefined;
  readonly error: unknown;
}

function keep(directory: string, { plan, notes, history, ledger, error }: Kept): void {
  const write = (name: string, lines: readonly string[]): void =>
    writeFileSync(join(directory, name), lines.join('\n'));
  const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
  write('failure.txt', [failure, '', ...notes, '', JSON.stringify(plan, undefined, 2)]);
  write('operations.jsonl', history.operations.map(shown));
  write('leases.jsonl', [...history.leases.map(shown), ...history.holdings.map(shown)]);
  write('watches.jsonl', history.watches.map(shown));
  write('compactions.jsonl', history.compactions.map(shown));
  write('seen.jsonl', history.seen.map(shown));
  if (ledger !== undefined) write('ledger.jsonl', ledger.events.map(shown));
}
