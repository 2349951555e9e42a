/** What every RPC transport must do, seen by the npm gRPC client. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EchoClient, collect } from './echo-client.ts';
import { RECEIVE_BYTES_MAX, numbered, startEchoServer, uint32s } from './echo-server.ts';
import type { EchoServer, MakeTransport } from './echo-server.ts';
import { connect, grpcFrame, openCall } from './raw-http2.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

export function transportSuite(name: string, make: MakeTransport): void {
  describe(`RPC transport: ${name}`, () => {
    let server: EchoServer;
    let client: EchoClient;

    beforeEach(async () => {
      server = await startEchoServer(make);
      client = new EchoClient(server.port);
    });
    afterEach(async () => {
      client.close();
      await server.stop(100);
    });

    describe('unary', () => {
      it('answers at once, later, and with an empty message', async () => {
        expect(await client.unary('Now', bytes('abc'))).toEqual({ code: 0, details: '', messages: [bytes('abc')] });
        expect(await client.unary('Later', bytes('xyz'))).toEqual({ code: 0, details: '', messages: [bytes('xyz')] });
        expect(await client.unary('Now', bytes(''))).toEqual({ code: 0, details: '', messages: [bytes('')] });
      });

      it('carries many calls at once on one connection, each with its own answer', async () => {
        const requests = Array.from({ length: 500 }, (_, i) => bytes(`request ${i} ${'x'.repeat(i * 7)}`));
        const answers = await Promise.all(requests.map((request, i) => client.unary(i % 2 ? 'Now' : 'Later', request)));
        expect(answers.map(({ messages }) => messages[0])).toEqual(requests);
        expect(server.transport.connections).toBe(1);
      });

      it('takes and gives messages larger than any flow control window', async () => {
        const big = Buffer.alloc(1_500_000, 'abcdefghij');
        const answer = await client.unary('Now', big);
        expect(answer.messages[0]?.equals(big)).toBe(true);
      });

      it('takes a request of exactly the limit and refuses one byte more in the words of grpc-go', async () => {
        const atLimit = await client.unary('Size', Buffer.alloc(RECEIVE_BYTES_MAX));
        expect(atLimit.messages[0]?.toString()).toBe(String(RECEIVE_BYTES_MAX));
        const over = await client.unary('Size', Buffer.alloc(RECEIVE_BYTES_MAX + 1));
        expect(over.code).toBe(8);
        expect(over.details).toBe(
          `grpc: received message larger than max (${RECEIVE_BYTES_MAX + 1} vs. ${RECEIVE_BYTES_MAX})`,
        );
        expect((await client.unary('Now', bytes('still here'))).code).toBe(0);
      });

      it('answers with the code and the exact text of an EtcdError', async () => {
        for (const text of ['etcdserver: no leader', '100% übel, 日本\n\t"quoted"', '%41 stays', 'a']) {
          const answer = await client.unary('Fail', Buffer.concat([Buffer.from([14]), bytes(text)]));
          expect(answer).toEqual({ code: 14, details: text, messages: [] });
        }
        expect(await client.unary('FailLater', bytes(''))).toMatchObject({
          code: 5,
          details: 'etcdserver: requested lease not found',
        });
      });

      it('answers Internal to a bug, logs it, and lives on', async () => {
        const answer = await client.unary('Bug', bytes(''));
        expect(answer.code).toBe(13);
        const entry = server.logged.find(({ message }) => message === 'handler failed');
        expect(entry?.fields).toMatchObject({
          method: '/t.Echo/Bug',
          error: expect.stringContaining('a bug') as string,
        });
        expect((await client.unary('Now', bytes('x'))).code).toBe(0);
      });

      it('answers Unimplemented in the words of grpc-go', async () => {
        expect(await client.unary('/t.Nope/Now', bytes(''))).toMatchObject({
          code: 12,
          details: 'unknown service t.Nope',
        });
        expect(await client.unary('/t.Echo/Nope', bytes(''))).toMatchObject({
          code: 12,
          details: 'unknown method Nope for service t.Echo',
        });
      });

      it('shows metadata, token, peer and path to the handler', async () => {
        const ask = async (header: string, metadata: Record<string, string>): Promise<unknown[]> => {
          const answer = await client.unary('Metadata', bytes(header), { metadata });
          return JSON.parse(answer.messages[0]?.toString() ?? '') as unknown[];
        };
        const [value, token, peer, path] = await ask('x-thing', { 'x-thing': 'value 1', token: 'abc.1' });
        expect([value, token, path]).toEqual(['value 1', 'abc.1', '/t.Echo/Metadata']);
        expect(peer).toMatch(/^127\.0\.0\.1:\d+$/);
        expect((await ask('absent', { authorization: 'Bearer tok' })).slice(0, 2)).toEqual([null, 'tok']);
        expect((await ask('absent', { authorization: 'tok2', token: 'Bearer tok1' }))[1]).toBe('tok1');
        expect((await ask('absent', {}))[1]).toBeNull();
      });
    });

    describe('checks before the handler', () => {
      it('refuses calls that want a leader when there is none', async () => {
        server.member.hasLeader = false;
        const metadata = { hasleader: 'true' };
        const refused = { code: 14, details: 'etcdserver: no leader' };
        expect(await client.unary('Now', bytes(''), { metadata })).toMatchObject(refused);
        expect(await collect(client.bidi('Chat', { metadata }))).toMatchObject(refused);
        expect((await client.unary('Now', bytes(''))).code).toBe(0);
        expect((await client.unary('Now', bytes(''), { metadata: { hasleader: 'false' } })).code).toBe(0);
      });

      it('ends streams that want a leader once it has been gone for three election timeouts', async () => {
        const wanting = client.bidi('Chat', { metadata: { hasleader: 'true' } });
        const other = client.bidi('Chat');
        wanting.write(bytes('1'));
        other.write(bytes('1'));
        const ended = collect(wanting);
        const otherEnded = vi.fn<() => void>();
        void collect(other).then(otherEnded);
        await vi.waitFor(() => expect(server.dispatcher.openStreams).toBe(2));
        server.member.hasLeader = false;
        const startedMs = performance.now();
        expect(await ended).toMatchObject({ code: 14, details: 'etcdserver: no leader' });
        expect(performance.now() - startedMs).toBeGreaterThan(90);
        expect(otherEnded).not.toHaveBeenCalled();
        expect(server.cancelled).toEqual(['/t.Echo/Chat']);
        other.end();
      });

      it('lets a learner answer only what it may', async () => {
        server.member.isLearner = true;
        const refused = { code: 9, details: 'etcdserver: rpc not supported for learner' };
        expect(await client.unary('Now', bytes(''))).toMatchObject(refused);
        expect(await client.unary('Learner', Buffer.from([0]))).toMatchObject(refused);
        expect((await client.unary('Learner', Buffer.from([1]))).code).toBe(0);
        expect(await collect(client.bidi('Chat'))).toMatchObject(refused);
      });

      it('counts what happened', async () => {
        await client.unary('Now', bytes('12345'), { metadata: { 'client-api-version': '3.5' } });
        await client.unary('FailLater', bytes(''));
        const chat = client.bidi('Chat');
        const done = collect(chat);
        chat.write(bytes('ab'));
        chat.end();
        await done;
        const shown = server.registry.expose();
        const labels = (method: string, type: string): string =>
          `grpc_method="${method}",grpc_service="t.Echo",grpc_type="${type}"`;
        expect(shown).toContain(`grpc_server_started_total{${labels('Now', 'unary')}} 1\n`);
        expect(shown).toContain(`grpc_server_handled_total{grpc_code="OK",${labels('Now', 'unary')}} 1\n`);
        expect(shown).toContain(`grpc_server_handled_total{grpc_code="NotFound",${labels('FailLater', 'unary')}} 1\n`);
        expect(shown).toContain(`grpc_server_handled_total{grpc_code="OK",${labels('Chat', 'bidi_stream')}} 1\n`);
        expect(shown).toContain(`grpc_server_msg_received_total{${labels('Chat', 'bidi_stream')}} 1\n`);
        expect(shown).toContain('etcd_network_client_grpc_received_bytes_total 7\n');
        expect(shown).toContain('etcd_network_client_grpc_sent_bytes_total 10\n');
        expect(shown).toContain('etcd_server_client_requests_total{client_api_version="3.5",type="unary"} 1\n');
        expect(shown).toContain('etcd_server_client_requests_total{client_api_version="unknown",type="stream"} 1\n');
      });
    });

    describe('deadlines and cancellation', () => {
      it('tells the handler when the client cancels', async () => {
        const abort = new AbortController();
        const answer = client.unary('Hold', bytes(''), { signal: abort.signal });
        await vi.waitFor(() => expect(server.contexts).toHaveLength(1));
        expect(server.contexts[0]?.cancelled).toBe(false);
        abort.abort();
        expect((await answer).code).toBe(1);
        await vi.waitFor(() => expect(server.cancelled).toEqual(['/t.Echo/Hold']));
        expect(server.contexts[0]?.cancelled).toBe(true);
      });

      it('tells the handlers when the connection breaks', async () => {
        const session = await connect(server.port);
        for (const method of ['Hold', 'Stall']) {
          const stream = openCall(session, `/t.Echo/${method}`);
          stream.on('error', () => {});
          stream.end(grpcFrame(bytes('x')));
        }
        await vi.waitFor(() => expect(server.contexts).toHaveLength(2));
        session.socket.destroy();
        await vi.waitFor(() => expect(server.cancelled.toSorted()).toEqual(['/t.Echo/Hold', '/t.Echo/Stall']));
        expect(server.dispatcher.openStreams).toBe(0);
        expect(server.transport.connections).toBe(0);
      });

      it('gives the deadline to the handler and ends the call there', async () => {
        const before = performance.now();
        const answer = await client.unary('Hold', bytes(''), { timeoutMs: 150 });
        expect(answer.code).toBe(4);
        expect(performance.now() - before).toBeGreaterThan(140);
        await vi.waitFor(() => expect(server.cancelled).toEqual(['/t.Echo/Hold']));
        expect(server.contexts[0]?.deadlineMs).toBeGreaterThan(before);
        expect(server.contexts[0]?.deadlineMs).toBeLessThan(before + 1000);
      });
    });

    describe('streams', () => {
      it('delivers many messages in order, then OK', async () => {
        const { code, messages } = await collect(client.serverStream('Count', uint32s(5000, 100)));
        expect(code).toBe(0);
        expect(messages).toHaveLength(5000);
        expect(messages.every((message, i) => message.length === 104 && message.readUInt32BE(0) === i)).toBe(true);
      });

      it('delivers large messages whole', async () => {
        const { code, messages } = await collect(client.serverStream('Count', uint32s(20, 1_000_000)));
        expect(code).toBe(0);
        expect(messages.map((message) => message.length)).toEqual(Array.from({ length: 20 }, () => 1_000_004));
      });

      it('delivers what came before a failure', async () => {
        const answer = await collect(client.serverStream('FailAfter', Buffer.from([3])));
        expect(answer.messages.map((message) => message.readUInt32BE(0))).toEqual([0, 1, 2]);
        expect(answer).toMatchObject({ code: 11, details: 'etcdserver: mvcc: required revision has been compacted' });
      });

      it('talks both ways and ends after the half-close', async () => {
        const chat = client.bidi('Chat');
        const first = new Promise<Buffer>((resolve) => chat.once('data', resolve));
        chat.write(bytes('hello'));
        expect((await first).toString()).toBe('re:hello');
        const rest = collect(chat);
        for (let i = 0; i < 200; i++) chat.write(bytes(`m${i}`));
        chat.end();
        const { code, messages } = await rest;
        expect(code).toBe(0);
        expect(messages.map(String)).toEqual(Array.from({ length: 200 }, (_, i) => `re:m${i}`));
      });

      it('ends a stream whose handler has a bug', async () => {
        const answer = await collect(client.bidi('BadStream'));
        expect(answer.code).toBe(13);
        expect(answer.messages.map(String)).toEqual(['one']);
        expect(server.dispatcher.openStreams).toBe(0);
      });

      it('shows the backlog of a slow reader and says when it has drained', async () => {
        const session = await connect(server.port);
        const stream = openCall(session, '/t.Echo/Stall');
        stream.on('error', () => {});
        stream.end(grpcFrame(numbered(0)));
        await vi.waitFor(() => expect(server.streams).toHaveLength(1));
        const call = server.streams[0];
        if (call === undefined) throw new Error('no stream');
        for (let i = 0; i < 60; i++) call.send(new Uint8Array(100_000));
        await sleep(100);
        expect(call.backlogBytes).toBeGreaterThan(4_000_000);
        expect(call.backlogBytes).toBeLessThanOrEqual(6_000_300);
        expect(server.drains).toEqual([]);
        let receivedBytes = 0;
        stream.on('data', (chunk: Buffer) => (receivedBytes += chunk.length));
        await vi.waitFor(() => expect(receivedBytes).toBe(60 * 100_005 + 9), { timeout: 5000 });
        await vi.waitFor(() => expect(call.backlogBytes).toBe(0));
        expect(server.drains).toHaveLength(1);
        expect(server.drains[0]).toBeLessThanOrEqual(64 * 1024);
        call.end();
        session.close();
      });

      it('holds a client back while its handler does not read', async () => {
        const chat = client.bidi('Paused');
        const done = collect(chat);
        const message = Buffer.alloc(64 * 1024);
        let taken = 0;
        for (let i = 0; i < 200; i++) chat.write(message, () => taken++);
        chat.end();
        await vi.waitFor(() => expect(server.streams).toHaveLength(1), { timeout: 15_000 });
        await sleep(100);
        expect(server.received.length).toBeLessThan(100);
        expect(taken).toBeLessThan(200);
        server.streams[0]?.resumeReading();
        expect((await done).code).toBe(0);
        expect(server.received).toHaveLength(200);
        expect(server.received.every((received) => received.length === message.length)).toBe(true);
      });

      it('one stalled stream does not hold up others on the connection', async () => {
        const stream = client.serverStream('Stall', numbered(0));
        stream.on('error', () => {});
        stream.pause();
        await vi.waitFor(() => expect(server.streams).toHaveLength(1));
        for (let i = 0; i < 40; i++) server.streams[0]?.send(new Uint8Array(100_000));
        const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => client.unary('Now', numbered(i))));
        expect(answers.every(({ code }) => code === 0)).toBe(true);
        stream.cancel();
        await vi.waitFor(() => expect(server.cancelled).toEqual(['/t.Echo/Stall']));
      });
    });

    describe('stop', () => {
      it('lets unary calls finish, ends streams, and refuses what comes after', async () => {
        const slow = client.unary('Slow', bytes('done'));
        const stream = collect(client.serverStream('Stall', bytes('x')));
        await vi.waitFor(() => expect(server.streams).toHaveLength(1));
        await sleep(20);
        const startedMs = performance.now();
        await server.stop(1000);
        expect(performance.now() - startedMs).toBeLessThan(900);
        expect(await slow).toMatchObject({ code: 0, messages: [bytes('done')] });
        expect(await stream).toMatchObject({ code: 14, details: 'etcdserver: server stopped' });
        expect(server.transport.connections).toBe(0);
        expect((await client.unary('Now', bytes(''), { timeoutMs: 500 })).code).not.toBe(0);
      });

      it('ends by force after the grace', async () => {
        const held = client.unary('Hold', bytes(''));
        await vi.waitFor(() => expect(server.contexts).toHaveLength(1));
        const startedMs = performance.now();
        await server.stop(150);
        expect(performance.now() - startedMs).toBeLessThan(1000);
        expect((await held).code).not.toBe(0);
        expect(server.transport.connections).toBe(0);
      });
    });
  });
}
