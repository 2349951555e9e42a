/** Members that learn from name servers, or from another etcd, with whom they found their cluster. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { AuthClient } from '../support/auth-client.ts';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { CertificateFolder } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { NameServer, whyNoNameServer } from '../support/name-server.ts';
import { quorateCommand, startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, etcdToolPath, NO_ETCD, startEtcd } from '../support/real-etcd.ts';
import { type Command, ServerProcess, type ServerKind } from '../support/server-process.ts';
import { text } from '../support/values.ts';

const hasEtcd = etcdBinDir() !== undefined;
if (!hasEtcd) console.warn(`skipped with etcd: ${NO_ETCD}`);
const DOMAIN = 'discovery.test';

withBundleForFile();

vi.setConfig({ testTimeout: 90_000 });

const started: { stop(): Promise<void> | void }[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map(async (server) => server.stop()));
});

function commandOf(kind: ServerKind): Command {
  return kind === 'etcd' ? { kind, file: etcdToolPath('etcd'), args: [] } : quorateCommand();
}

/** What the process says until it has ended by itself. */
async function outputOf({ file, args }: Command, flags: readonly string[]): Promise<{ code: unknown; out: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-discovery-'));
  try {
    const { stdout, stderr } = await promisify(execFile)(file, [...args, `--data-dir=${dir}/data`, ...flags]);
    return { code: 0, out: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    return { code, out: stdout + stderr };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** That the servers are one cluster with these peer URLs, and serve. */
async function expectOneCluster(servers: readonly ServerProcess[], peerUrls: readonly string[]): Promise<void> {
  for (const [i, server] of servers.entries()) {
    const client = new RawClient(server.endpoint);
    started.push({ stop: () => client.close() });
    await client.put({ key: 'shared', value: `by ${i}` });
    expect(text((await client.range({ key: 'shared' })).kvs[0]?.value ?? new Uint8Array())).toBe(`by ${i}`);
    const { members } = await client.memberList({ linearizable: true });
    expect(members.flatMap(({ peerURLs }) => peerURLs).sort()).toEqual([...peerUrls].sort());
    await expect
      .poll(async () => (await client.memberList({ linearizable: true })).members.map(({ name }) => name).sort())
      .toEqual(servers.map(({ name }) => name).sort());
  }
}

async function startAll(
  members: readonly { command: Command; name: string; flags: readonly string[]; env?: Record<string, string> }[],
): Promise<ServerProcess[]> {
  const all = await Promise.allSettled(
    members.map(({ command, ...options }) => ServerProcess.start(command, { ...options, readyTimeoutMs: 60_000 })),
  );
  const servers = all.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  started.push(...servers);
  const failed = all.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return servers;
}

const noNames = await whyNoNameServer();
if (noNames !== undefined) console.warn(`skipped: discovery by SRV records: ${noNames}`);

describe.skipIf(noNames !== undefined)('by SRV records', () => {
  let names: NameServer;
  const certificates = new CertificateFolder();

  beforeAll(async () => {
    if (noNames === undefined) names = await NameServer.start();
  });
  afterAll(async () => {
    await names?.stop();
    certificates.remove();
  });

  /** Members m1, m2 … of which the name server knows. */
  async function members(kinds: readonly ServerKind[], scheme: 'http' | 'https', suffix: string) {
    const ports: number[] = [];
    for (const _ of kinds) ports.push(await freePort());
    const service = scheme === 'https' ? 'etcd-server-ssl' : 'etcd-server';
    names.services.set(
      `_${service}-${suffix}._tcp.${DOMAIN}`,
      ports.map((port, i) => ({ target: `m${i + 1}.${DOMAIN}`, port })),
    );
    return kinds.map((kind, i) => {
      const name = `m${i + 1}`;
      names.hosts.set(`${name}.${DOMAIN}`, '127.0.0.1');
      const url = `${scheme}://${name}.${DOMAIN}:${ports[i]}`;
      const flags = [
        `--listen-peer-urls=${scheme}://127.0.0.1:${ports[i]}`,
        `--initial-advertise-peer-urls=${url}`,
        '--initial-cluster=',
        `--discovery-srv=${DOMAIN}`,
        `--discovery-srv-name=${suffix}`,
      ];
      return { command: names.seenBy(commandOf(kind)), name, flags, url };
    });
  }

  test.skipIf(!hasEtcd)('one etcd and two quorate found a cluster', async () => {
    const found = await members(['etcd', 'quorate', 'quorate'], 'http', 'mixed');
    const servers = await startAll(found);
    await expectOneCluster(
      servers,
      found.map(({ url }) => url),
    );
  });

  test('what a member advertises may be the address of its host', async () => {
    const found = await members(['quorate'], 'http', 'address');
    const [port] = found.map(({ url }) => new URL(url).port);
    const servers = await startAll(
      found.map((member) => ({
        ...member,
        flags: [...member.flags, `--initial-advertise-peer-urls=http://127.0.0.1:${port}`],
      })),
    );
    await expectOneCluster(
      servers,
      found.map(({ url }) => url),
    );
    await servers[0]?.kill();
    names.services.clear();
    await servers[0]?.restart();
    expect(servers[0]?.running).toBe(true);
  });

  test.skipIf(!hasEtcd)('over TLS, without an authority of its own, members are asked for the domain', async () => {
    const found = await members(['etcd', 'quorate', 'quorate'], 'https', 'tls');
    const authority = await certificates.authority('the system');
    // Neither for m1.… nor for an address: what is verified can only be the domain.
    const issued = await authority.issue('peer', { hosts: [DOMAIN] });
    const tls = [`--peer-cert-file=${issued.certFile}`, `--peer-key-file=${issued.keyFile}`];
    const env = { SSL_CERT_FILE: authority.caFile };
    const servers = await startAll(found.map((member) => ({ ...member, env, flags: [...member.flags, ...tls] })));
    await expectOneCluster(
      servers,
      found.map(({ url }) => url),
    );
  });

  test.each([
    ['no records', 'nobody', /error querying DNS SRV records for _etcd-server-ssl-nobody lookup \S+: no such host/],
    ['records of others only', 'others', /cannot find local etcd member "default" in SRV records/],
  ])('%s: the same error as etcd, and the end', async (_what, suffix, error) => {
    names.hosts.set(`other.${DOMAIN}`, '127.0.0.2');
    names.services.set(`_etcd-server-others._tcp.${DOMAIN}`, [{ target: `other.${DOMAIN}`, port: 1 }]);
    const flags = [
      `--discovery-srv=${DOMAIN}`,
      `--discovery-srv-name=${suffix}`,
      `--listen-client-urls=http://127.0.0.1:${await freePort()}`,
      '--advertise-client-urls=http://127.0.0.1:1',
      `--listen-peer-urls=http://127.0.0.1:${await freePort()}`,
      '--initial-advertise-peer-urls=http://127.0.0.1:2',
    ];
    for (const kind of hasEtcd ? (['etcd', 'quorate'] as const) : (['quorate'] as const)) {
      const { code, out } = await outputOf(names.seenBy(commandOf(kind)), flags);
      // Go's resolver names the server that said so.
      expect(out.replaceAll('\\"', '"').replace(/ on [\d.]+:53/g, ''), kind).toMatch(error);
      expect(code, kind).toBe(1);
    }
  });
});

/** etcd has v3 discovery since 3.6. */
async function whyNoMixedDiscovery(): Promise<string | undefined> {
  if (!hasEtcd) return NO_ETCD;
  const { out } = await outputOf(commandOf('etcd'), ['--version']);
  const [, version = ''] = /etcd Version: (\S+)/.exec(out) ?? [];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || minor >= 6 ? undefined : `v3 discovery came with etcd 3.6; this one is ${version}`;
}
const noMixed = await whyNoMixedDiscovery();
if (noMixed !== undefined)
  console.warn(`skipped: etcd and quorate discovering each other through a registry: ${noMixed}`);

describe('through another etcd', () => {
  const TOKEN = 'a-token';

  async function registry(
    kind: ServerKind,
    flags: readonly string[] = [],
  ): Promise<{ server: ServerProcess; client: RawClient }> {
    const server = await (kind === 'etcd' ? startEtcd({ flags }) : startQuorate({ flags }));
    const client = new RawClient(server.endpoint);
    started.push(server, { stop: () => client.close() });
    return { server, client };
  }

  interface Founder {
    readonly command: Command;
    readonly name: string;
    readonly flags: readonly string[];
    readonly url: string;
  }

  async function founders(kinds: readonly ServerKind[], discovery: readonly string[]): Promise<Founder[]> {
    const all: Founder[] = [];
    for (const [i, kind] of kinds.entries()) {
      const url = `http://127.0.0.1:${await freePort()}`;
      const flags = [
        `--listen-peer-urls=${url}`,
        `--initial-advertise-peer-urls=${url}`,
        '--initial-cluster=',
        ...discovery,
      ];
      all.push({ command: commandOf(kind), name: `m${i + 1}`, flags, url });
    }
    return all;
  }

  const sizeKey = `/_etcd/registry/${TOKEN}/_config/size`;
  const flagsFor = (endpoint: string): string[] => [`--discovery-endpoints=${endpoint}`, `--discovery-token=${TOKEN}`];

  test.each(['quorate', ...(hasEtcd ? (['etcd'] as const) : [])] as const)(
    'three quorate find each other through a %s; who comes again or too late does not get in',
    async (kind) => {
      const { server, client } = await registry(kind);
      await client.put({ key: sizeKey, value: '3' });
      // Nobody listens on the first endpoint.
      const discovery = flagsFor(`http://127.0.0.1:1,${server.clientUrl}`);
      const found = await founders(['quorate', 'quorate', 'quorate'], discovery);
      const servers = await startAll(found);
      await expectOneCluster(
        servers,
        found.map(({ url }) => url),
      );
      const { kvs } = await client.range({
        key: `/_etcd/registry/${TOKEN}/members/`,
        range_end: `/_etcd/registry/${TOKEN}/members0`,
      });
      expect(kvs.map(({ value }) => text(value)).sort()).toEqual(found.map(({ name, url }) => `${name}=${url}`));
      await servers[0]?.kill();
      await client.deleteRange({ key: sizeKey });
      await servers[0]?.restart();
      expect(servers[0]?.running).toBe(true);
      await client.put({ key: sizeKey, value: '3' });
      const begin = async (member: Founder | undefined, name: string) =>
        outputOf(member?.command ?? quorateCommand(), [
          ...(member?.flags ?? []),
          `--name=${name}`,
          `--listen-client-urls=http://127.0.0.1:${await freePort()}`,
          '--advertise-client-urls=http://127.0.0.1:1',
        ]);
      // A founder that has lost its data.
      await servers[1]?.kill();
      expect((await begin(found[1], 'm2')).out).toMatch(/member [0-9a-f]+ has already been bootstrapped/);
      const [late] = await founders(['quorate'], discovery);
      const { code, out } = await begin(late, 'm4');
      expect(out).toContain('failed to join discovery cluster (discovery: cluster is full)');
      expect(code).toBe(1);
    },
  );

  test.skipIf(noMixed !== undefined)('two etcd and one quorate found a cluster by one token', async () => {
    const { server, client } = await registry('quorate');
    await client.put({ key: sizeKey, value: '3' });
    const found = await founders(['etcd', 'quorate', 'etcd'], flagsFor(server.clientUrl));
    await expectOneCluster(
      await startAll(found),
      found.map(({ url }) => url),
    );
  });

  test('over TLS, with a user and a password', async () => {
    const certificates = new CertificateFolder();
    started.push({ stop: () => certificates.remove() });
    const authority = await certificates.authority('registry');
    const own = await authority.issue('server');
    const { server, client } = await registry('quorate');
    await client.put({ key: sizeKey, value: '1' });
    const auth = new AuthClient(client);
    await auth.addUser('root', 'secret');
    await auth.give('root', 'root');
    await auth.call('AuthEnable');
    await server.kill();
    await server.restart([
      `--listen-client-urls=https://127.0.0.1:${server.clientPort}`,
      `--cert-file=${own.certFile}`,
      `--key-file=${own.keyFile}`,
    ]);
    const discovery = [...flagsFor(server.endpoint), `--discovery-cacert=${authority.caFile}`, '--discovery-user=root'];
    const [member] = await founders(['quorate'], discovery);
    if (member === undefined) throw new Error('no member');
    const ports = [
      `--listen-client-urls=http://127.0.0.1:${await freePort()}`,
      '--advertise-client-urls=http://127.0.0.1:1',
    ];
    const wrong = await outputOf(member.command, [
      ...member.flags,
      '--name=m1',
      ...ports,
      '--discovery-password=wrong',
    ]);
    expect(wrong.out).toContain('authentication failed, invalid user ID or password');
    expect(wrong.out).not.toContain('--discovery-password=wrong');
    const servers = await startAll([{ ...member, flags: [...member.flags, '--discovery-password=secret'] }]);
    await expectOneCluster(servers, [member.url]);
  });
});
