/** The writes of a Kubernetes API server: create, and update guarded by the revision that was read last; 1 kB objects. */
import { decodeTxnResponse, encodeTxnRequest } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import { type Client, PATH } from '../load/client.ts';
import { runClosedLoop, type LoadRequest } from '../load/closed-loop.ts';
import { grpcFrame } from '../load/grpc-frame.ts';
import { guardedPut, KeySpace, OBJECT_BYTES, seededRandom, valueOf } from '../load/workload.ts';
import { withClients } from './clients.ts';

const CONNECTIONS = 10;
const STREAMS = 50;
const SLOTS = CONNECTIONS * STREAMS;
const OBJECTS = new KeySpace('/registry/configmaps/default/object-');
const OBJECT = valueOf(OBJECT_BYTES, seededRandom(3));

type Requests = (slot: number) => LoadRequest<'txn'>;

export const kubernetesTxnCases: readonly BenchCase[] = [
  {
    name: 'txn-create-10x50',
    title: `txn that creates an object of 1 kB, ${CONNECTIONS} connections x ${STREAMS} streams`,
    run: (context) => run(context, () => Promise.resolve(creations())),
  },
  {
    name: 'txn-update-10x50',
    title: `txn that updates an object of 1 kB if it is unchanged, ${CONNECTIONS} connections x ${STREAMS} streams`,
    run: (context) => run(context, updates),
  },
];

async function run(context: CaseContext, prepare: (client: Client) => Promise<Requests>): Promise<Measurement[]> {
  const { sizes } = context;
  const server = await context.start();
  return withClients(server.port, CONNECTIONS, async (clients) => {
    const [client] = clients as [Client];
    const next = await prepare(client);
    const before = await client.revision();
    const { perSecond, latencies, replies } = await runClosedLoop({
      connections: clients.map(({ connection }) => connection),
      streamsPerConnection: STREAMS,
      warmupMs: sizes.warmupMs,
      durationMs: sizes.loadMs,
      kinds: ['txn'],
      next,
    });
    const after = await client.revision();
    if (after !== before + replies.txn) throw new Error(`revision ${after}, not ${before} + ${replies.txn} txns`);
    return [
      { name: 'rate', unit: '/s', better: 'more', value: perSecond, headline: true },
      { name: 'p50', unit: 'ms', better: 'less', value: latencies.txn.percentileMs(50) },
      { name: 'p99', unit: 'ms', better: 'less', value: latencies.txn.percentileMs(99) },
    ];
  });
}

/** The revision that a reply tells; a guard that failed is an error: nobody else writes these objects. */
function revisionOf(reply: Uint8Array): number {
  const { succeeded, header } = decodeTxnResponse(reply);
  if (!succeeded || header === undefined) throw new Error('a guarded write found another revision than it had written');
  return header.revision;
}

function creations(): Requests {
  let next = 0;
  return () => {
    const body = grpcFrame(encodeTxnRequest(guardedPut(OBJECTS.key(next++), OBJECT, 0)));
    return { kind: 'txn', path: PATH.txn, body, check: revisionOf };
  };
}

/** Each slot updates an object of its own. */
async function updates(client: Client): Promise<Requests> {
  const keys = Array.from({ length: SLOTS }, (_, slot) => OBJECTS.key(slot));
  const created = await Promise.all(keys.map((key) => client.put({ key, value: OBJECT })));
  const revisions = created.map(({ header }) => header?.revision ?? 0);
  return (slot) => {
    const request = guardedPut(keys[slot] as Uint8Array, OBJECT, revisions[slot] as number);
    const check = (reply: Uint8Array): void => {
      revisions[slot] = revisionOf(reply);
    };
    return { kind: 'txn', path: PATH.txn, body: grpcFrame(encodeTxnRequest(request)), check };
  };
}
