/** A cluster of both kinds whose members know each other by certificates: everything that goes between them goes over TLS. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { type Authority, CertificateFolder } from '../support/certificates.ts';
import { etcdctl } from '../support/etcdctl.ts';
import { etcdBinDir, NO_ETCD, etcdSeries } from '../support/real-etcd.ts';
import { secureGet } from '../support/secure-http.ts';
import { type ClusterMember, TestCluster } from '../support/test-cluster.ts';
import { text } from '../support/values.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

const folder = new CertificateFolder();
let authority: Authority;
let cluster: TestCluster;

withBundleForFile();
beforeAll(async () => {
  authority = await folder.authority('peers');
});
afterAll(() => folder.remove());

async function handTo(member: ClusterMember): Promise<void> {
  const leader = await cluster.leader();
  if (leader !== member) await leader.client.moveLeader(member.id);
  expect(await cluster.leader()).toBe(member);
}

async function writeThroughAll(what: string, keys = 1): Promise<void> {
  for (const { name, client } of cluster.members) {
    for (let i = 0; i < keys; i++) await client.put({ key: `${what} through ${name} ${i}`, value: 'x' });
  }
  const hashes = await cluster.hashes();
  expect(new Set(hashes).size).toBe(1);
}

/** Adds a voter, once the cluster has been whole for long enough to allow it. */
async function join(kind: 'etcd' | 'quorate'): Promise<ClusterMember> {
  const { server } = await cluster.leader();
  const peerUrl = await cluster.newPeerUrl();
  const add = async (): Promise<string> => {
    const { stderr } = await etcdctl(server.endpoint, ['member', 'add', `new-${kind}`, `--peer-urls=${peerUrl}`]);
    return stderr;
  };
  await expect.poll(add, { timeout: 25_000, interval: 500 }).toBe('');
  return cluster.join(kind, peerUrl);
}

describe.skipIf(!available)('mutual TLS between an etcd and a quorate', () => {
  beforeAll(async () => {
    const own = await authority.issue('member', { hosts: ['127.0.0.1'] });
    const crl = await authority.revoke(['5000']);
    const flags = [
      `--peer-cert-file=${own.certFile}`,
      `--peer-key-file=${own.keyFile}`,
      `--peer-trusted-ca-file=${authority.caFile}`,
      '--peer-client-cert-auth',
      `--peer-crl-file=${crl}`,
      '--peer-cert-allowed-cn=member',
      '--snapshot-count=20',
      '--experimental-snapshot-catchup-entries=5',
    ];
    cluster = await TestCluster.start(['etcd', 'quorate'], flags, { peerScheme: 'https' });
  });
  afterAll(async () => cluster?.stop());

  test.each([0, 1])('writes and leases go through both while member %i leads', async (index) => {
    await handTo(cluster.members[index] as ClusterMember);
    await writeThroughAll(`led by ${index}`);
    const follower = cluster.members[1 - index] as ClusterMember;
    const { ID } = await follower.client.leaseGrant({ TTL: 60 });
    const stream = follower.client.leaseKeepAlive();
    stream.send({ ID });
    expect((await stream.next()).TTL).toBe(60n);
    stream.cancel();
    expect((await follower.client.leaseTimeToLive({ ID })).grantedTTL).toBe(60n);
  });

  test.each([
    ['quorate', 0, 'etcd'],
    ['etcd', 1, 'quorate'],
  ] as const)('a new %s gets its snapshot from member %i, which is %s', async (kind, index, leaderKind) => {
    const leader = cluster.members[index] as ClusterMember;
    expect(leader.server.kind).toBe(leaderKind);
    await handTo(leader);
    await writeThroughAll(`before a new ${kind}`, 30);
    const member = await join(kind);
    await writeThroughAll(`after a new ${kind}`);
    const sent = async (): Promise<string[]> =>
      (await (await fetch(`${leader.server.clientUrl}/metrics`)).text())
        .split('\n')
        .filter((line) => line.startsWith('etcd_network_snapshot_send_success{'));
    const toMember = expect.stringContaining(`To="${member.id.toString(16)}"`);
    await expect.poll(sent, { timeout: 15_000 }).toContainEqual(toMember);
    const { kvs } = await member.client.range({ key: 'before', range_end: 'beforf', serializable: true });
    expect(kvs.map(({ key }) => text(key)).filter((key) => key.endsWith(' 29')).length).toBeGreaterThan(1);
  });

  test('renewed certificates are used by members that run', async () => {
    const before = await authority.issue('visitor', { hosts: [], commonName: 'member' });
    const serial = async (url: string): Promise<string> =>
      (await secureGet(`${url}/version`, { ca: authority.cert, cert: before.cert, key: before.key })).serial;
    const renewed = await authority.issue('member', { hosts: ['127.0.0.1'] });
    for (const { peerUrl } of cluster.members) expect(await serial(peerUrl)).toBe(renewed.serial);
    // And by one that comes back: nobody would know it by another one.
    const [, member] = cluster.members as [ClusterMember, ClusterMember];
    await member.server.kill();
    await member.server.restart();
    await cluster.leader();
    await writeThroughAll('after the renewal');
  });

  test('the cluster version was found over TLS, too', async () => {
    for (const { server } of cluster.members) {
      const version = async (): Promise<unknown> => (await fetch(`${server.clientUrl}/version`)).json();
      await expect.poll(version, { timeout: 15_000 }).toMatchObject({ etcdcluster: `${etcdSeries()}.0` });
    }
  });
});

test('members with certificates made at the start form a cluster', async () => {
  cluster = await TestCluster.start(available ? ['quorate', 'etcd'] : ['quorate', 'quorate'], ['--peer-auto-tls'], {
    peerScheme: 'https',
  });
  try {
    await (await cluster.leader()).client.put({ key: 'a', value: 'b' });
    const [first, second] = await cluster.hashes();
    expect(first).toBe(second);
  } finally {
    await cluster.stop();
  }
});
