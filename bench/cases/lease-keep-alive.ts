/** Keep-alives on one stream for each lease, each sent when the last was answered. */
import { decodeLeaseKeepAliveResponse, encodeLeaseKeepAliveRequest } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import type { CallHandler, ClientStream } from '../load/client-stream.ts';
import { CallError, type Client, PATH } from '../load/client.ts';
import { grpcFrame } from '../load/grpc-frame.ts';
import { Latencies } from '../load/latencies.ts';
import { withClients } from './clients.ts';

const CONNECTIONS = 10;
const TTL_SECONDS = 600;

export const leaseKeepAliveCase: BenchCase = {
  name: 'lease-keep-alive',
  title: `keep-alives, one stream for each of 100 leases, ${CONNECTIONS} connections`,
  run: async (context) => {
    const server = await context.start();
    return withClients(server.port, CONNECTIONS, (clients) => run(context, clients));
  },
};

async function run({ sizes }: CaseContext, clients: readonly Client[]): Promise<Measurement[]> {
  const times = { fromMs: performance.now() + sizes.warmupMs, toMs: 0 };
  times.toMs = times.fromMs + sizes.loadMs;
  const latencies = new Latencies();
  const leases = Array.from({ length: sizes.leases }, async (_, i) => {
    const client = clients[i % clients.length] as Client;
    const id = await client.leaseGrant({ TTL: TTL_SECONDS });
    await new Promise<void>((resolve, reject) => {
      new KeptLease(client, id, times, latencies, resolve, reject).send();
    });
  });
  await Promise.all(leases);
  return [
    { name: 'rate', unit: '/s', better: 'more', value: latencies.count / (sizes.loadMs / 1000), headline: true },
    { name: 'p50', unit: 'ms', better: 'less', value: latencies.percentileMs(50) },
    { name: 'p99', unit: 'ms', better: 'less', value: latencies.percentileMs(99) },
  ];
}

class KeptLease implements CallHandler {
  readonly collect = true;
  readonly #client: Client;
  readonly #id: bigint;
  readonly #request: Uint8Array;
  readonly #times: { readonly fromMs: number; readonly toMs: number };
  readonly #latencies: Latencies;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  readonly #stream: ClientStream;
  #sentMs = 0;

  constructor(
    client: Client,
    id: bigint,
    times: { readonly fromMs: number; readonly toMs: number },
    latencies: Latencies,
    resolve: () => void,
    reject: (error: Error) => void,
  ) {
    this.#client = client;
    this.#id = id;
    this.#request = grpcFrame(encodeLeaseKeepAliveRequest({ ID: id }));
    this.#times = times;
    this.#latencies = latencies;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#stream = client.open(PATH.leaseKeepAlive, this);
  }

  send(): void {
    this.#sentMs = performance.now();
    this.#client.connection.send(this.#stream, this.#request);
  }

  onMessage(message: Uint8Array): void {
    const { ID, TTL } = decodeLeaseKeepAliveResponse(message);
    if (ID !== this.#id || TTL !== TTL_SECONDS) {
      this.#reject(new Error(`kept lease ${ID} alive for ${TTL} s, not ${this.#id} for ${TTL_SECONDS} s`));
      return;
    }
    const nowMs = performance.now();
    if (nowMs >= this.#times.fromMs && nowMs < this.#times.toMs) this.#latencies.recordMs(nowMs - this.#sentMs);
    if (nowMs < this.#times.toMs) {
      this.send();
      return;
    }
    this.#client.connection.cancel(this.#stream);
    this.#resolve();
  }

  onEnd(status: number, text: string): void {
    this.#reject(new CallError(PATH.leaseKeepAlive, status, text));
  }
}
