/** The h2 transport against other people's HTTP/2: Node's client (nghttp2) with unusual settings, and h2load. */

import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { H2Transport } from '../../../src/rpc/h2/h2-transport.ts';
import { startEchoServer, uint32s } from './echo-server.ts';
import type { EchoServer } from './echo-server.ts';
import { answerOf, grpcFrame, openCall, post } from './raw-http2.ts';

describe('h2 transport with nghttp2 on the other side', () => {
  let server: EchoServer;
  beforeEach(async () => {
    server = await startEchoServer((options) => new H2Transport(options));
  });
  afterEach(async () => {
    await server.stop(50);
  });
  const open = (options: http2.ClientSessionOptions = {}): http2.ClientHttp2Session =>
    http2.connect(`http://127.0.0.1:${server.port}`, options);

  it.each([0, 60, 1000, 4096, 65_536])(
    'keeps header compression in step with a table of %i bytes',
    async (headerTableSize) => {
      const session = open({ settings: { headerTableSize } });
      for (let i = 0; i < 30; i++) {
        const fine = await post(session, '/t.Echo/Now', grpcFrame(Buffer.from([i])));
        expect([fine.headers['content-type'], fine.trailers?.['grpc-status']]).toEqual(['application/grpc', '0']);
        const failed = await post(session, '/t.Echo/Fail', grpcFrame(Buffer.from([5, 0x61 + i])));
        expect(failed.headers).toMatchObject({ 'grpc-status': '5', 'grpc-message': String.fromCharCode(0x61 + i) });
        if (i === 15) session.settings({ headerTableSize: headerTableSize === 0 ? 4096 : 0 });
      }
      session.destroy();
    },
  );

  it('decodes whatever headers nghttp2 encodes: indexed, evicted, Huffman or not', async () => {
    const random = new SeededRandom(21);
    const session = open();
    const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789-_ ~!"#$%&\'()*+,./:;<=>?@[]^`{|}\\ABCXYZ\u00e9\u00ff\u0080';
    const word = (length: number): string =>
      Array.from({ length }, () => alphabet.charAt(random.below(alphabet.length)))
        .join('')
        .trim();
    for (let round = 0; round < 150; round++) {
      const sent: Record<string, string> = {};
      for (let i = random.below(8); i >= 0; i--)
        sent[`x-${random.below(40)}`] = word(random.below(4) === 0 ? 600 : random.below(30));
      const names = Object.keys(sent);
      const seen = await Promise.all(
        names.map(async (name) => {
          const { body } = await post(session, '/t.Echo/Metadata', grpcFrame(Buffer.from(name)), sent);
          return (JSON.parse(body.subarray(5).toString()) as string[])[0];
        }),
      );
      expect(seen).toEqual(names.map((name) => sent[name]));
    }
    session.destroy();
  });

  it.each([1, 100, 16_383, 1_000_000])('streams through a window of %i bytes', async (initialWindowSize) => {
    const session = open({ settings: { initialWindowSize } });
    const messages = initialWindowSize === 1 ? 5 : 50;
    const bytes = initialWindowSize === 1 ? 20 : 5000;
    const answer = await post(session, '/t.Echo/Count', grpcFrame(uint32s(messages, bytes)));
    expect(answer.trailers?.['grpc-status']).toBe('0');
    expect(answer.body).toHaveLength(messages * (bytes + 9));
    session.destroy();
  });

  it('serves many streams in parallel, large both ways', async () => {
    const session = open({ maxSessionMemory: 200 });
    const big = Buffer.alloc(700_000, 'x');
    const answers = await Promise.all(Array.from({ length: 30 }, () => post(session, '/t.Echo/Now', grpcFrame(big))));
    expect(answers.every(({ body }) => body.length === big.length + 5)).toBe(true);
    session.destroy();
  });

  it('takes calls that are cancelled at any moment', async () => {
    const random = new SeededRandom(4);
    const session = open();
    for (let i = 0; i < 300; i++) {
      const stream = openCall(session, `/t.Echo/${['Now', 'Later', 'Hold', 'Chat', 'Stall'][random.below(5)] ?? ''}`);
      const answer = answerOf(stream);
      stream.write(grpcFrame(Buffer.from('x')));
      if (random.below(2) === 0) await new Promise(setImmediate);
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await answer;
    }
    expect((await post(session, '/t.Echo/Now', grpcFrame(Buffer.from('y')))).trailers?.['grpc-status']).toBe('0');
    expect(server.dispatcher.openStreams).toBe(0);
    session.destroy();
  });
});

const hasH2load = spawnSync('h2load', ['--version']).status === 0;
if (!hasH2load) console.log('h2load is not installed: its test is skipped');

it.skipIf(!hasH2load)('serves h2load without an error', async () => {
  const server = await startEchoServer((options) => new H2Transport(options));
  const dir = mkdtempSync(path.join(os.tmpdir(), 'h2load-'));
  const body = path.join(dir, 'body.bin');
  writeFileSync(body, grpcFrame(Buffer.alloc(64, 'x')));
  const url = `http://127.0.0.1:${server.port}/t.Echo/Now`;
  const args = [
    '-n',
    '20000',
    '-c',
    '10',
    '-m',
    '50',
    '-H',
    'content-type: application/grpc',
    '-H',
    'te: trailers',
    '-d',
    body,
    url,
  ];
  const { stdout } = await promisify(execFile)('h2load', args);
  expect(stdout).toContain('20000 succeeded, 0 failed, 0 errored, 0 timeout');
  expect(stdout).toContain('status codes: 20000 2xx');
  const handled = /grpc_server_handled_total\{grpc_code="OK",grpc_method="Now"[^}]*\} (\S+)/.exec(
    server.registry.expose(),
  );
  expect(handled?.[1]).toBe('20000');
  rmSync(dir, { recursive: true });
  await server.stop(100);
});
