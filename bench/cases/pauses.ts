/**
 * What everybody else waits for while one large operation runs: the longest pause of the event loop (quorate), and the
 * slowest put and range of clients that make one after the other (both).
 */
import {
  encodeDefragmentRequest,
  encodeHashKVRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeSnapshotRequest,
  encodeTxnRequest,
} from '../../src/gen/rpc.ts';
import type { BenchCase, Measurement } from '../case.ts';
import { type Client, PATH } from '../load/client.ts';
import { Latencies } from '../load/latencies.ts';
import { preload } from '../load/preload.ts';
import { KeySpace, VALUE_BYTES } from '../load/workload.ts';
import type { LoopFigures } from '../servers/loop-probe-client.ts';
import type { Server } from '../servers/server.ts';
import type { PauseSizes } from '../sizes.ts';
import { withClients } from './clients.ts';

const KEYS = new KeySpace('/bench/pauses/');
const PROBED = new KeySpace('/bench/probe/').key(0);
const PROBE_INTERVAL_MS = 5;
/** Before and after the operation, so that its first and last moments count. */
const MARGIN_MS = 50;
const QUIET_MS = 1500;

/** The operation that shows what the machine and the probes themselves do. */
const IDLE = 'nothing';

interface Operation {
  readonly name: string;
  /** Rejects when the server does not do it completely. */
  readonly run: (client: Client) => Promise<void>;
}

export const pausesCase: BenchCase = {
  name: 'pauses',
  title: 'the longest wait of others while one large operation runs',
  run: async (context) => {
    const server = await context.start({ probe: true });
    const compactRevision = await writeHistory(server.port, context.sizes.pauses);
    await new Promise((resolve) => setTimeout(resolve, Math.min(QUIET_MS, context.sizes.warmupMs)));
    return run(server, operations(context.sizes.pauses, compactRevision));
  },
};

/** Writes every key again and again; returns the revision at which to compact so that `compacted` versions go. */
async function writeHistory(port: number, { keys, revisions, compacted }: PauseSizes): Promise<number> {
  const [rounds, compactedRounds] = [revisions / keys, compacted / keys];
  if (!Number.isInteger(rounds) || !Number.isInteger(compactedRounds) || compactedRounds >= rounds) {
    throw new Error(
      `${revisions} versions of ${keys} keys, ${compacted} to go: each key needs as many, and one has to stay`,
    );
  }
  return withClients(port, 1, async (clients) => {
    const [client] = clients as [Client];
    let compactRevision = 0;
    for (let round = 0; round < rounds; round++) {
      await preload(port, { keys: KEYS, count: keys, valueBytes: VALUE_BYTES, seed: round });
      if (round === compactedRounds) compactRevision = await client.revision();
    }
    return compactRevision;
  });
}

function operations({ keys, baselineMs }: PauseSizes, compactRevision: number): Operation[] {
  return [
    { name: IDLE, run: () => new Promise((resolve) => setTimeout(resolve, baselineMs)) },
    {
      name: `LIST of ${keys / 1000}k keys`,
      run: async (client) => {
        const { messages, bytes } = await client.drain(PATH.range, encodeRangeRequest(KEYS.range));
        if (messages !== 1 || bytes < keys * VALUE_BYTES) throw new Error(`a LIST of ${bytes} bytes`);
      },
    },
    {
      name: 'Txn of two such LISTs',
      run: async (client) => {
        const range = { requestRange: KEYS.range };
        const { bytes } = await client.drain(PATH.txn, encodeTxnRequest({ success: [range, range] }));
        if (bytes < 2 * keys * VALUE_BYTES) throw new Error(`a Txn of two LISTs of ${bytes} bytes`);
      },
    },
    { name: 'HashKV', run: (client) => atLeast(client, PATH.hashKv, encodeHashKVRequest({}), 1) },
    {
      name: 'Snapshot',
      run: (client) => atLeast(client, PATH.snapshot, encodeSnapshotRequest({}), keys * VALUE_BYTES),
    },
    { name: 'compaction', run: (client) => client.compact({ revision: compactRevision, physical: true }) },
    { name: 'Defragment', run: (client) => atLeast(client, PATH.defragment, encodeDefragmentRequest({}), 0) },
  ];
}

async function atLeast(client: Client, path: string, request: Uint8Array, bytesMin: number): Promise<void> {
  const { messages, bytes } = await client.drain(path, request);
  if (messages === 0 || bytes < bytesMin)
    throw new Error(`${path}: ${messages} messages of ${bytes} bytes, expected at least ${bytesMin}`);
}

function run(server: Server, list: readonly Operation[]): Promise<Measurement[]> {
  return withClients(server.port, 3, async (clients) => {
    const [client, putter, ranger] = clients as [Client, Client, Client];
    await putter.put({ key: PROBED, value: PROBED });
    const measurements: Measurement[] = [];
    for (const operation of list) {
      const probes = { over: false };
      const work = async (): Promise<Waits> => {
        const probing = Promise.all([
          probe(putter, PATH.put, encodePutRequest({ key: PROBED, value: PROBED }), probes),
          probe(ranger, PATH.range, encodeRangeRequest({ key: PROBED }), probes),
        ]);
        const [tookMs, [puts, ranges]] = await Promise.all([timed(operation, client, probes), probing]);
        return { tookMs, puts, ranges };
      };
      const [waits, loop] = await server.loopDuring(work);
      measurements.push(...figures(operation.name, waits, loop));
    }
    return measurements;
  });
}

interface Waits {
  readonly tookMs: number;
  readonly puts: Latencies;
  readonly ranges: Latencies;
}

async function timed(operation: Operation, client: Client, probes: { over: boolean }): Promise<number> {
  try {
    await pause(MARGIN_MS);
    const startMs = performance.now();
    await operation.run(client);
    const tookMs = performance.now() - startMs;
    await pause(MARGIN_MS);
    return tookMs;
  } finally {
    probes.over = true;
  }
}

function figures(name: string, { tookMs, puts, ranges }: Waits, loop: LoopFigures | undefined): Measurement[] {
  const less = (what: string, value: number): Measurement => ({
    name: `${name}: ${what}`,
    unit: 'ms',
    better: 'less',
    value,
  });
  const list: Measurement[] = [];
  if (loop !== undefined) {
    list.push(
      less('longest pause of the loop', loop.maxMs),
      less('longest pause less waiting for a CPU', loop.ownMaxMs),
      less('longest garbage collection', loop.collectionMaxMs),
      less('waited for a CPU', loop.cpuWaitMs),
    );
  }
  list.push(
    { ...less('slowest put', puts.maxMs), headline: name !== IDLE },
    less('slowest range', ranges.maxMs),
    less('took', tookMs),
  );
  return list;
}

/** One request after the other, with a short rest in between, until `probes.over`. */
async function probe(
  client: Client,
  path: string,
  message: Uint8Array,
  probes: { readonly over: boolean },
): Promise<Latencies> {
  const latencies = new Latencies();
  while (!probes.over) {
    const sentMs = performance.now();
    await client.unary(path, message);
    latencies.recordMs(performance.now() - sentMs);
    await pause(PROBE_INTERVAL_MS);
  }
  return latencies;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
