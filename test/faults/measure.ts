/**
 * How long clusters take no writes when their leader goes, quorate's and a real etcd's in turn.
 *
 *   node test/faults/measure.ts [--rounds 10] [--members 3] [--target quorate|etcd|both] [--election-timeout 1000]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withBundle } from '../support/quorate-process.ts';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import type { ServerKind } from '../support/server-process.ts';
import { FaultCluster } from './cluster.ts';
import { type HandOver, measureHandOver, shownHandOvers } from './hand-over.ts';
import { OpenNetwork } from './network/open-network.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    members: { type: 'string', default: '3' },
    target: { type: 'string', default: 'both' },
    'heartbeat-interval': { type: 'string', default: '100' },
    'election-timeout': { type: 'string', default: '1000' },
  },
});

async function measure(kind: ServerKind): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-hand-over-'));
  const cluster = await FaultCluster.start({
    kind,
    members: Number(values.members),
    network: new OpenNetwork(),
    heartbeatMs: Number(values['heartbeat-interval']),
    electionMs: Number(values['election-timeout']),
    directory,
  });
  try {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const handOvers: HandOver[] = [];
      for (let round = 0; round < Number(values.rounds); round++)
        handOvers.push(await measureHandOver(cluster, signal));
      console.log(`${kind}, ${signal} of the leader: ${shownHandOvers(handOvers)}`);
      const counts = new Map<string, number>();
      for (const error of handOvers.flatMap(({ failures }) => failures))
        counts.set(error, (counts.get(error) ?? 0) + 1);
      console.log(`  failed: ${[...counts].map(([error, count]) => `${count} x ${error}`).join('; ') || 'none'}`);
    }
  } finally {
    await cluster.stop();
    rmSync(directory, { recursive: true });
  }
}

async function main(): Promise<void> {
  for (const kind of ['quorate', 'etcd'] as const) {
    if (values.target !== 'both' && values.target !== kind) continue;
    if (kind === 'etcd' && etcdBinDir() === undefined) console.log(`without etcd: ${NO_ETCD}`);
    else await measure(kind);
  }
}

await withBundle(main);
