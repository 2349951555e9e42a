/** Requests between members, answered by our own endpoints; a real etcd's answers are compared elsewhere. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { etcdError, type EtcdErrorName } from '../../../src/base/etcd-error.ts';
import type { Member } from '../../../src/membership/member.ts';
import { HttpPeerCalls } from '../../../src/peer/http-peer-calls.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import { PeerCallError } from '../../../src/server/peer-transport.ts';
import { freePort } from '../../support/free-port.ts';
import { CLUSTER, RecordingHandler, TestNode, stopAll } from './support/node.ts';

const MEMBER: Member = {
  id: 2n ** 63n + 1n,
  name: 'n1',
  peerURLs: ['http://a:1'],
  clientURLs: ['http://a:2'],
  isLearner: false,
};

/** Answers everything, or fails with `error`. */
class Answering extends RecordingHandler {
  error: EtcdErrorName | undefined;
  authorization: string | undefined;

  #answer<T>(value: T): Promise<T> {
    return this.error === undefined ? Promise.resolve(value) : Promise.reject(etcdError(this.error));
  }

  override members() {
    return [MEMBER];
  }

  override promoteMember(_id: bigint, authorization: string | undefined) {
    this.authorization = authorization;
    return this.#answer([MEMBER]);
  }

  override hashKv(revision: number) {
    const header = { clusterId: CLUSTER, memberId: 1n, revision: 9, raftTerm: 2 };
    return this.#answer({ header, hash: 77, compactRevision: 3, hashRevision: revision });
  }

  override renewLease({ ID }: { ID: bigint }) {
    return this.#answer({ header: undefined, ID, TTL: 30 });
  }

  override leaseTimeToLive({ ID }: { ID: bigint }) {
    return this.#answer({ header: undefined, ID, TTL: 20, grantedTTL: 30, keys: [Uint8Array.of(1)] });
  }

  override isDowngradeEnabled() {
    return this.#answer(true);
  }
}

describe('calls', () => {
  const calls = new HttpPeerCalls({ clock: new NodeClock(), clusterId: CLUSTER, dialMs: 300, answerMs: 300 });
  const cleanups: (() => void)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) cleanup();
    await stopAll();
  });

  async function member(): Promise<{ urls: string[]; handler: Answering }> {
    const node = new TestNode({ id: 0xan });
    const handler = new Answering();
    await node.transport.listen();
    node.transport.start(handler);
    return { urls: [node.url], handler };
  }

  test('are answered', async () => {
    const { urls, handler } = await member();
    expect(await calls.members(urls)).toMatchObject({ clusterId: CLUSTER, members: [MEMBER] });
    expect(await calls.versions(urls)).toEqual({ server: '3.6.12', cluster: '3.6.0', storage: '3.6.0' });
    expect(await calls.hashKv(urls, 8)).toMatchObject({ hash: 77, compactRevision: 3, hashRevision: 8 });
    expect(await calls.promoteMember(urls, MEMBER.id, 'token')).toMatchObject([MEMBER]);
    expect(handler.authorization).toBe('token');
    expect(await calls.renewLease(urls, 2n ** 62n + 1n)).toBe(30);
    expect(await calls.leaseTimeToLive(urls, { ID: 5n, keys: true })).toMatchObject({
      ID: 5n,
      TTL: 20,
      grantedTTL: 30,
    });
    expect(await calls.isDowngradeEnabled(urls)).toBe(true);
  });

  test.for<[EtcdErrorName, (urls: string[]) => Promise<unknown>]>([
    ['MemberNotFound', (urls) => calls.promoteMember(urls, 1n)],
    ['MemberNotLearner', (urls) => calls.promoteMember(urls, 1n)],
    ['LearnerNotReady', (urls) => calls.promoteMember(urls, 1n)],
    ['FutureRev', (urls) => calls.hashKv(urls, 1)],
    ['Compacted', (urls) => calls.hashKv(urls, 1)],
    ['LeaseNotFound', (urls) => calls.renewLease(urls, 1n)],
    ['Timeout', (urls) => calls.renewLease(urls, 1n)],
    ['LeaseNotFound', (urls) => calls.leaseTimeToLive(urls, { ID: 1n, keys: false })],
    ['Timeout', (urls) => calls.leaseTimeToLive(urls, { ID: 1n, keys: false })],
  ])('carry %s over', async ([name, call]) => {
    const { urls, handler } = await member();
    handler.error = name;
    await expect(call(urls)).rejects.toThrow(etcdError(name));
  });

  test('another cluster is refused', async () => {
    const { urls } = await member();
    const stranger = new HttpPeerCalls({ clock: new NodeClock(), clusterId: 0x99n });
    await expect(stranger.hashKv(urls, 1)).rejects.toThrow(etcdError('ClusterIDMismatch'));
    stranger.close();
  });

  test('an error that has no answer of its own is a failed call, with all that was tried', async () => {
    const { urls, handler } = await member();
    handler.error = 'NoLeader';
    const dead = `http://127.0.0.1:${await freePort()}`;
    const failure = calls.promoteMember(['nonsense', dead, ...urls], 1n);
    await expect(failure).rejects.toThrow(PeerCallError);
    await expect(failure).rejects.toThrow(/nonsense: no peer URL; .*ECONNREFUSED.*; .*500/);
  });

  test('go on to the next URL', async () => {
    const { urls } = await member();
    const dead = `http://127.0.0.1:${await freePort()}`;
    expect(await calls.versions([dead, ...urls])).toMatchObject({ server: '3.6.12' });
  });

  test.for<[string, number, string]>([
    ['no JSON', 200, 'hello'],
    ['another status', 302, '{"etcdserver":"3.6.0"}'],
    ['more than anybody needs', 200, `"${'x'.repeat(5 << 20)}"`],
    ['nothing for too long', 0, ''],
  ])('do not accept %s', async ([, status, body]) => {
    const server = createServer((_, response) => {
      if (status > 0) response.writeHead(status, { 'X-Etcd-Cluster-ID': '1' }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => {
      server.close();
      server.closeAllConnections();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(calls.versions([url])).rejects.toThrow(PeerCallError);
  });

  test('survive that the member closed a connection that was kept open', async () => {
    let served = 0;
    const server = createServer((_, response) => {
      served++;
      response.end('{"etcdserver":"3.6.0"}');
    });
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await calls.versions([url]);
    // Closed while the next request is on its way: it goes out before the end of the connection is seen.
    server.closeAllConnections();
    expect(await calls.versions([url])).toMatchObject({ server: '3.6.0' });
    expect(served).toBe(2);
    server.closeAllConnections();
  });
});
