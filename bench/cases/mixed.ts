/** 80 reads to 20 writes of random keys; every reply's status is checked, and of one in 64 the content. */
import { decodeRangeResponse, encodePutRequest, encodeRangeRequest } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import { type Client, PATH } from '../load/client.ts';
import { runClosedLoop, type LoadRequest } from '../load/closed-loop.ts';
import { grpcFrame } from '../load/grpc-frame.ts';
import { preload } from '../load/preload.ts';
import { KeySpace, seededRandom, VALUE_BYTES, valueOf } from '../load/workload.ts';
import { withClients } from './clients.ts';

const CONNECTIONS = 10;
const STREAMS = 50;
const WRITES = 0.2;
const CHECKED_SHARE = 1 / 64;
const KEYS = new KeySpace('/bench/mixed/');

export const mixedCase: BenchCase = {
  name: 'mixed-10x50',
  title: `80 % range, 20 % put of random keys, ${CONNECTIONS} connections x ${STREAMS} streams`,
  run: async (context) => {
    const server = await context.start();
    await preload(server.port, { keys: KEYS, count: context.sizes.keys, valueBytes: VALUE_BYTES });
    return withClients(server.port, CONNECTIONS, (clients) => run(context, clients));
  },
};

async function run({ sizes }: CaseContext, clients: readonly Client[]): Promise<Measurement[]> {
  const [client] = clients as [Client];
  const before = await client.revision();
  const next = requests(sizes.keys);
  const { perSecond, latencies, replies } = await runClosedLoop({
    connections: clients.map(({ connection }) => connection),
    streamsPerConnection: STREAMS,
    warmupMs: sizes.warmupMs,
    durationMs: sizes.loadMs,
    kinds: ['put', 'range'],
    next,
  });
  const after = await client.revision();
  if (after !== before + replies.put) throw new Error(`revision ${after}, not ${before} + ${replies.put} puts`);
  return [
    { name: 'rate', unit: '/s', better: 'more', value: perSecond, headline: true },
    { name: 'range p50', unit: 'ms', better: 'less', value: latencies.range.percentileMs(50) },
    { name: 'range p99', unit: 'ms', better: 'less', value: latencies.range.percentileMs(99) },
    { name: 'put p50', unit: 'ms', better: 'less', value: latencies.put.percentileMs(50) },
    { name: 'put p99', unit: 'ms', better: 'less', value: latencies.put.percentileMs(99) },
  ];
}

function requests(keys: number): () => LoadRequest<'put' | 'range'> {
  const random = seededRandom(2);
  const value = valueOf(VALUE_BYTES, random);
  const puts = Array.from({ length: keys }, (_, i) => grpcFrame(encodePutRequest({ key: KEYS.key(i), value })));
  const ranges = Array.from({ length: keys }, (_, i) => grpcFrame(encodeRangeRequest({ key: KEYS.key(i) })));
  const check = (reply: Uint8Array): void => {
    const { kvs } = decodeRangeResponse(reply);
    if (kvs.length !== 1) throw new Error(`a range of one key found ${kvs.length}`);
  };
  return () => {
    const write = random() < WRITES;
    const body = (write ? puts : ranges)[Math.floor(random() * keys)] as Uint8Array;
    if (write) return { kind: 'put', path: PATH.put, body };
    return random() < CHECKED_SHARE
      ? { kind: 'range', path: PATH.range, body, check }
      : { kind: 'range', path: PATH.range, body };
  };
}
