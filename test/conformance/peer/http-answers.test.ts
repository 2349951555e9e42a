/** The peer port answers what a real etcd's answers, to good requests and to bad ones. */
import http, { type IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { etcdError } from '../../../src/base/etcd-error.ts';
import { encodeLeaseInternalRequest } from '../../../src/gen/leasepb.ts';
import { encodeMessage, MessageType } from '../../../src/gen/raftpb.ts';
import { encodeLeaseKeepAliveRequest } from '../../../src/gen/rpc.ts';
import type { Member } from '../../../src/membership/member.ts';
import { HttpPeerCalls } from '../../../src/peer/http-peer-calls.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import type { PeerVersions } from '../../../src/server/peer-transport.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { NO_ETCD, etcdBinDir, startEtcd } from '../../support/real-etcd.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { RecordingHandler, TestNode } from '../../unit/peer/support/node.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

interface Told {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

function ask(base: string, { method = 'GET', path, headers = {}, body = '' }: Ask): Promise<Told> {
  return new Promise((resolve, reject) => {
    const request = http.request(base + path, { method, agent: false, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8'),
          headers: response.headers,
        });
      });
    });
    request.on('error', reject);
    request.setHeader('Content-Length', Buffer.byteLength(body));
    request.end(body);
  });
}

/** The headers that mean something. */
function meaning({ status, body, headers }: Told): Record<string, unknown> {
  const names = ['content-type', 'x-content-type-options', 'allow', 'x-etcd-cluster-id', 'x-server-version'];
  const kept = Object.fromEntries(names.map((name) => [name, headers[name]]));
  return {
    status,
    body: body.replace(/"Now":"[^"]+"/, '"Now":"…"').replace(/"revision":\d+/, '"revision":…'),
    ...kept,
  };
}

/** Knows what the real etcd knows. */
class Twin extends RecordingHandler {
  memberList: readonly Member[] = [];
  known: PeerVersions = { server: '', cluster: undefined, storage: undefined };

  override members(): readonly Member[] {
    return this.memberList;
  }

  override promoteMember(id: bigint): Promise<readonly Member[]> {
    const isMember = this.memberList.some((member) => member.id === id);
    return Promise.reject(etcdError(isMember ? 'MemberNotLearner' : 'MemberNotFound'));
  }

  override renewLease(): Promise<never> {
    return Promise.reject(etcdError('LeaseNotFound'));
  }

  override leaseTimeToLive(): Promise<never> {
    return Promise.reject(etcdError('LeaseNotFound'));
  }
}

describe.skipIf(!available)('answers of the peer port', () => {
  let etcd: ServerProcess;
  let theirs: string;
  let ours: TestNode;
  let id: bigint;
  let good: Record<string, string>;
  const calls = new HttpPeerCalls({ clock: new NodeClock() });

  beforeAll(async () => {
    etcd = await startEtcd();
    theirs = `http://127.0.0.1:${etcd.peerPort}`;
    const { clusterId, members } = await calls.members([theirs]);
    const { server } = await calls.versions([theirs]);
    id = members[0]?.id ?? 0n;
    good = {
      'X-Server-From': '1',
      'X-Server-Version': '3.5.0',
      'X-Min-Cluster-Version': '3.0.0',
      'X-Etcd-Cluster-ID': clusterId.toString(16),
      'X-Raft-To': id.toString(16),
    };
    const twin = new Twin();
    twin.memberList = members;
    ours = new TestNode({ id, clusterId, serverVersion: server });
    await ours.transport.listen();
    ours.transport.start(twin);
  });

  afterAll(async () => {
    calls.close();
    await ours?.stop();
    await etcd?.stop();
  });

  const without = (name: string): Record<string, string> =>
    Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
  const message = encodeMessage({ type: MessageType.MsgHeartbeat, from: 1n, to: 5n, term: 1 });
  const sized = (size: number, body: Uint8Array): Uint8Array => {
    const head = Buffer.alloc(8);
    head.writeBigUInt64BE(BigInt(size));
    return Buffer.concat([head, body]);
  };

  /** Made when the test runs: the ids are known only then. */
  const asks: Record<string, () => Ask> = {
    members: () => ({ path: '/members' }),
    'members by POST': () => ({ path: '/members', method: 'POST' }),
    'members with a slash': () => ({ path: '/members/' }),
    'promote an unknown member': () => ({ path: '/members/promote/12', method: 'POST' }),
    'promote a voter': () => ({ path: `/members/promote/${id}`, method: 'POST' }),
    'promote what is no number': () => ({ path: '/members/promote/xyz', method: 'POST' }),
    'promote by GET': () => ({ path: '/members/promote/12' }),
    'hash without a body': () => ({ path: '/members/hashkv' }),
    'hash of another cluster': () => ({
      path: '/members/hashkv',
      headers: { 'X-Etcd-Cluster-ID': '7' },
      body: '{"revision":0}',
    }),
    'hash by POST': () => ({ path: '/members/hashkv', method: 'POST' }),
    'version by POST': () => ({ path: '/version', method: 'POST' }),
    'downgrade enabled': () => ({ path: '/downgrade/enabled' }),
    'downgrade enabled by POST': () => ({ path: '/downgrade/enabled', method: 'POST' }),
    probe: () => ({ path: '/raft/probing' }),
    'probe by POST': () => ({ path: '/raft/probing', method: 'POST' }),
    'raft by GET': () => ({ path: '/raft' }),
    'raft without headers': () => ({ path: '/raft', method: 'POST' }),
    'raft of another cluster': () => ({
      path: '/raft',
      method: 'POST',
      headers: { ...good, 'X-Etcd-Cluster-ID': 'abc' },
      body: message,
    }),
    'raft that needs a newer member': () => ({
      path: '/raft',
      method: 'POST',
      headers: { ...good, 'X-Min-Cluster-Version': '4.0.0' },
      body: message,
    }),
    'raft with garbage': () => ({ path: '/raft', method: 'POST', headers: good, body: 'garbage' }),
    'below raft': () => ({ path: '/raft/' }),
    'unknown path below raft': () => ({ path: '/raft/foo' }),
    'stream without headers': () => ({ path: '/raft/stream/message/1' }),
    'stream by POST': () => ({ path: '/raft/stream/message/1', method: 'POST', headers: good }),
    'stream without an id': () => ({ path: '/raft/stream/', headers: good }),
    'stream of an unknown kind': () => ({ path: '/raft/stream/foo/1', headers: good }),
    'stream of what is no id': () => ({ path: '/raft/stream/msgapp/zz', headers: good }),
    'stream of an unknown sender': () => ({ path: '/raft/stream/msgapp/1', headers: good }),
    'stream of an unknown sender to another': () => ({
      path: '/raft/stream/message/1',
      headers: { ...good, 'X-Raft-To': '2' },
    }),
    'stream of an old version': () => ({
      path: '/raft/stream/message/1',
      headers: { ...good, 'X-Server-Version': '2.3.8' },
    }),
    'stream without a cluster': () => ({ path: '/raft/stream/message/1', headers: without('X-Etcd-Cluster-ID') }),
    'stream without a minimum version': () => ({
      path: '/raft/stream/message/1',
      headers: without('X-Min-Cluster-Version'),
    }),
    'snapshot by GET': () => ({ path: '/raft/snapshot' }),
    'snapshot without headers': () => ({ path: '/raft/snapshot', method: 'POST' }),
    'snapshot that is cut off': () => ({ path: '/raft/snapshot', method: 'POST', headers: good, body: 'abc' }),
    'snapshot that is none': () => ({
      path: '/raft/snapshot',
      method: 'POST',
      headers: good,
      body: sized(message.length, message),
    }),
    'lease by GET': () => ({ path: '/leases' }),
    'lease that is not there': () => ({
      path: '/leases',
      method: 'POST',
      body: encodeLeaseKeepAliveRequest({ ID: 77n }),
    }),
    'lease with garbage': () => ({ path: '/leases', method: 'POST', body: 'zz' }),
    'TTL by GET': () => ({ path: '/leases/internal' }),
    'TTL of a lease that is not there': () => ({
      path: '/leases/internal',
      method: 'POST',
      body: encodeLeaseInternalRequest({ leaseTimeToLiveRequest: { ID: 77n, keys: true } }),
    }),
    root: () => ({ path: '/' }),
    health: () => ({ path: '/health' }),
  };

  test.for(Object.entries(asks))('%s', async ([, request]) => {
    const [expected, actual] = await Promise.all([ask(theirs, request()), ask(ours.url, request())]);
    expect(meaning(actual)).toEqual(meaning(expected));
    expect(expected.status).toBeGreaterThan(0);
  });

  test('our calls understand etcd', async () => {
    await etcdctl(etcd.endpoint, ['put', 'a', '1']);
    const { members } = await calls.members([theirs]);
    expect(members).toMatchObject([{ id, name: 'n1', isLearner: false }]);
    expect(await calls.versions([theirs])).toMatchObject({
      server: expect.stringMatching(/^3\.\d+\.\d+$/) as string,
      cluster: expect.stringMatching(/^3\.\d+\.0$/) as string,
    });
    const hash = await calls.hashKv([theirs], 0);
    expect(hash.header?.revision).toBeGreaterThan(1);
    expect(hash.hash).toBeGreaterThan(0);
    const { stdout } = await etcdctl(etcd.endpoint, ['endpoint', 'hashkv', '--write-out=json']);
    expect(stdout).toContain(`"hash":${hash.hash}`);
    expect(await calls.isDowngradeEnabled([theirs])).toBe(false);
    await expect(calls.promoteMember([theirs], 12n)).rejects.toThrow('etcdserver: member not found');
    await expect(calls.promoteMember([theirs], id)).rejects.toThrow(etcdError('MemberNotLearner').message);
    await expect(calls.renewLease([theirs], 12n)).rejects.toThrow('etcdserver: requested lease not found');
    const { stdout: granted } = await etcdctl(etcd.endpoint, ['lease', 'grant', '60']);
    const lease = BigInt(`0x${/lease ([0-9a-f]+) /.exec(granted)?.[1] ?? ''}`);
    expect(await calls.renewLease([theirs], lease)).toBe(60);
    expect(await calls.leaseTimeToLive([theirs], { ID: lease, keys: true })).toMatchObject({
      ID: lease,
      grantedTTL: 60,
      keys: [],
    });
  });
});
