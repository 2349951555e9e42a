import http2, { type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { EtcdError } from '../../../src/base/etcd-error.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import { UnaryClient, type UnaryCall } from '../../../src/rpc/unary-client.ts';
import { CertificateFolder } from '../../support/certificates.ts';

type Answer = (stream: ServerHttp2Stream, request: Buffer) => void;

const CALL: UnaryCall = { path: '/test.Test/Echo', request: Uint8Array.of(1, 2, 3), timeoutMs: 5000 };
const OK = { ':status': 200, 'content-type': 'application/grpc' };

let answer: Answer;
let connections = 0;
let server: Http2Server | undefined;
let client = new UnaryClient({ clock: new NodeClock() });

afterEach(async () => {
  client.close();
  await stop();
  client = new UnaryClient({ clock: new NodeClock() });
  connections = 0;
});

async function serve(secure?: { readonly cert: string; readonly key: string }): Promise<string> {
  const created = secure === undefined ? http2.createServer() : http2.createSecureServer(secure);
  server = created;
  created.on('session', () => connections++);
  created.on('stream', (stream) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => answer(stream, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve));
  const { port } = created.address() as AddressInfo;
  return `${secure === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
}

async function stop(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (server === undefined) resolve();
  else server.close(() => resolve());
  await promise;
  server = undefined;
}

const echo: Answer = (stream, request) => {
  stream.respond(OK, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(request);
};

const refuse =
  (status: string, message: string): Answer =>
  (stream) =>
    stream.respond({ ...OK, 'grpc-status': status, 'grpc-message': message }, { endStream: true });

describe('unary calls', () => {
  test('are answered, several on one connection', async () => {
    answer = echo;
    const url = await serve();
    const answers = await Promise.all([client.call(url, CALL), client.call(`${url}/`, CALL)]);
    expect(answers.map((bytes) => [...bytes])).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect([...(await client.call(url, { ...CALL, request: new Uint8Array() }))]).toEqual([]);
    expect(connections).toBe(1);
  });

  test('carry metadata', async () => {
    let token: unknown;
    answer = (stream, request) => echo(stream, request);
    const url = await serve();
    server?.on('stream', (_stream, headers) => (token = headers['token']));
    await client.call(url, { ...CALL, metadata: { token: 'abc.1' } });
    expect(token).toBe('abc.1');
  });

  test('reject with the error that is answered', async () => {
    answer = refuse('3', 'etcdserver: user name is empty%21');
    const call = client.call(await serve(), CALL);
    await expect(call).rejects.toBeInstanceOf(EtcdError);
    await expect(call).rejects.toMatchObject({ code: 3, message: 'etcdserver: user name is empty!' });
  });

  test.each<[string, Answer, RegExp]>([
    ['another status', (stream) => stream.respond({ ':status': 502 }, { endStream: true }), /status 502/],
    ['an end without status', (stream) => stream.close(), /no answer/],
    [
      'a message that is cut short',
      (stream) => {
        stream.respond(OK, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 9, 1]));
      },
      /cut short/,
    ],
    [
      'a message without end',
      (stream) => {
        stream.respond(OK);
        stream.write(Buffer.alloc(2 << 20));
      },
      /more than 1048576 bytes/,
    ],
  ])('reject at %s', async (_what, how, expected) => {
    answer = how;
    await expect(client.call(await serve(), CALL)).rejects.toThrow(expected);
  });

  test('reject when no answer comes', async () => {
    answer = () => {};
    await expect(client.call(await serve(), { ...CALL, timeoutMs: 100 })).rejects.toThrow('no answer after 100 ms');
  });

  test('reject where nobody listens, and work again once somebody does', async () => {
    answer = echo;
    const url = await serve();
    await client.call(url, CALL);
    const { port } = new URL(url);
    client.close();
    await stop();
    await expect(client.call(url, CALL)).rejects.toThrow(/ECONNREFUSED/);
    const again = http2.createServer();
    server = again;
    again.on('stream', (stream) => echo(stream, Buffer.from([0, 0, 0, 0, 1, 7])));
    await new Promise<void>((resolve) => again.listen(Number(port), '127.0.0.1', resolve));
    expect([...(await client.call(url, CALL))]).toEqual([7]);
  });
});

describe('with TLS', () => {
  const folder = new CertificateFolder();
  let own: { cert: string; key: string };
  let ca = '';

  beforeAll(async () => {
    const authority = await folder.authority('ours');
    own = await authority.issue('server', { hosts: ['127.0.0.1'] });
    ca = authority.cert;
  });
  afterAll(() => folder.remove());

  test('servers with a certificate of a known authority are asked, others are not', async () => {
    answer = echo;
    const url = await serve(own);
    await expect(client.call(url, CALL)).rejects.toThrow(/certificate|issuer/);
    client.close();
    client = new UnaryClient({ clock: new NodeClock(), tls: () => ({ ca }) });
    expect([...(await client.call(url, CALL))]).toEqual([1, 2, 3]);
  });
});
