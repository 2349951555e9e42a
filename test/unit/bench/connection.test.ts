import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { CallError, Client } from '../../../bench/load/client.ts';
import { runClosedLoop } from '../../../bench/load/closed-loop.ts';
import { grpcFrame } from '../../../bench/load/grpc-frame.ts';

type Handler = (stream: ServerHttp2Stream, body: Buffer, path: string) => void;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A server on node:http2 that hands each request's whole body to `handler`. */
async function serve(handler: Handler): Promise<number> {
  const server: Http2Server = createServer();
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => {});
    stream.on('end', () => handler(stream, Buffer.concat(chunks), headers[':path'] ?? ''));
  });
  server.on('session', (session) => cleanups.push(() => session.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function open(port: number): Promise<Client> {
  const client = await Client.open(port);
  cleanups.push(() => client.close());
  return client;
}

/** Answers with `chunks` as DATA frames of their own, then with trailers. */
function answer(stream: ServerHttp2Stream, status: string, ...chunks: readonly Uint8Array[]): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, 'grpc-message': '' }));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
}

const echo: Handler = (stream, body) => answer(stream, '0', body);

describe('a call', () => {
  test('sends its message and gets the answer, again and again on one connection', async () => {
    const paths: string[] = [];
    const client = await open(
      await serve((stream, body, path) => {
        paths.push(path);
        echo(stream, body, path);
      }),
    );
    for (let i = 0; i < 5; i++) {
      for (const path of ['/a/B', '/a/C']) {
        expect(await client.unary(path, Buffer.from(`${path} ${i}`))).toEqual(
          new Uint8Array(Buffer.from(`${path} ${i}`)),
        );
      }
    }
    expect(paths).toEqual(Array.from({ length: 5 }, () => ['/a/B', '/a/C']).flat());
  });

  test('puts together a message that comes in any pieces', async () => {
    const message = Buffer.from('the quick brown fox jumps over the lazy dog');
    const frame = Buffer.from(grpcFrame(message));
    for (const size of [1, 2, 4, 5, 6, frame.length - 1, frame.length]) {
      const client = await open(
        await serve((stream) => {
          const pieces = [];
          for (let at = 0; at < frame.length; at += size) pieces.push(frame.subarray(at, at + size));
          answer(stream, '0', ...pieces);
        }),
      );
      expect(Buffer.from(await client.unary('/a/B', new Uint8Array(0))).toString()).toBe(message.toString());
    }
  });

  test('takes more messages from one frame, empty ones too', async () => {
    const messages = [Buffer.alloc(3, 1), Buffer.alloc(0), Buffer.alloc(10, 2)];
    const client = await open(
      await serve((stream) => answer(stream, '0', Buffer.concat(messages.map((message) => grpcFrame(message))))),
    );
    expect(await client.drain('/a/B', new Uint8Array(0))).toEqual({ messages: 3, bytes: 13 });
  });

  test('sends bodies larger than the flow control window, many at once, each complete', async () => {
    const client = await open(await serve(echo));
    const bodies = Array.from({ length: 12 }, (_, i) => Buffer.alloc(100_000 + i, i));
    const answers = await Promise.all(bodies.map((body) => client.unary('/a/B', body)));
    for (const [i, body] of bodies.entries()) expect(Buffer.compare(answers[i] as Uint8Array, body)).toBe(0);
  });

  test.for(Array.from({ length: 16 }, (_, i) => String(i + 1)))('fails with grpc-status %s', async (status) => {
    const client = await open(await serve((stream) => answer(stream, status)));
    const error: unknown = await client.unary('/a/B', new Uint8Array(0)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CallError);
    expect((error as CallError).status).toBe(Number(status));
  });

  test('fails with the status of a response that is trailers only', async () => {
    const client = await open(
      await serve((stream) => stream.respond({ ':status': 200, 'grpc-status': '8' }, { endStream: true })),
    );
    await expect(client.unary('/a/B', new Uint8Array(0))).rejects.toMatchObject({ status: 8 });
  });

  test('fails without trailers, without a status, on a reset, and when the connection ends', async () => {
    const handlers: Handler[] = [
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end(grpcFrame(Buffer.from('x')));
      },
      (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
      (stream) => stream.close(2),
      (stream) => stream.session?.destroy(),
    ];
    for (const handler of handlers) {
      const client = await open(await serve(handler));
      await expect(client.unary('/a/B', new Uint8Array(0))).rejects.toMatchObject({ status: -1 });
    }
  });
});

describe('a closed loop', () => {
  const shape = { streamsPerConnection: 4, warmupMs: 20, durationMs: 60, kinds: ['echo'] as const };
  const body = grpcFrame(Buffer.from('hello'));

  test('counts and times replies, and leaves none under way', async () => {
    let served = 0;
    const port = await serve((stream, received, path) => {
      served++;
      echo(stream, received, path);
    });
    const clients = [await open(port), await open(port)];
    const connections = clients.map(({ connection }) => connection);
    const result = await runClosedLoop({ ...shape, connections, next: () => ({ kind: 'echo', path: '/a/B', body }) });
    expect(result.replies.echo).toBe(served);
    expect(result.latencies.echo.count).toBeGreaterThanOrEqual(8);
    expect(result.latencies.echo.count).toBeLessThan(served);
    expect(result.perSecond).toBeGreaterThan(0);
    expect(result.latencies.echo.percentileMs(50)).toBeLessThanOrEqual(result.latencies.echo.maxMs);
  });

  test('fails with the first reply that is an error', async () => {
    let served = 0;
    const port = await serve((stream, received, path) => {
      if (++served === 20) answer(stream, '14');
      else echo(stream, received, path);
    });
    const { connection } = await open(port);
    const load = runClosedLoop({
      ...shape,
      connections: [connection],
      next: () => ({ kind: 'echo', path: '/a/B', body }),
    });
    await expect(load).rejects.toMatchObject({ status: 14 });
  });

  test('fails with the first reply that its check refuses', async () => {
    const { connection } = await open(await serve(echo));
    const check = (reply: Uint8Array): void => {
      throw new Error(`not expected: ${Buffer.from(reply).toString()}`);
    };
    const next = () => ({ kind: 'echo' as const, path: '/a/B', body, check });
    await expect(runClosedLoop({ ...shape, connections: [connection], next })).rejects.toThrow('not expected: hello');
  });
});
