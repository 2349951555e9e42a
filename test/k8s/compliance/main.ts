/**
 * The compliance list against a live cluster: see docs/compliance.md.
 *
 *   KUBECONFIG=... npm run compliance -- [--image busybox:1.36] [--image2 busybox:1.37] [--compaction-wait 660] [--event-ttl 3600]
 *   KUBEBUILDER_ASSETS=... npm run compliance -- [--target quorate|etcd|both] [--members 1] [--kill-every 0] [--json file]
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { withBundle } from '../../support/quorate-process.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import type { ServerKind } from '../../support/server-process.ts';
import { CHECKS } from './all-checks.ts';
import type { Context } from './check.ts';
import { removeClusterWide } from './checks/patches.ts';
import { type Binaries, findBinaries, HOW_TO_GET_THEM, missingIn } from './control-plane/binaries.ts';
import { ControlPlane } from './control-plane/control-plane.ts';
import { KubeClient } from './kube-client.ts';
import { type Access, readKubeconfig } from './kubeconfig.ts';
import { type CheckResult, runChecks, tableOf } from './run-checks.ts';

// What was started is killed when this process exits, for whatever reason.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const EXIT_FAILED = 1;
const EXIT_NOTHING_TO_RUN_ON = 3;

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'both' },
    members: { type: 'string', default: '1' },
    /** Seconds between kill -9 of a member of the store; 0: never. */
    'kill-every': { type: 'string', default: '0' },
    image: { type: 'string', default: 'busybox:1.36' },
    image2: { type: 'string', default: 'busybox:1.37' },
    /** Seconds that something may take that controllers and nodes do. */
    patience: { type: 'string', default: '120' },
    'compaction-wait': { type: 'string' },
    'event-ttl': { type: 'string' },
    json: { type: 'string' },
  },
});

type Given = Pick<Context, 'compactionMs' | 'eventTtlMs' | 'without'>;

const seconds = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text) * 1000;

async function checkCluster(title: string, access: Access, given: Given): Promise<CheckResult[]> {
  const id = `compliance-${randomBytes(3).toString('hex')}`;
  // A store whose members are killed is away for moments.
  const patienceMs = Number(values['kill-every']) > 0 ? 60_000 : 0;
  const [client, other] = [new KubeClient(access, patienceMs), new KubeClient(access, patienceMs)];
  const context: Context = {
    client,
    other,
    namespace: id,
    id,
    images: [values.image, values.image2],
    patienceMs: Number(values.patience) * 1000,
    leaderLeaseMs: 8_000,
    notes: new Map(),
    ...given,
  };
  console.log(title);
  try {
    return await runChecks(CHECKS, context, ({ check, outcome, ms, reason }) => {
      console.log(`  ${outcome} ${String(ms).padStart(6)} ms  ${check}${reason === undefined ? '' : `: ${reason}`}`);
    });
  } finally {
    await removeClusterWide(context);
    client.close();
    other.close();
  }
}

/** Short intervals, so that compactions and the end of events can be waited for. */
const OWN_PLANE = { eventTtlSeconds: 15, compactionSeconds: 20 };

async function checkOwnPlane(kind: ServerKind, binaries: Binaries): Promise<CheckResult[]> {
  const say = (line: string): void => console.log(`  ${line}`);
  console.log(`starting a control plane on ${kind}, ${values.members} member(s)`);
  const options = { store: kind, members: Number(values.members), binaries, ...OWN_PLANE };
  const plane = await ControlPlane.start(options);
  try {
    const killEveryMs = Number(values['kill-every']) * 1000;
    if (killEveryMs > 0) plane.store.beginKilling(killEveryMs);
    const results = await checkCluster(kind, plane.access, {
      eventTtlMs: OWN_PLANE.eventTtlSeconds * 1000,
      compactionMs: OWN_PLANE.compactionSeconds * 4000 + Number(values.patience) * 1000,
      without: missingIn(binaries),
    });
    await plane.store.endKilling();
    if (killEveryMs > 0) say(`members were killed ${plane.store.kills} times`);
    for (const name of plane.ended) say(`${name} has ended:\n${plane.logTail(name)}`);
    return results;
  } finally {
    await plane.stop();
  }
}

function ownTargets(): ServerKind[] {
  const kinds: ServerKind[] = values.target === 'both' ? ['quorate', 'etcd'] : [values.target as ServerKind];
  if (!kinds.includes('etcd') || etcdBinDir() !== undefined) return kinds;
  console.log(`without etcd: ${NO_ETCD}`);
  return kinds.filter((kind) => kind !== 'etcd');
}

async function runAll(): Promise<Map<string, CheckResult[]> | undefined> {
  const runs = new Map<string, CheckResult[]>();
  const kubeconfig = process.env['KUBECONFIG'];
  if (kubeconfig !== undefined && kubeconfig !== '') {
    const given = {
      compactionMs: seconds(values['compaction-wait']),
      eventTtlMs: seconds(values['event-ttl']),
      without: undefined,
    };
    runs.set('cluster', await checkCluster(`the cluster of ${kubeconfig}`, readKubeconfig(kubeconfig), given));
    return runs;
  }
  const binaries = findBinaries();
  if (binaries === undefined) return undefined;
  await withBundle(async () => {
    for (const kind of ownTargets()) runs.set(kind, await checkOwnPlane(kind, binaries));
  });
  return runs;
}

const runs = await runAll();
if (runs === undefined) {
  console.log(HOW_TO_GET_THEM);
  process.exitCode = EXIT_NOTHING_TO_RUN_ON;
} else {
  console.log(tableOf(runs));
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify(Object.fromEntries(runs), undefined, 2)}\n`);
  const results = [...runs.values()].flat();
  if (results.length === 0 || results.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT_FAILED;
}
