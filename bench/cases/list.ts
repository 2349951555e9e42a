/** LISTs as a Kubernetes API server makes them, one after the other on one connection, by h2load. */
import { decodeRangeResponse, encodeRangeRequest, type RangeRequestInit } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import { Client, PATH } from '../load/client.ts';
import { GRPC_PREFIX_BYTES, grpcFrame } from '../load/grpc-frame.ts';
import { h2load, type H2loadRun } from '../load/h2load.ts';
import { unaryLoad } from '../load/h2load-output.ts';
import { preload } from '../load/preload.ts';
import { KeySpace, OBJECT_BYTES } from '../load/workload.ts';
import { percentile } from '../statistics.ts';
import { requestsFor } from './settle.ts';

export const PODS = new KeySpace('/registry/pods/default/pod-');
const PAGE = 500;

export const listCases: readonly BenchCase[] = [
  {
    name: 'list-page',
    title: `LIST of the first ${PAGE} of 10,000 objects of 1 kB`,
    run: (context) => run(context, PAGE),
  },
  {
    name: 'list-all',
    title: 'LIST of 10,000 objects of 1 kB',
    run: (context) => run(context, 0),
  },
];

async function run(context: CaseContext, limit: number): Promise<Measurement[]> {
  const { sizes } = context;
  const server = await context.start();
  await preload(server.port, { keys: PODS, count: sizes.listObjects, valueBytes: OBJECT_BYTES });
  const request: RangeRequestInit = { ...PODS.range, limit };
  const message = encodeRangeRequest(request);
  const client = await Client.open(server.port);
  const sample = await client.unary(PATH.range, message);
  client.close();
  const { kvs, count } = decodeRangeResponse(sample);
  const expected = limit === 0 ? sizes.listObjects : Math.min(limit, sizes.listObjects);
  if (kvs.length !== expected || count !== sizes.listObjects) {
    throw new Error(`a LIST of ${kvs.length} of ${count} objects, not of ${expected} of ${sizes.listObjects}`);
  }

  const load: H2loadRun = {
    port: server.port,
    path: PATH.range,
    body: grpcFrame(message),
    connections: 1,
    streamsPerConnection: 1,
    dir: context.dir,
    amount: { durationMs: sizes.warmupMs },
  };
  const requests = requestsFor(await h2load(load), load, sizes.loadMs);
  const { summary, log } = await h2load({ ...load, amount: { requests } });
  const expectedBytes = requests * (GRPC_PREFIX_BYTES + sample.length);
  if (summary.dataBytes !== expectedBytes) {
    throw new Error(`${summary.dataBytes} bytes of replies, not ${expectedBytes}`);
  }
  const { perSecond, latenciesMs } = unaryLoad(log);
  return [
    { name: 'rate', unit: '/s', better: 'more', value: perSecond, headline: true },
    { name: 'p50', unit: 'ms', better: 'less', value: percentile(latenciesMs, 50) },
    { name: 'p99', unit: 'ms', better: 'less', value: percentile(latenciesMs, 99) },
  ];
}
