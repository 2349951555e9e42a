/** One key written, many watchers of it: how many events per second reach them, and how old an event is on arrival. */
import { decodeEvent, decodeKeyValue } from '../../src/gen/mvccpb.ts';
import { decodeWatchResponse, encodePutRequest, encodeWatchRequest } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import type { CallHandler } from '../load/client-stream.ts';
import { CallError, type Client, PATH } from '../load/client.ts';
import { Latencies } from '../load/latencies.ts';
import { KeySpace, VALUE_BYTES } from '../load/workload.ts';
import { withClients } from './clients.ts';

const WATCH_CONNECTIONS = 10;
const PUTS_UNDER_WAY = 16;
const PUTS_MIN = 50;
const PUTS_MAX = 20_000;
/** Events per second to all watchers together while latency is measured: what both servers do without a backlog. */
const PACED_EVENTS_PER_SECOND = 5000;
const PACED_PUTS_PER_SECOND_MAX = 200;
const ARRIVAL_DEADLINE_MS = 60_000;

const KEY = new KeySpace('/bench/watched/').key(0);

export function watchFanOutCase(watchers: number): BenchCase {
  return {
    name: `watch-${watchers}`,
    title: `events of one key to ${watchers.toLocaleString('en')} watcher${watchers > 1 ? 's' : ''}`,
    run: async (context) => {
      const server = await context.start();
      return withClients(server.port, 1 + Math.min(watchers, WATCH_CONNECTIONS), (clients) =>
        run(context, clients, watchers),
      );
    },
  };
}

async function run({ sizes }: CaseContext, clients: readonly Client[], count: number): Promise<Measurement[]> {
  const [writer, ...readers] = clients as [Client, ...Client[]];
  const arrivals = new Arrivals();
  const watchers = Array.from({ length: count }, (_, i) => {
    return new Watcher(readers[i % readers.length] as Client, arrivals);
  });
  await Promise.all(watchers.map((watcher) => watcher.created));

  const puts = Math.min(PUTS_MAX, Math.max(PUTS_MIN, Math.round(sizes.fanOutEvents / count)));
  // The warm-up: at a fixed low rate nothing would be called often enough.
  await burst(writer, arrivals, count, puts);
  const latencies = await paced(writer, arrivals, count, sizes.warmupMs + sizes.loadMs);
  const perSecond = await burst(writer, arrivals, count, puts);
  return [
    { name: 'rate of events', unit: '/s', better: 'more', value: perSecond, headline: true },
    { name: 'event p50', unit: 'ms', better: 'less', value: latencies.percentileMs(50) },
    { name: 'event p99', unit: 'ms', better: 'less', value: latencies.percentileMs(99) },
  ];
}

/** Puts at a fixed rate; the age of each event at each watcher. */
async function paced(writer: Client, arrivals: Arrivals, watchers: number, durationMs: number): Promise<Latencies> {
  const perSecond = Math.min(PACED_PUTS_PER_SECOND_MAX, Math.max(1, PACED_EVENTS_PER_SECOND / watchers));
  const intervalMs = 1000 / perSecond;
  const puts = Math.max(3, Math.floor(durationMs / intervalMs));
  const latencies = new Latencies();
  const all = arrivals.expect(puts * watchers, (sequence, nowMs) =>
    latencies.recordMs(nowMs - (sentMs[sequence] ?? NaN)),
  );
  const sentMs: number[] = [];
  const startMs = performance.now();
  const replies: Promise<unknown>[] = [];
  for (let i = 0; i < puts; i++) {
    const dueMs = startMs + i * intervalMs;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    sentMs.push(performance.now());
    replies.push(write(writer, i));
  }
  await Promise.all([all, ...replies]);
  return latencies;
}

/** Puts as fast as they go; events per second until the last one has arrived. */
async function burst(writer: Client, arrivals: Arrivals, watchers: number, puts: number): Promise<number> {
  const events = puts * watchers;
  const all = arrivals.expect(events, () => {});
  let next = 0;
  const startMs = performance.now();
  const write1 = async (): Promise<void> => {
    while (next < puts) await write(writer, next++);
  };
  await Promise.all([all, ...Array.from({ length: PUTS_UNDER_WAY }, write1)]);
  return (events / (performance.now() - startMs)) * 1000;
}

/** The value begins with the number of the put in its part of the run. */
async function write(writer: Client, sequence: number): Promise<void> {
  const value = Buffer.alloc(VALUE_BYTES, 0x78);
  value.writeUInt32BE(sequence);
  await writer.unary(PATH.put, encodePutRequest({ key: KEY, value }));
}

/** The events that all watchers together wait for. */
class Arrivals {
  #missing = 0;
  #onEvent: (sequence: number, nowMs: number) => void = () => {};
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  expect(events: number, onEvent: (sequence: number, nowMs: number) => void): Promise<void> {
    this.#missing = events;
    this.#onEvent = onEvent;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.#missing} of ${events} events did not arrive`));
      }, ARRIVAL_DEADLINE_MS);
      this.#settle = {
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  }

  arrived(sequence: number, nowMs: number): void {
    this.#onEvent(sequence, nowMs);
    this.#missing--;
    if (this.#missing === 0) this.#settle?.resolve();
    else if (this.#missing < 0) this.fail(new Error('more events than puts'));
  }

  fail(error: Error): void {
    this.#settle?.reject(error);
  }
}

/** One watch on a stream of its own: each event once, in order. */
class Watcher implements CallHandler {
  readonly collect = true;
  readonly created: Promise<void>;
  readonly #arrivals: Arrivals;
  #modRevision = 0;
  #onCreated: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(client: Client, arrivals: Arrivals) {
    this.#arrivals = arrivals;
    this.created = new Promise((resolve, reject) => {
      this.#onCreated = { resolve, reject };
    });
    const stream = client.open(PATH.watch, this);
    client.send(stream, encodeWatchRequest({ createRequest: { key: KEY } }));
  }

  onMessage(message: Uint8Array): void {
    const { created, canceled, events } = decodeWatchResponse(message);
    if (canceled) this.#fail(new Error('a watch was cancelled'));
    if (created) this.#onCreated?.resolve();
    const nowMs = performance.now();
    for (const bytes of events) {
      const { kv } = decodeEvent(bytes);
      if (kv === undefined) throw new Error('an event without a key');
      const { value, modRevision } = decodeKeyValue(kv);
      if (modRevision <= this.#modRevision) throw new Error(`revision ${modRevision} after ${this.#modRevision}`);
      this.#modRevision = modRevision;
      this.#arrivals.arrived(Buffer.from(value.buffer, value.byteOffset, 4).readUInt32BE(0), nowMs);
    }
  }

  onEnd(status: number, text: string): void {
    this.#fail(new CallError(PATH.watch, status, text));
  }

  #fail(error: Error): void {
    this.#onCreated?.reject(error);
    this.#arrivals.fail(error);
  }
}
