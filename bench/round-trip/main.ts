/**
 * Data from etcd to quorate and back, with many keys: how long each step takes and how much memory it needs; whether both
 * servers agree about all of it. `npm run round-trip -- --keys 1000000 --value-bytes 100`
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { decodeHashKVResponse, encodeHashKVRequest } from '../../src/gen/rpc.ts';
import { humanSize } from '../../src/cli/human-size.ts';
import { etcdToolPath } from '../../test/support/real-etcd.ts';
import { Client, PATH } from '../load/client.ts';
import { preload } from '../load/preload.ts';
import { KeySpace } from '../load/workload.ts';
import { Server, type ServerSpec } from '../servers/server.ts';
import { etcdSpec, quorateSpec } from '../servers/specs.ts';
import { measured, Watched, type Measured } from './measure.ts';

const { values } = parseArgs({
  options: { keys: { type: 'string', default: '1000000' }, 'value-bytes': { type: 'string', default: '100' } },
});
const count = Number(values.keys);
const valueBytes = Number(values['value-bytes']);

// Below the repository, so that node_modules is found from there.
const cache = join(import.meta.dirname, '../../.cache');
mkdirSync(cache, { recursive: true });
const dir = mkdtempSync(join(cache, 'round-trip-'));
try {
  await main();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const quorate = quorateSpec(dir);
  const rows: [string, Measured][] = [];
  const row = (what: string, figures: Measured): void => {
    rows.push([what, figures]);
    process.stderr.write(`${what}: ${(figures.ms / 1000).toFixed(1)} s\n`);
  };
  const etcds = join(dir, 'etcd');
  const written = await served(etcdSpec(), etcds, async (server) => {
    await preload(server.port, { keys: new KeySpace('round-trip/'), count, valueBytes });
    return hashOf(server);
  });
  process.stderr.write(`etcd wrote ${count} keys, ${humanSize(statSync(join(etcds, 'member/snap/db')).size)}\n`);

  const file = join(dir, 'backup.db');
  const run = (...args: string[]): Promise<Measured> => measured(quorate.file, [...quorate.args(false), ...args]);
  await served(quorate, etcds, async (server, watched) => {
    expectEqual('taken over', await hashOf(server), written);
    row("quorate starts on etcd's data directory", figures(server.healthyMs, watched));
    const saved = await run('snapshot', 'save', file, '--endpoints', `127.0.0.1:${server.port}`);
    row('quorate snapshot save', saved);
    row('… and the server up to then', figures(saved.ms, watched));
  });
  await served(quorate, etcds, async (server, watched) => {
    expectEqual('started again', await hashOf(server), written);
    row('quorate starts again', figures(server.healthyMs, watched));
  });
  row('quorate snapshot status', await run('snapshot', 'status', file));
  row('quorate hashkv', await run('hashkv', file));
  const restored = join(dir, 'restored');
  row('quorate snapshot restore', await run('snapshot', 'restore', file, '--data-dir', restored));
  const theirs = join(dir, 'restored by etcdutl');
  const etcdutl = etcdToolPath('etcdutl');
  row('etcdutl snapshot status', await measured(etcdutl, ['snapshot', 'status', file]));
  row('etcdutl snapshot restore', await measured(etcdutl, ['snapshot', 'restore', file, '--data-dir', theirs]));
  for (const [what, dataDir] of [
    ['etcd starts on what quorate restored', restored],
    ['etcd starts on what etcdutl restored', theirs],
  ] as const) {
    await served(etcdSpec(), dataDir, async (server, watched) => {
      expectEqual(what, await hashOf(server), written);
      row(what, figures(server.healthyMs, watched));
    });
  }
  print(rows, statSync(file).size);
}

function figures(ms: number, { cpuSeconds, peakBytes }: Watched): Measured {
  return { ms, cpuSeconds, peakBytes };
}

async function served<T>(
  spec: ServerSpec,
  dataDir: string,
  body: (server: Server, watched: Watched) => Promise<T>,
): Promise<T> {
  const watched = new Watched();
  const onSpawned = (pid: number): void => watched.watch(pid);
  const server = await Server.start(spec, { dataDir, logFile: join(dir, 'log'), onSpawned });
  try {
    return await body(server, watched);
  } finally {
    watched.stop();
    await server.stop();
  }
}

interface Hash {
  readonly hash: number;
  readonly compactRevision: number;
}

async function hashOf(server: Server): Promise<Hash> {
  const client = await Client.open(server.port);
  try {
    const answer = await client.unary(PATH.hashKv, encodeHashKVRequest({ revision: 0 }));
    const { hash, compactRevision } = decodeHashKVResponse(answer);
    return { hash, compactRevision };
  } finally {
    client.close();
  }
}

function expectEqual(what: string, found: Hash, expected: Hash): void {
  if (found.hash === expected.hash && found.compactRevision === expected.compactRevision) return;
  throw new Error(`${what}: HashKV is ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}

function print(rows: readonly [string, Measured][], fileBytes: number): void {
  const table = new Table({
    head: ['step', 'time', 'processor', 'peak memory'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const [what, { ms, cpuSeconds, peakBytes }] of rows) {
    table.push([what, `${(ms / 1000).toFixed(1)} s`, `${cpuSeconds.toFixed(1)} s`, humanSize(peakBytes)]);
  }
  process.stdout.write(`${count} keys with values of ${valueBytes} bytes; the snapshot has ${humanSize(fileBytes)}. `);
  process.stdout.write(`HashKV is equal in every server.\n${table.toString()}\n`);
}
