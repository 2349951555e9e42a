/** Put and range of one key, by h2load. */
import { encodePutRequest, encodeRangeRequest } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import { Client, PATH } from '../load/client.ts';
import { GRPC_PREFIX_BYTES, grpcFrame } from '../load/grpc-frame.ts';
import { h2load, type H2loadRun } from '../load/h2load.ts';
import { unaryLoad } from '../load/h2load-output.ts';
import { seededRandom, VALUE_BYTES, valueOf } from '../load/workload.ts';
import { percentile } from '../statistics.ts';
import { requestsFor, settled } from './settle.ts';

export type Operation = 'put' | 'range';

export interface Shape {
  readonly connections: number;
  readonly streams: number;
}

const SHAPES: readonly Shape[] = [
  { connections: 1, streams: 1 },
  { connections: 10, streams: 1 },
  { connections: 10, streams: 50 },
];

export const unaryCases: readonly BenchCase[] = (['put', 'range'] as const).flatMap((operation) =>
  SHAPES.map((shape) => unaryCase(operation, shape)),
);

function unaryCase(operation: Operation, shape: Shape): BenchCase {
  return {
    name: unaryName(operation, shape),
    title: unaryTitle(operation, shape),
    run: async (context) => measureUnary(context, await context.start(), operation, shape),
  };
}

export function unaryName(operation: Operation, { connections, streams }: Shape): string {
  return `${operation}-${connections}x${streams}`;
}

export function unaryTitle(operation: Operation, { connections, streams }: Shape): string {
  return `${operation}, ${connections} connection${connections > 1 ? 's' : ''} x ${streams} stream${streams > 1 ? 's' : ''}`;
}

export interface UnaryTarget {
  readonly port: number;
  cpuSeconds(): Promise<number>;
}

export async function measureUnary(
  context: CaseContext,
  server: UnaryTarget,
  operation: Operation,
  shape: Shape,
): Promise<Measurement[]> {
  const client = await Client.open(server.port);
  const key = new TextEncoder().encode('/bench/unary');
  const value = valueOf(VALUE_BYTES, seededRandom(1));
  await client.put({ key, value });
  const message = operation === 'put' ? encodePutRequest({ key, value }) : encodeRangeRequest({ key });
  const isSequential = shape.connections * shape.streams === 1;
  const load: H2loadRun = {
    port: server.port,
    path: PATH[operation],
    body: grpcFrame(message),
    connections: shape.connections,
    streamsPerConnection: shape.streams,
    dir: context.dir,
    amount: { durationMs: isSequential ? context.sizes.sequentialWarmupMs : context.sizes.warmupMs },
  };

  const warmup = await h2load(load);
  await settled(client);
  const sample = await client.unary(PATH[operation], message);
  const revision = await client.revision();
  const requests = requestsFor(warmup, load, context.sizes.loadMs);
  const cpuBefore = await server.cpuSeconds();
  const { summary, log } = await h2load({ ...load, amount: { requests } });
  const cpuSeconds = (await server.cpuSeconds()) - cpuBefore;

  const expected = { total: requests, replyBytes: sample.length, revision };
  checkReplies(operation, expected, summary.dataBytes, await client.revision());
  client.close();
  const { perSecond, latenciesMs } = unaryLoad(log);
  const cold: Measurement = {
    name: 'p99 while warming up',
    unit: 'ms',
    better: 'less',
    value: percentile(unaryLoad(warmup.log).latenciesMs, 99),
  };
  return [
    { name: 'rate', unit: '/s', better: 'more', value: perSecond, headline: true },
    { name: 'p50', unit: 'ms', better: 'less', value: percentile(latenciesMs, 50) },
    { name: 'p99', unit: 'ms', better: 'less', value: percentile(latenciesMs, 99) },
    ...(isSequential ? [cold] : []),
    { name: 'server CPU per request', unit: 'µs', better: 'less', value: (cpuSeconds / requests) * 1e6 },
  ];
}

interface Expected {
  readonly total: number;
  /** Of the one reply that was looked at, which told `revision`. */
  readonly replyBytes: number;
  readonly revision: number;
}

/** h2load does not look at grpc-status; an error has no message, though, so the bytes must be exactly those of `total` answers. */
function checkReplies(operation: Operation, expected: Expected, dataBytes: number, revision: number): void {
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
