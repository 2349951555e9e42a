/**
 * kube-apiservers without Kubernetes: see docs/compliance.md.
 *
 *   npm run apiserver-model -- [--minutes 30] [--target quorate|etcd|both] [--members 1|3] [--api-servers 2] [--workers 24]
 *     [--rate writes/s] [--round-seconds 20] [--crash-every 3] [--compact-every 20] [--seed 1]
 */
import { parseArgs } from 'node:util';
import { withBundle } from '../../support/quorate-process.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import type { ServerKind } from '../../support/server-process.ts';
import { highestRate } from './rate-search.ts';
import { report, told } from './report.ts';
import { Side } from './run.ts';

// What was started is killed when this process exits, for whatever reason.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    target: { type: 'string', default: 'both' },
    members: { type: 'string', default: '1' },
    'api-servers': { type: 'string', default: '2' },
    workers: { type: 'string', default: '24' },
    /** Writes per second; without it the highest that all targets hold is looked for. */
    rate: { type: 'string' },
    'round-seconds': { type: 'string', default: '20' },
    /** In every so many-th round a member is killed; 0: never. */
    'crash-every': { type: 'string', default: '3' },
    'compact-every': { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

const beganMs = performance.now();

function say(line: string): void {
  console.log(`${((performance.now() - beganMs) / 1000).toFixed(0).padStart(5)} s  ${line}`);
}

function targets(): ServerKind[] {
  const kinds: ServerKind[] = values.target === 'both' ? ['quorate', 'etcd'] : [values.target as ServerKind];
  if (kinds.some((kind) => kind !== 'quorate' && kind !== 'etcd')) throw new Error('--target is quorate, etcd or both');
  if (!kinds.includes('etcd') || etcdBinDir() !== undefined) return kinds;
  console.log(`without etcd: ${NO_ETCD}`);
  return kinds.filter((kind) => kind !== 'etcd');
}

async function main(): Promise<void> {
  const kinds = targets();
  const sides: Side[] = [];
  say(`seed ${values.seed}, ${values.members} member(s), ${values['api-servers']} API servers`);
  try {
    for (const kind of kinds) sides.push(await startSide(kind));
    const rate = values.rate === undefined ? await highestRate(sides, say) : Number(values.rate);
    say(`rounds at ${rate.toFixed(0)} writes/s`);
    await rounds(sides, rate);
    await Promise.all(sides.map((side) => side.expectMasterLeasesEnd()));
    console.log(report(sides));
    for (const line of told(sides)) console.log(line);
    if (sides.length === 0 || sides.some(({ model }) => model.findings.total > 0)) process.exitCode = 1;
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

function startSide(kind: ServerKind): Promise<Side> {
  return Side.start(kind, {
    members: Number(values.members),
    apiServers: Number(values['api-servers']),
    workers: Number(values.workers),
    compactEveryMs: Number(values['compact-every']) * 1000,
    seed: Number(values.seed),
    say,
  });
}

/** The targets take turns, so that whatever else the machine does falls on all of them. */
async function rounds(sides: readonly Side[], rate: number): Promise<void> {
  const roundMs = Number(values['round-seconds']) * 1000;
  const crashEvery = Number(values['crash-every']);
  const endMs = performance.now() + Number(values.minutes) * 60_000;
  for (let round = 1; performance.now() < endMs; round++) {
    for (const side of sides) {
      const crashes = crashEvery > 0 && round % crashEvery === 0 ? 1 : 0;
      const did = await side.round(roundMs, rate, crashes);
      const { checkedEvents, findings } = side.model;
      const mb = side.memory.at(-1)?.anonymousMb.toFixed(0);
      say(
        `round ${round}, ${side.kind}: ${did.toFixed(0)} writes/s, ${checkedEvents} events checked, ${findings.total} violations, ${mb} MB`,
      );
    }
  }
}

await withBundle(main);
