/** What a put waits for while large LISTs run one after the other on another connection. */
import { encodePutRequest, encodeRangeRequest } from '../../src/gen/rpc.ts';
import type { BenchCase } from '../case.ts';
import { PATH, type Client } from '../load/client.ts';
import { runClosedLoop } from '../load/closed-loop.ts';
import { grpcFrame } from '../load/grpc-frame.ts';
import { h2load } from '../load/h2load.ts';
import { preload } from '../load/preload.ts';
import { KeySpace, OBJECT_BYTES, seededRandom, valueOf } from '../load/workload.ts';
import { withClients } from './clients.ts';
import { PODS } from './list.ts';

/** Outside what is listed, so that every LIST is the same. */
const WRITTEN = new KeySpace('/registry/leases/node-');
const WRITTEN_KEYS = 100;
/** For the LISTs to be under way when the measurement begins, and still when it ends. */
const MARGIN_MS = 300;

export const putDuringListCase: BenchCase = {
  name: 'put-during-list',
  title: 'put, one after the other, while LISTs of 10,000 objects of 1 kB run',
  run: async (context) => {
    const { sizes } = context;
    const server = await context.start();
    await preload(server.port, { keys: PODS, count: sizes.listObjects, valueBytes: OBJECT_BYTES });
    const lists = h2load({
      port: server.port,
      path: PATH.range,
      body: grpcFrame(encodeRangeRequest(PODS.range)),
      connections: 1,
      streamsPerConnection: 1,
      dir: context.dir,
      amount: { durationMs: sizes.warmupMs + sizes.loadMs + 2 * MARGIN_MS },
    });
    const value = valueOf(OBJECT_BYTES, seededRandom(4));
    const bodies = Array.from({ length: WRITTEN_KEYS }, (_, i) =>
      grpcFrame(encodePutRequest({ key: WRITTEN.key(i), value })),
    );
    let next = 0;
    const puts = withClients(server.port, 1, async (clients) => {
      await new Promise((resolve) => setTimeout(resolve, MARGIN_MS));
      return runClosedLoop({
        connections: clients.map(({ connection }: Client) => connection),
        streamsPerConnection: 1,
        warmupMs: sizes.warmupMs,
        durationMs: sizes.loadMs,
        kinds: ['put'],
        next: () => ({ kind: 'put', path: PATH.put, body: bodies[next++ % WRITTEN_KEYS] as Uint8Array }),
      });
    });
    const [{ summary: listed }, { latencies }] = await Promise.all([lists, puts]);
    // Each at least its objects: less would be an error, which has no message.
    const leastBytes = listed.succeeded * sizes.listObjects * OBJECT_BYTES;
    if (listed.succeeded === 0 || listed.dataBytes < leastBytes) {
      throw new Error(`LISTs failed: ${JSON.stringify(listed)}`);
    }
    return [
      { name: 'put p50', unit: 'ms', better: 'less', value: latencies.put.percentileMs(50) },
      { name: 'put p99', unit: 'ms', better: 'less', value: latencies.put.percentileMs(99), headline: true },
      { name: 'put max', unit: 'ms', better: 'less', value: latencies.put.maxMs },
      { name: 'LISTs meanwhile', unit: '/s', better: 'more', value: listed.requestsPerSecond },
    ];
  },
};
