/** A few short rounds; `npm run faults` makes as many and as long ones as one likes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SeededRandom } from '../../src/base/random.ts';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { faultNamed } from './faults/all.ts';
import { NamespaceNetwork, namespacesMissing } from './network/namespaces.ts';
import type { Network } from './network/network.ts';
import { ProxyNetwork } from './network/proxy-network.ts';
import { planRound, type RoundPlan } from './plan.ts';
import { type RoundReport, runRound } from './round.ts';

const SEED = 1;

withBundleForFile();

/** Of the faults named, each once. */
function plan(round: number, ...names: string[]): RoundPlan {
  return planRound(SEED, round, names.map(faultNamed), names.length);
}

async function run(roundPlan: RoundPlan, network: (random: SeededRandom) => Network): Promise<RoundReport> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-faults-test-'));
  const options = { kind: 'quorate', members: 3, network, heartbeatMs: 100, electionMs: 1000, directory } as const;
  const report = await runRound(roundPlan, options).catch((error: unknown) => {
    throw new Error(`everything about it is in ${directory}`, { cause: error });
  });
  console.info(report.notes.join('\n'), JSON.stringify(report.checked));
  rmSync(directory, { recursive: true });
  return report;
}

function expectWork({ ok, checked }: RoundReport): void {
  expect(ok).toBeGreaterThan(50);
  for (const what of ['effects', 'operations', 'events']) expect(checked[what], what).toBeGreaterThan(10);
}

test('the same seed makes the same plan, and rounds deal out all faults in turn', () => {
  const faults = ['kill', 'pause', 'isolate', 'delay', 'loss', 'cuts'].map(faultNamed);
  const plans = [1, 2, 3].map((round) => planRound(7, round, faults, 2));
  expect([1, 2, 3].map((round) => planRound(7, round, faults, 2))).toEqual(plans);
  const dealt = plans.flatMap(({ steps }) => steps.map(({ fault }) => fault));
  expect(dealt.toSorted()).toEqual(faults.map(({ name }) => name).toSorted());
});

describe('three members', { timeout: 120_000 }, () => {
  test('a killed member, and links that are cut in one direction', async () => {
    expectWork(await run(plan(1, 'kill', 'one-way'), (random) => new ProxyNetwork(random)));
  });

  test('a member that is replaced, while somebody compacts', async () => {
    const report = await run(plan(2, 'replace-member'), (random) => new ProxyNetwork(random));
    expectWork(report);
    expect(report.checked['compactions']).toBeGreaterThan(5);
    expect(report.checked['past']).toBeGreaterThan(10);
  });

  const reason = namespacesMissing();
  if (reason !== undefined) console.info(`skipped: partitions by the kernel: ${reason}`);
  test.skipIf(reason !== undefined)('partitions made by the kernel', async () => {
    expectWork(await run(plan(3, 'isolate'), () => new NamespaceNetwork()));
  });
});
