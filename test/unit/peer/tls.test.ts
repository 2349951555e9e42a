/** Members that talk over TLS and over unix sockets. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { PeerTls } from '../../../src/peer/peer-tls.ts';
import { TestNode, expectSoon, heartbeat, stopAll } from './support/node.ts';

const dir = mkdtempSync(join(tmpdir(), 'quorate-peer-tls-'));
afterEach(stopAll);
afterAll(() => rmSync(dir, { recursive: true }));

async function expectMessagesBothWays(a: TestNode, b: TestNode): Promise<void> {
  await expectSoon(() => a.transport.activeSince(b.id) !== undefined && b.transport.activeSince(a.id) !== undefined);
  a.transport.send([heartbeat(a.id, b.id, 1)]);
  b.transport.send([heartbeat(b.id, a.id, 2)]);
  await expectSoon(() => a.handler.received.length > 0 && b.handler.received.length > 0);
}

test('unix sockets', async () => {
  const [aUrl, bUrl] = [`unix://${join(dir, 'a.sock')}`, `unix://${join(dir, 'b.sock')}`];
  const a = await TestNode.start({ id: 0xan, transport: { listenUrls: [aUrl] } });
  const b = await TestNode.start({ id: 0xbn, transport: { listenUrls: [bUrl] } });
  a.transport.addPeer(b.id, [bUrl]);
  b.transport.addPeer(a.id, [aUrl]);
  await expectMessagesBothWays(a, b);
  await stopAll();
  expect(existsSync(join(dir, 'a.sock'))).toBe(false);
});

/** A certificate for 127.0.0.1 that is its own authority; undefined without openssl. */
function selfSigned(name: string): { cert: Buffer; key: Buffer } | undefined {
  const [cert, key] = [join(dir, `${name}.crt`), join(dir, `${name}.key`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const made = spawnSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
  return made.status === 0 ? { cert: readFileSync(cert), key: readFileSync(key) } : undefined;
}

const good = selfSigned('good');
const other = selfSigned('other');
if (good === undefined) console.warn('skipped: no openssl to make certificates with');

describe.skipIf(good === undefined)('mutual TLS', () => {
  const tlsWith = (own: typeof good): PeerTls => ({
    serverOptions: () => ({
      cert: own?.cert,
      key: own?.key,
      ca: good?.cert,
      requestCert: true,
      rejectUnauthorized: true,
    }),
    clientOptions: () => ({ cert: own?.cert, key: own?.key, ca: good?.cert }),
  });
  const start = async (id: bigint, tls: PeerTls): Promise<[TestNode, string]> => {
    const node = await TestNode.start({ id, transport: { listenUrls: ['https://127.0.0.1:0'], tls } });
    return [node, `https://127.0.0.1:${node.port}`];
  };

  test('connects members that trust each other', async () => {
    const [a, aUrl] = await start(0xan, tlsWith(good));
    const [b, bUrl] = await start(0xbn, tlsWith(good));
    a.transport.addPeer(b.id, [bUrl]);
    b.transport.addPeer(a.id, [aUrl]);
    await expectMessagesBothWays(a, b);
  });

  test('keeps out a member with a certificate of its own making', async () => {
    const [a, aUrl] = await start(0xan, tlsWith(good));
    const [b, bUrl] = await start(0xbn, tlsWith(other));
    a.transport.addPeer(b.id, [bUrl]);
    b.transport.addPeer(a.id, [aUrl]);
    a.transport.send([heartbeat(a.id, b.id, 1)]);
    b.transport.send([heartbeat(b.id, a.id, 2)]);
    await expectSoon(() => a.handler.unreachable.length > 0 && b.handler.unreachable.length > 0);
    expect(a.handler.received).toEqual([]);
    expect(b.handler.received).toEqual([]);
    expect(a.transport.activeSince(b.id)).toBeUndefined();
  });
});
