/** Members that talk over TLS and over unix sockets. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { NameLookup } from '../../../src/peer/name-lookup.ts';
import type { PeerTls } from '../../../src/peer/peer-tls.ts';
import { TlsEndpoint } from '../../../src/platform/tls/tls-endpoint.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { type Authority, CertificateFolder, type Issued } from '../../support/certificates.ts';
import { mutualTls } from '../../support/tls-settings.ts';
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

describe('mutual TLS', () => {
  const folder = new CertificateFolder();
  let authority: Authority;
  let good: Issued;
  beforeAll(async () => {
    authority = await folder.authority('peers');
    good = await authority.issue('good');
  });
  afterAll(() => folder.remove());

  const tlsWith = (own: Issued): PeerTls =>
    new TlsEndpoint({
      settings: mutualTls(own, authority.caFile, { checksAddress: true }),
      side: 'peer',
      logger: silentLogger,
      lookup: new NameLookup().lookup,
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

  test('keeps out a member with a certificate of somebody else', async () => {
    const other = await (await folder.authority('others')).issue('other');
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

  test('stops although somebody connects and says nothing', async () => {
    const [a] = await start(0xan, tlsWith(good));
    const idle = net.connect(a.port, '127.0.0.1');
    await once(idle, 'connect');
    const closed = once(idle, 'close');
    await a.stop();
    await closed;
    expect(idle.destroyed).toBe(true);
  });
});
