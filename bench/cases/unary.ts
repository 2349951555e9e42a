/** Put and range of one key for each connection, by h2load. */
import { encodePutRequest, encodeRangeRequest } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import { Client, PATH } from '../load/client.ts';
import { GRPC_PREFIX_BYTES, grpcFrame } from '../load/grpc-frame.ts';
import { h2load } from '../load/h2load.ts';
import { unaryLoad } from '../load/h2load-output.ts';
import { KeySpace, seededRandom, VALUE_BYTES, valueOf } from '../load/workload.ts';
import { percentile } from '../statistics.ts';
import { requestsFor, settled } from './settle.ts';

interface Shape {
  readonly connections: number;
  readonly streams: number;
}

const SHAPES: readonly Shape[] = [
  { connections: 1, streams: 1 },
  { connections: 10, streams: 1 },
  { connections: 10, streams: 50 },
];

const KEYS = new KeySpace('/bench/unary/');

export const unaryCases: readonly BenchCase[] = (['put', 'range'] as const).flatMap((operation) =>
  SHAPES.map((shape) => unaryCase(operation, shape)),
);

function unaryCase(operation: 'put' | 'range', shape: Shape): BenchCase {
  const { connections, streams } = shape;
  return {
    name: `${operation}-${connections}x${streams}`,
    title: `${operation}, ${connections} connection${connections > 1 ? 's' : ''} x ${streams} stream${streams > 1 ? 's' : ''}`,
    run: (context) => run(context, operation, shape),
  };
}

async function run(context: CaseContext, operation: 'put' | 'range', shape: Shape): Promise<Measurement[]> {
  const server = await context.start();
  const client = await Client.open(server.port);
  const value = valueOf(VALUE_BYTES, seededRandom(1));
  const keys = Array.from({ length: shape.connections }, (_, i) => KEYS.key(i));
  for (const key of keys) await client.put({ key, value });
  const messages = keys.map((key) =>
    operation === 'put' ? encodePutRequest({ key, value }) : encodeRangeRequest({ key }),
  );
  const load = {
    port: server.port,
    path: PATH[operation],
    bodies: messages.map(grpcFrame),
    streamsPerConnection: shape.streams,
    dir: context.dir,
  };

  const warmup = await h2load({ ...load, amount: { durationMs: context.sizes.warmupMs } });
  const before = await settled(client);
  const sample = await client.unary(PATH[operation], messages[0] as Uint8Array);
  const written = operation === 'put' ? 1 : 0;
  const requestsPerConnection = requestsFor(warmup, shape, context.sizes.loadMs);
  const cpuBefore = await server.cpuSeconds();
  const { connections } = await h2load({ ...load, amount: { requestsPerConnection } });
  const cpuSeconds = (await server.cpuSeconds()) - cpuBefore;

  const total = requestsPerConnection * shape.connections;
  const expected = { total, replyBytes: sample.length, revision: before + written };
  const dataBytes = connections.reduce((sum, { summary }) => sum + summary.dataBytes, 0);
  checkReplies(operation, expected, dataBytes, await client.revision());
  client.close();
  const { perSecond, latenciesMs } = unaryLoad(connections.map(({ log }) => log));
  return [
    { name: 'rate', unit: '/s', better: 'more', value: perSecond, headline: true },
    { name: 'p50', unit: 'ms', better: 'less', value: percentile(latenciesMs, 50) },
    { name: 'p99', unit: 'ms', better: 'less', value: percentile(latenciesMs, 99) },
    { name: 'server CPU per request', unit: 'µs', better: 'less', value: (cpuSeconds / total) * 1e6 },
  ];
}

interface Expected {
  readonly total: number;
  /** Of the one reply that was looked at, which told `revision`. */
  readonly replyBytes: number;
  readonly revision: number;
}

/** h2load does not look at grpc-status; an error has no message, though, so the bytes must be exactly those of `total` answers. */
function checkReplies(operation: 'put' | 'range', expected: Expected, dataBytes: number, revision: number): void {
  const { total, replyBytes } = expected;
  const revisionAfter = expected.revision + (operation === 'put' ? total : 0);
  if (revision !== revisionAfter) throw new Error(`revision ${revision} after the load, not ${revisionAfter}`);
  let expectedBytes = total * (GRPC_PREFIX_BYTES + replyBytes);
  if (operation === 'put') {
    for (let i = 1; i <= total; i++)
      expectedBytes += varintBytes(expected.revision + i) - varintBytes(expected.revision);
  }
  if (dataBytes !== expectedBytes)
    throw new Error(`${dataBytes} bytes of replies, not ${expectedBytes}: some were errors`);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest /= 128) bytes++;
  return bytes;
}
