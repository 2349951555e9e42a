/** Distributed tracing: what a collector gets, and that nothing depends on it. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, NO_ETCD, startEtcd } from '../support/real-etcd.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { TraceCollector } from '../support/trace-collector.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 120_000 });
const hasEtcd = etcdBinDir() !== undefined;
if (!hasEtcd) console.warn(`skipped with etcd: ${NO_ETCD}`);
const PARENT = '0af7651916cd43dd8448eb211c80319c';

// What is loaded only for tracing must be found from a bundle, too.
withBundleForFile();

const started: { stop(): Promise<void> | void }[] = [];
afterAll(async () => {
  await Promise.all(started.splice(0).map(async (server) => server.stop()));
});

/** Under their former names: every release knows those. */
function flags(address: string, perMillion: number): string[] {
  const prefix = '--experimental-distributed-tracing';
  return [
    '--experimental-enable-distributed-tracing',
    `${prefix}-address=${address}`,
    `${prefix}-instance-id=m1`,
    `${prefix}-sampling-rate=${perMillion}`,
  ];
}

async function serve(kind: 'etcd' | 'quorate', address: string, perMillion: number) {
  const options = { flags: flags(address, perMillion), readyTimeoutMs: 60_000 };
  const server = await (kind === 'etcd' ? startEtcd : startQuorate)(options);
  const client = new RawClient(server.endpoint);
  started.push(server, { stop: () => client.close() });
  return { server, client };
}

async function collector(): Promise<TraceCollector> {
  const collecting = await TraceCollector.start();
  started.push(collecting);
  return collecting;
}

const get = (client: RawClient, key: string, metadata: Record<string, string> = {}): Promise<unknown> =>
  client.unary('etcdserverpb.KV', 'Range', { key }, { metadata });

// What takes time is that spans leave in batches, every five seconds.
describe.concurrent.each(hasEtcd ? (['etcd', 'quorate'] as const) : (['quorate'] as const))('%s', (kind) => {
  test('a span per call, with its parent, its status and who served it', async () => {
    const collecting = await collector();
    const { client } = await serve(kind, collecting.address, 1_000_000);
    await client.put({ key: 'a', value: 'b' });
    await expect(client.put({ key: '', value: 'b' })).rejects.toThrow('key is not provided');
    await get(client, 'a', { traceparent: `00-${PARENT}-b7ad6b7169203331-01`, tracestate: 'x=y' });
    await get(client, 'a', { traceparent: `00-${PARENT.replace('0', '1')}-b7ad6b7169203331-00` });
    const watch = client.watch();
    watch.send({ create_request: { key: 'a' } });
    await watch.next();
    watch.cancel();
    await until('four spans', () => Promise.resolve(collecting.spans.length >= 4));
    expect(collecting.spans.map(({ name }) => name).sort()).toEqual([
      'etcdserverpb.KV/Put',
      'etcdserverpb.KV/Put',
      'etcdserverpb.KV/Range',
      'etcdserverpb.Watch/Watch',
    ]);
    for (const span of collecting.spans) {
      expect(span).toMatchObject({
        kind: 2,
        status: { code: 0 },
        resource: { 'service.name': 'etcd', 'service.instance.id': 'm1' },
      });
      expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(span.durationMs).toBeGreaterThan(0);
    }
    expect(collecting.named('etcdserverpb.KV/Range')).toMatchObject([
      { traceId: PARENT, parentSpanId: 'b7ad6b7169203331', traceState: 'x=y' },
    ]);
    if (kind === 'quorate') {
      expect(collecting.named('etcdserverpb.KV/Put').map(({ attributes }) => attributes)).toEqual(
        ['0', '3'].map((code) => ({
          'rpc.system': 'grpc',
          'rpc.service': 'etcdserverpb.KV',
          'rpc.method': 'Put',
          'net.sock.peer.addr': '127.0.0.1',
          'net.sock.peer.port': expect.stringMatching(/^\d+$/) as string,
          'rpc.grpc.status_code': code,
        })),
      );
    }
  });

  test('without a rate of its own, only what the client traces', async () => {
    const collecting = await collector();
    const { client } = await serve(kind, collecting.address, 0);
    for (let i = 0; i < 5; i++) await get(client, 'a');
    await get(client, 'a', { traceparent: `00-${PARENT}-b7ad6b7169203331-01` });
    await until('a span', () => Promise.resolve(collecting.spans.length > 0));
    expect(collecting.spans).toHaveLength(1);
    expect(collecting.spans[0]?.traceId).toBe(PARENT);
  });
});

describe('a collector that is of no use', () => {
  const REQUESTS = 6000;

  async function expectServes(server: ServerProcess, client: RawClient): Promise<void> {
    // More spans than the queue holds.
    for (let done = 0; done < REQUESTS; done += 500) {
      await Promise.all(Array.from({ length: 500 }, () => get(client, 'a')));
    }
    expect((await client.put({ key: 'a', value: 'b' })).header.revision).toBeGreaterThan(1n);
    const begunMs = performance.now();
    server.signal('SIGTERM');
    await server.exited();
    expect(performance.now() - begunMs).toBeLessThan(10_000);
  }

  test('because nobody listens there', async () => {
    const { server, client } = await serve('quorate', '127.0.0.1:1', 1_000_000);
    await expectServes(server, client);
  });

  test('because it takes connections and says nothing', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    started.push({
      stop: () => {
        for (const socket of sockets) socket.destroy();
        silent.close();
      },
    });
    const { port } = silent.address() as AddressInfo;
    const { server, client } = await serve('quorate', `127.0.0.1:${port}`, 1_000_000);
    await expectServes(server, client);
  });
});
