/** What every RPC transport must do on the wire: headers, compression, keepalive, limits, port sharing. */

import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ClientHttp2Session } from 'node:http2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EchoClient } from './echo-client.ts';
import { RECEIVE_BYTES_MAX, startEchoServer } from './echo-server.ts';
import type { EchoServer, EchoServerOptions, MakeTransport } from './echo-server.ts';
import { answerOf, connect, grpcFrame, openCall, post } from './raw-http2.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

export function wireSuite(name: string, make: MakeTransport): void {
  describe(`RPC transport on the wire: ${name}`, () => {
    const cleanups: (() => unknown)[] = [];
    const start = async (options: EchoServerOptions = {}): Promise<EchoServer> => {
      const server = await startEchoServer(make, options);
      cleanups.push(() => server.stop(50));
      return server;
    };
    const open = async (port: number): Promise<ClientHttp2Session> => {
      const session = await connect(port);
      cleanups.push(() => session.destroy());
      return session;
    };
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    });

    it('sends headers, message and trailers as gRPC wants them', async () => {
      const session = await open((await start()).port);
      const answer = await post(session, '/t.Echo/Now', grpcFrame(bytes('hi')));
      expect(answer.headers).toMatchObject({
        ':status': 200,
        'content-type': expect.stringMatching(/^application\/grpc/) as string,
      });
      expect(answer.body).toEqual(grpcFrame(bytes('hi')));
      expect(answer.trailers).toMatchObject({ 'grpc-status': '0' });
      expect(answer.rstCode).toBe(0);
    });

    it('sends errors with percent-encoded text in trailers only', async () => {
      const session = await open((await start()).port);
      const answer = await post(session, '/t.Echo/Fail', grpcFrame(Buffer.concat([Buffer.from([3]), bytes('50% ü')])));
      expect(answer.headers).toMatchObject({ ':status': 200, 'grpc-status': '3' });
      expect(decodeURIComponent(String(answer.headers['grpc-message']))).toBe('50% ü');
      expect(answer.trailers).toBeUndefined();
    });

    it('takes gzip requests', async () => {
      const session = await open((await start()).port);
      const body = grpcFrame(gzipSync(bytes('squeezed '.repeat(1000))), true);
      const answer = await post(session, '/t.Echo/Size', body, { 'grpc-encoding': 'gzip' });
      expect(answer.body).toEqual(grpcFrame(bytes('9000')));
    });

    it('refuses what unpacks to more than the limit, what does not unpack, and unknown encodings', async () => {
      const session = await open((await start()).port);
      const bomb = grpcFrame(gzipSync(Buffer.alloc(RECEIVE_BYTES_MAX + 1)), true);
      expect((await post(session, '/t.Echo/Size', bomb, { 'grpc-encoding': 'gzip' })).headers['grpc-status']).toBe('8');
      const garbage = grpcFrame(bytes('not gzip'), true);
      expect((await post(session, '/t.Echo/Size', garbage, { 'grpc-encoding': 'gzip' })).headers['grpc-status']).toBe(
        '13',
      );
      expect((await post(session, '/t.Echo/Size', garbage, { 'grpc-encoding': 'lzma' })).headers['grpc-status']).toBe(
        '12',
      );
      expect((await post(session, '/t.Echo/Now', grpcFrame(bytes('fine')))).body).toEqual(grpcFrame(bytes('fine')));
    });

    it('puts a message together from pieces of any size', async () => {
      const session = await open((await start()).port);
      const stream = openCall(session, '/t.Echo/Now');
      const answer = answerOf(stream);
      const body = grpcFrame(bytes('in pieces'));
      for (const byte of body) {
        stream.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      stream.end();
      expect((await answer).body).toEqual(body);
    });

    it('refuses a unary call with no message or two', async () => {
      const session = await open((await start()).port);
      const none = await post(session, '/t.Echo/Now', Buffer.alloc(0));
      expect(none.headers['grpc-status']).toBe('13');
      const two = await post(session, '/t.Echo/Now', Buffer.concat([grpcFrame(bytes('a')), grpcFrame(bytes('b'))]));
      expect(two.headers['grpc-status']).toBe('13');
    });

    it('answers at the deadline itself, in the words of grpc-go', async () => {
      const session = await open((await start()).port);
      const startedMs = performance.now();
      const answer = await post(session, '/t.Echo/Hold', grpcFrame(bytes('')), { 'grpc-timeout': '100m' });
      expect(answer.headers).toMatchObject({ 'grpc-status': '4' });
      expect(decodeURIComponent(String(answer.headers['grpc-message']))).toBe('context deadline exceeded');
      expect(performance.now() - startedMs).toBeGreaterThan(90);
      expect(performance.now() - startedMs).toBeLessThan(1000);
    });

    it('answers 415 to a content type that is not gRPC', async () => {
      const session = await open((await start()).port);
      const answer = await post(session, '/t.Echo/Now', grpcFrame(bytes('x')), { 'content-type': 'application/json' });
      expect(answer.headers[':status']).toBe(415);
    });

    it('announces max-concurrent-streams', async () => {
      const server = await start({ maxConcurrentStreams: 7 });
      const session = await open(server.port);
      expect(session.remoteSettings.maxConcurrentStreams).toBe(7);
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => post(session, '/t.Echo/Later', grpcFrame(bytes('x')))),
      );
      expect(answers.every(({ trailers }) => trailers?.['grpc-status'] === '0')).toBe(true);
    });

    it('sends a client that pings too often away: ENHANCE_YOUR_CALM, too_many_pings', async () => {
      const server = await start({ keepaliveMinTimeMs: 60_000 });
      const session = await open(server.port);
      const goaway = new Promise<[number, string]>((resolve) => {
        session.on('goaway', (code, _last, data) => resolve([code, String(data)]));
      });
      const closed = new Promise((resolve) => session.on('close', resolve));
      const held = openCall(session, '/t.Echo/Hold');
      held.on('error', () => {});
      held.write(grpcFrame(bytes('')));
      const ping = (): Promise<void> => new Promise((resolve) => session.ping(() => resolve()));
      for (let i = 0; i < 5 && !session.destroyed; i++) await ping();
      expect(await goaway).toEqual([11, 'too_many_pings']);
      await closed;
    });

    it('answers pings that come at the allowed pace, and any that follow data', async () => {
      const server = await start({ keepaliveMinTimeMs: 20 });
      const session = await open(server.port);
      const onGoaway = vi.fn<() => void>();
      session.on('goaway', onGoaway);
      const held = openCall(session, '/t.Echo/Stall');
      held.on('error', () => {});
      held.resume();
      held.end(grpcFrame(bytes('x')));
      const ping = (): Promise<Error | null> => new Promise((resolve) => session.ping((error) => resolve(error)));
      for (let i = 0; i < 6; i++) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        expect(await ping()).toBeNull();
      }
      for (let i = 0; i < 8; i++) {
        await post(session, '/t.Echo/Now', grpcFrame(Buffer.alloc(100)));
        expect(await ping()).toBeNull();
      }
      expect(onGoaway).not.toHaveBeenCalled();
    });

    it('shares its port with HTTP/1.1, whatever way the first bytes come', async () => {
      const server = await start();
      const body = await new Promise<string>((resolve, reject) => {
        http
          .get({ port: server.port, path: '/some/path?q' }, (response) => {
            response.setEncoding('utf8').on('data', resolve);
          })
          .on('error', reject);
      });
      expect(body).toBe('GET /some/path');
      const slow = net.connect(server.port, '127.0.0.1');
      cleanups.push(() => slow.destroy());
      const received = new Promise<string>((resolve) =>
        slow.once('data', (chunk) => resolve(chunk.toString('latin1'))),
      );
      for (const piece of ['P', 'O', 'ST /slow HTTP/1.1\r\nHost: x\r\nContent-', 'Length: 0\r\n\r\n']) {
        slow.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      expect(await received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    });

    it('takes the HTTP/2 preface byte by byte', async () => {
      const server = await start();
      const socket = net.connect(server.port, '127.0.0.1');
      cleanups.push(() => socket.destroy());
      const received: Buffer[] = [];
      socket.on('data', (chunk) => received.push(chunk));
      socket.setNoDelay(true);
      const preface = Buffer.concat([
        bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
      ]);
      for (const byte of preface) {
        socket.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      // A SETTINGS frame of the server, and one that acknowledges ours.
      await vi.waitFor(() =>
        expect(Buffer.concat(received).includes(Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]))).toBe(true),
      );
      expect(Buffer.concat(received)[3]).toBe(4);
    });

    it('closes a connection that speaks no HTTP/2 after all', async () => {
      const server = await start();
      const socket = net.connect(server.port, '127.0.0.1');
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.resume().on('error', () => {});
      socket.write('PRI * HTTP/2.0\r\n\r\nnonsense, and more of it, far from any frame');
      await closed;
      await vi.waitFor(() => expect(server.transport.connections).toBe(0));
    });

    it('serves a unix socket, also over the file of a dead server', async () => {
      const socketPath = path.join(os.tmpdir(), `rpc-${process.pid}-${Math.floor(performance.now() * 1000)}.sock`);
      const first = await startEchoServer(make, { address: { path: socketPath } });
      const client = new EchoClient(`unix:${socketPath}`);
      cleanups.push(() => client.close());
      expect((await client.unary('Now', bytes('u'))).messages).toEqual([bytes('u')]);
      await first.stop(50);
    });
  });
}
