/**
 * Faults against real clusters, round after round.
 *
 *   node test/faults/main.ts --rounds 20 --seed 1 [--round 7] [--members 3|5] [--only fault,fault] [--target quorate|etcd]
 *     [--network proxy|namespaces] [--heartbeat-interval 100] [--election-timeout 1000] [--keep-going] [--verbose]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withBundle } from '../support/quorate-process.ts';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import type { ServerKind } from '../support/server-process.ts';
import { faultNamed, possibleFaults } from './faults/all.ts';
import { NAMESPACE_CONDITIONS, NamespaceNetwork, namespacesMissing } from './network/namespaces.ts';
import { PROXY_CONDITIONS, ProxyNetwork } from './network/proxy-network.ts';
import { planRound } from './plan.ts';
import { type RoundReport, runRound } from './round.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    round: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    members: { type: 'string', default: '3' },
    only: { type: 'string' },
    target: { type: 'string', default: 'quorate' },
    network: { type: 'string', default: 'proxy' },
    'heartbeat-interval': { type: 'string', default: '100' },
    'election-timeout': { type: 'string', default: '1000' },
    'keep-going': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

const kind = values.target as ServerKind;
const seed = Number(values.seed);
const members = Number(values.members);
const usesNamespaces = values.network === 'namespaces';

async function main(): Promise<void> {
  const reason = usesNamespaces
    ? namespacesMissing()
    : kind === 'etcd' && etcdBinDir() === undefined
      ? NO_ETCD
      : undefined;
  if (reason !== undefined) return console.log(`skipped: ${reason}`);
  const faults = choose();
  const first = Number(values.round ?? '1');
  const last = values.round === undefined ? Number(values.rounds) : first;
  console.log(`${kind}, ${members} members, ${values.network}, seed ${seed}, rounds ${first} to ${last}`);
  const failed: number[] = [];
  const began = performance.now();
  for (let round = first; round <= last; round++) {
    if (!(await runOne(round, faults))) failed.push(round);
    if (failed.length > 0 && !values['keep-going']) break;
  }
  console.log(`${((performance.now() - began) / 1000).toFixed(0)} s; failed rounds: ${failed.join(' ') || 'none'}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function choose(): ReturnType<typeof possibleFaults>['possible'] {
  const network = usesNamespaces
    ? ({ kind: 'namespaces', conditions: NAMESPACE_CONDITIONS } as const)
    : ({ kind: 'proxy', conditions: PROXY_CONDITIONS } as const);
  const { possible, missing } = possibleFaults({ kind, network });
  const wanted = values.only?.split(',').map(faultNamed);
  for (const [name, why] of missing) {
    if (wanted === undefined || wanted.some((fault) => fault.name === name)) console.log(`without ${name}: ${why}`);
  }
  return possible.filter((fault) => wanted === undefined || wanted.includes(fault));
}

async function runOne(round: number, faults: ReturnType<typeof choose>): Promise<boolean> {
  const plan = planRound(seed, round, faults);
  const names = plan.steps.map(({ fault, alongside }) => (alongside === undefined ? fault : `${fault}+${alongside}`));
  const directory = mkdtempSync(join(tmpdir(), `quorate-faults-${kind}-${seed}-${round}-`));
  try {
    const report = await runRound(plan, {
      kind,
      members,
      network: (random) => (usesNamespaces ? new NamespaceNetwork() : new ProxyNetwork(random)),
      heartbeatMs: Number(values['heartbeat-interval']),
      electionMs: Number(values['election-timeout']),
      directory,
    });
    console.log(`round ${round}: ${names.join(', ')}: ${figures(report)}`);
    if (values.verbose) console.log(report.notes.map((line) => `  ${line}`).join('\n'));
    if (values.verbose) console.log(`  logs: ${directory}`);
    else rmSync(directory, { recursive: true });
    return true;
  } catch (error) {
    console.log(
      `round ${round}: ${names.join(', ')}: FAILED: ${String(error).slice(0, 1500)}\n  everything is in ${directory}`,
    );
    return false;
  }
}

function figures({ ok, refused, unknown, revision, checked, seconds }: RoundReport): string {
  const checks = Object.entries(checked).map(([what, count]) => `${count} ${what}`);
  return `${ok} ok, ${refused} refused, ${unknown} unknown, revision ${revision}; checked ${checks.join(', ')}; ${seconds.toFixed(1)} s`;
}

if (kind === 'quorate') await withBundle(main);
else await main();
