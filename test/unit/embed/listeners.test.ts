import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseUrlAddress } from '../../../src/config/url-address.ts';
import type { ServerConfig } from '../../../src/config/server-config.ts';
import { Listeners } from '../../../src/embed/listeners.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
let listeners: Listeners;

beforeEach(async () => {
  const config: Pick<ServerConfig, 'listenClientUrls' | 'listenClientHttpUrls' | 'listenMetricsUrls'> = {
    listenClientUrls: [parseUrlAddress('http://127.0.0.1:0')],
    listenClientHttpUrls: [],
    listenMetricsUrls: [],
  };
  listeners = await Listeners.bind(config as ServerConfig, undefined, quiet);
});

afterEach(() => listeners.close());

/** A client that has said enough for the server to know what it speaks. */
async function client(): Promise<Socket> {
  const socket = connect(listeners.clientPorts[0] ?? 0, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET /health HTTP/1.1\r\n\r\n');
  await sleep(50);
  return socket;
}

function open(): Socket[] {
  const accepted: Socket[] = [];
  const sink = { accept: (socket: Socket) => void accepted.push(socket) };
  listeners.open({ grpc: sink, http: sink, metrics: sink });
  return accepted;
}

// Found by `npm run faults -- --seed 2 --round 15`: connections to a member that was about to start were reset.
test('a client that resets its connection before the server serves ends nothing', async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.prependOnceListener('uncaughtException', note);
  const gone = await client();
  const patient = await client();
  gone.resetAndDestroy();
  await sleep(100);
  process.off('uncaughtException', note);
  expect(uncaught).toEqual([]);
  const accepted = open();
  expect(accepted.map(({ remotePort }) => remotePort)).toEqual([patient.localPort]);
  for (const socket of accepted) expect(socket.listenerCount('error')).toBe(0);
  patient.destroy();
});

test('what arrives while the server starts is served when it does', async () => {
  const waiting = await client();
  const accepted = open();
  expect(accepted).toHaveLength(1);
  expect(accepted[0]?.read()?.toString()).toBe('GET /health HTTP/1.1\r\n\r\n');
  waiting.destroy();
});
