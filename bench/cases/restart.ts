/** Restart with many keys on the disk, memory and disk space with them. */
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import { Client } from '../load/client.ts';
import { preload } from '../load/preload.ts';
import { KeySpace, VALUE_BYTES } from '../load/workload.ts';
import type { Server } from '../servers/server.ts';
import { diskBytes } from '../servers/proc.ts';
import { median } from '../statistics.ts';

const MB = 1e6;
const KEYS = new KeySpace('/bench/restart/');
/** Written right before a kill: what recovery has to find in the log. */
const RECENT = new KeySpace('/bench/recent/');
const RECENT_KEYS = 2000;
/** For what a server does by itself after a load. */
const QUIET_MS = 1000;

export function restartCase(keys: number): BenchCase {
  return {
    name: `restart-${keys >= 1000 ? `${keys / 1000}k` : keys}`,
    title: `restart with ${keys.toLocaleString('en')} keys of 256 B, until a linearizable range is answered`,
    run: (context) => run(context, keys),
  };
}

async function run(context: CaseContext, keys: number): Promise<Measurement[]> {
  const { sizes } = context;
  let server = await context.start();
  await preload(server.port, { keys: KEYS, count: keys, valueBytes: VALUE_BYTES });
  await new Promise((resolve) => setTimeout(resolve, Math.min(QUIET_MS, sizes.warmupMs)));
  const loadedBytes = await server.anonymousBytes();

  const healthyMs = { killed: [] as number[], stopped: [] as number[] };
  let restartedBytes = 0;
  for (let i = 0; i < sizes.restarts; i++) {
    await preload(server.port, { keys: RECENT, count: RECENT_KEYS, valueBytes: VALUE_BYTES });
    await server.kill();
    server = await context.start();
    healthyMs.killed.push(server.healthyMs);
    await server.stop();
    server = await context.start();
    healthyMs.stopped.push(server.healthyMs);
    restartedBytes = await server.anonymousBytes();
    await checkKeys(server, keys);
  }
  await server.stop();
  const onDisk = await diskBytes(context.dataDir());
  return [
    { name: 'until healthy', unit: 'ms', better: 'less', value: median(healthyMs.stopped), headline: true },
    { name: 'until healthy after kill -9', unit: 'ms', better: 'less', value: median(healthyMs.killed) },
    { name: 'anonymous memory once healthy', unit: 'MB', better: 'less', value: restartedBytes / MB },
    { name: 'anonymous memory after writing', unit: 'MB', better: 'less', value: loadedBytes / MB },
    { name: 'disk', unit: 'MB', better: 'less', value: onDisk / MB },
  ];
}

async function checkKeys(server: Server, keys: number): Promise<void> {
  const client = await Client.open(server.port);
  try {
    const found = await client.count(KEYS.range);
    if (found !== keys) throw new Error(`${found} keys after a restart, not ${keys}`);
  } finally {
    client.close();
  }
}
