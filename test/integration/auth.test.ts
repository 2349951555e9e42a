/** Authentication on clusters of real processes, also with etcd among the members, over restarts and in snapshots. */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AuthClient } from '../support/auth-client.ts';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { expectError } from '../support/expect-error.ts';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, NO_ETCD, startEtcd } from '../support/real-etcd.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { TestCluster, type ClusterMember } from '../support/test-cluster.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

const FLAGS = ['--bcrypt-cost=4'];

withBundleForFile();

/** root, and a user who may read and write own/. */
async function prepare(client: RawClient): Promise<void> {
  const auth = new AuthClient(client);
  await auth.addUser('root', 'toor');
  await auth.give('root', 'root');
  await auth.addUser('user', 'secret');
  await auth.give('user', 'role', { permType: 'READWRITE', key: 'own/', range_end: 'own0' });
}

async function loginAt({ client }: { client: RawClient }, name: string, password: string): Promise<AuthClient> {
  return new AuthClient(client).login(name, password);
}

function tokenOf({ options }: AuthClient): string {
  return options.metadata?.['token'] ?? '';
}

/** The token of a login that every member knows of: etcd's may need a moment more for that than they wait by themselves. */
async function knownToken(members: readonly ClusterMember[], login: Promise<AuthClient>): Promise<string> {
  const { options } = await login;
  for (const { client } of members) {
    const use = (): Promise<string> => client.range({ key: 'own/a' }, options).then(() => 'known', String);
    await expect.poll(use).not.toContain('invalid auth token');
  }
  return options.metadata?.['token'] ?? '';
}

/** What one may do through every member with a token of any of them. */
async function expectUser(members: readonly ClusterMember[], token: string): Promise<void> {
  const options = { metadata: { token } };
  for (const { client, name } of members) {
    await client.put({ key: `own/${name}`, value: 'x' }, options);
    expect((await client.range({ key: `own/${name}` }, options)).count).toBe(1n);
    await expectError(client.put({ key: 'alien' }, options), 'PermissionDenied');
    await expectError(client.range({ key: 'alien' }, options), 'PermissionDenied');
    await expectError(client.put({ key: 'own/a' }, { metadata: {} }), 'UserEmpty');
  }
}

describe('one member', () => {
  let server: ServerProcess;
  let client: RawClient;

  beforeAll(async () => {
    server = await startQuorate({ flags: ['--bcrypt-cost=8'] });
    client = new RawClient(server.endpoint);
    await prepare(client);
    await new AuthClient(client).call('AuthEnable');
  });

  afterAll(async () => {
    client?.close();
    await server?.stop();
  });

  test('tells its health and its metrics without credentials', async () => {
    const health = await fetch(`${server.clientUrl}/health`);
    expect(await health.json()).toEqual({ health: 'true', reason: '' });
    const metrics = await (await fetch(`${server.clientUrl}/metrics`)).text();
    expect(metrics).toMatch(/^etcd_debugging_auth_revision 8$/m);
  });

  test('lets leases end that a user made', async () => {
    const { options } = await loginAt({ client }, 'user', 'secret');
    const { ID } = await client.leaseGrant({ TTL: 2 }, options);
    await client.put({ key: 'own/leased', lease: ID }, options);
    const count = async (): Promise<bigint> => (await client.range({ key: 'own/leased' }, options)).count;
    await expect.poll(count, { timeout: 20_000, interval: 200 }).toBe(0n);
  });

  test('serves others during a storm of logins', async () => {
    const { options } = await loginAt({ client }, 'user', 'secret');
    let answered = 0;
    const storm = Array.from({ length: 300 }, async (_, i) => {
      const answer = await loginAt({ client }, 'user', `guess ${i}`).then(() => 'in', String);
      answered++;
      return answer;
    });
    for (let i = 0; i < 20; i++) await client.put({ key: 'own/a' }, options);
    // The right password is remembered, and need not queue.
    await loginAt({ client }, 'user', 'secret');
    expect(answered).toBeLessThan(storm.length);
    const answers = new Set(await Promise.all(storm));
    expect([...answers].map((answer) => answer.replace(/^.*?etcdserver: /, '')).sort()).toEqual([
      'authentication failed, invalid user ID or password',
      'too many requests',
    ]);
  });

  test('stays closed over a restart, and lets in who was let in before', async () => {
    const before = await loginAt({ client }, 'root', 'toor');
    const { authRevision } = await before.call<{ authRevision: bigint }>('AuthStatus');
    expect(server.logTail(1000)).not.toMatch(/toor|secret|guess/);
    const [prefix = ''] = tokenOf(before).split('.');
    expect(prefix.length).toBeGreaterThan(10);
    expect(server.logTail(1000)).not.toContain(prefix);
    await server.kill();
    // Neither the log nor the database holds a password.
    const onDisk = readdirSync(server.dataDir, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    );
    const contents = onDisk.map((file) => readFileSync(join(file.parentPath, file.name)));
    expect(contents.some((content) => content.includes('own/leased'))).toBe(true);
    for (const password of ['toor', 'secret', 'guess']) {
      expect(contents.some((content) => content.includes(password))).toBe(false);
    }
    await server.restart();
    await expectError(client.put({ key: 'own/a' }), 'UserEmpty');
    const root = await loginAt({ client }, 'root', 'toor');
    expect(await root.call('AuthStatus')).toMatchObject({ enabled: true, authRevision });
    const user = await loginAt({ client }, 'user', 'secret');
    await client.put({ key: 'own/a' }, user.options);
    await expectError(client.put({ key: 'alien' }, user.options), 'PermissionDenied');
  });
});

describe('three members', () => {
  let cluster: TestCluster;

  afterEach(async () => {
    await cluster?.stop();
  });

  test('share users, tokens and refusals', async () => {
    cluster = await TestCluster.start(['quorate', 'quorate', 'quorate'], FLAGS);
    const [one, two, three] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
    await prepare(one.client);
    await new AuthClient(two.client).call('AuthEnable');
    for (const member of cluster.members) {
      // At once elsewhere: a member that is behind waits for the entry that the token tells of.
      const token = tokenOf(await loginAt(member, 'user', 'secret'));
      await expectUser(cluster.members, token);
    }
    const root = await loginAt(three, 'root', 'toor');
    cluster.useToken(tokenOf(root));
    const user = await loginAt(one, 'user', 'secret');
    await new AuthClient(two.client, tokenOf(root)).call('UserChangePassword', { name: 'user', password: 'new' });
    for (const { client } of cluster.members) {
      const read = (): Promise<unknown> => client.range({ key: 'own/a' }, user.options);
      await expect.poll(() => read().then(String, String)).toContain('invalid auth token');
    }
    await expectError(loginAt(three, 'user', 'secret'), 'AuthFailed');
    await expectUser(cluster.members, tokenOf(await loginAt(three, 'user', 'new')));
    // Another leader, and the one before comes back.
    const leader = await cluster.leader();
    await leader.server.kill();
    const next = await cluster.leader();
    const again = await loginAt(next, 'user', 'new');
    await leader.server.restart();
    cluster.useToken(tokenOf(await loginAt(next, 'root', 'toor')));
    await cluster.leader();
    await expectUser(cluster.members, tokenOf(again));
    expect(new Set(await cluster.hashes()).size).toBe(1);
  });
});

describe('JSON web tokens', () => {
  let dir = '';
  let cluster: TestCluster;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'auth-test-'));
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(dir, 'jwt.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    writeFileSync(join(dir, 'jwt.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  });

  afterEach(async () => {
    await cluster?.stop();
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test.skipIf(!available)('of etcd are good for quorate, and the other way round', async () => {
    const flag = `--auth-token=jwt,pub-key=${dir}/jwt.pub,priv-key=${dir}/jwt.key,sign-method=RS256,ttl=10m`;
    cluster = await TestCluster.start(['etcd', 'quorate', 'quorate'], [...FLAGS, flag]);
    const [etcd, ours] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
    await prepare(etcd.client);
    await new AuthClient(ours.client).call('AuthEnable');
    for (const member of [etcd, ours]) {
      const user = await loginAt(member, 'user', 'secret');
      await expectUser(cluster.members, tokenOf(user));
      // A token of before a change is too old for everybody.
      const root = await loginAt(ours, 'root', 'toor');
      await root.call('RoleAdd', { name: `after ${member.name}` });
      for (const { client } of cluster.members) {
        const read = (): Promise<unknown> => client.range({ key: 'own/a' }, user.options);
        await expect.poll(() => read().then(String, String)).toContain('revision of auth store is old');
        await expectError(client.put({ key: 'own/a' }, user.options), 'AuthOldRevision');
      }
    }
  });

  test('a key that is none is said at the start', async () => {
    writeFileSync(join(dir, 'none.pub'), 'none');
    const flag = `--auth-token=jwt,pub-key=${dir}/none.pub,sign-method=RS256`;
    await expect(startQuorate({ flags: [flag] })).rejects.toThrow('--auth-token: pub-key is no key in PEM format');
  });
});

describe.skipIf(!available)('with etcd', () => {
  let cluster: TestCluster;

  afterEach(async () => {
    await cluster?.stop();
  });

  test('members of both kinds know the same users, passwords and tokens, whoever leads', async () => {
    cluster = await TestCluster.start(['etcd', 'quorate', 'quorate'], FLAGS);
    const [etcd, ours] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
    await prepare(etcd.client);
    await new AuthClient(ours.client).addUser('by-quorate', 'secret');
    await new AuthClient(ours.client).call('UserGrantRole', { user: 'by-quorate', role: 'role' });
    await new AuthClient(etcd.client).call('AuthEnable');
    for (const leader of [etcd, ours]) {
      const root = await knownToken(cluster.members, loginAt(ours, 'root', 'toor'));
      cluster.useToken(root);
      const now = await cluster.leader();
      if (now !== leader) await now.client.moveLeader(leader.id);
      expect(await cluster.leader()).toBe(leader);
      for (const member of [etcd, ours]) {
        for (const name of ['user', 'by-quorate']) {
          await expectUser(cluster.members, await knownToken(cluster.members, loginAt(member, name, 'secret')));
          await expectError(loginAt(member, name, 'wrong'), 'AuthFailed');
        }
        const administrator = new AuthClient(member.client, root);
        await administrator.call('UserChangePassword', { name: 'user', password: `new ${member.name}` });
        for (const other of [etcd, ours]) await loginAt(other, 'user', `new ${member.name}`);
        await administrator.call('UserChangePassword', { name: 'user', password: 'secret' });
      }
      await expectSameAuth(root);
      expect(new Set(await cluster.hashes()).size).toBe(1);
    }
    // Leases end with authentication on, whoever leads.
    const token = await knownToken(cluster.members, loginAt(ours, 'user', 'secret'));
    const options = { metadata: { token } };
    const { ID } = await etcd.client.leaseGrant({ TTL: 2 }, options);
    await etcd.client.put({ key: 'own/leased', lease: ID }, options);
    for (const { client } of [etcd, ours]) {
      const count = async (): Promise<bigint> => (await client.range({ key: 'own/leased' }, options)).count;
      await expect.poll(count, { timeout: 20_000, interval: 200 }).toBe(0n);
    }
  });

  /** What every member shows of users and roles. */
  async function expectSameAuth(rootToken: string): Promise<void> {
    const shown = await Promise.all(
      cluster.members.map(async ({ client }) => {
        const root = new AuthClient(client, rootToken);
        const { enabled, authRevision } = await root.call<{ enabled: boolean; authRevision: bigint }>('AuthStatus');
        const { users } = await root.call<{ users: string[] }>('UserList');
        const { roles } = await root.call<{ roles: string[] }>('RoleList');
        const { perm } = await root.call<{ perm: object[] }>('RoleGet', { role: 'role' });
        return { enabled, authRevision, users, roles, perm };
      }),
    );
    expect(shown[0]).toMatchObject({ enabled: true, roles: ['role', 'root'] });
    for (const other of shown.slice(1)) expect(other).toEqual(shown[0]);
  }

  test('users travel in snapshots, from etcd to quorate and from quorate to etcd', async () => {
    const flags = [...FLAGS, '--snapshot-count=20', '--experimental-snapshot-catchup-entries=5'];
    cluster = await TestCluster.start(['etcd'], flags);
    const [etcd] = cluster.members as [ClusterMember];
    await prepare(etcd.client);
    for (let i = 0; i < 60; i++) await etcd.client.put({ key: `own/${i}` });
    await new AuthClient(etcd.client).call('AuthEnable');
    const root = await loginAt(etcd, 'root', 'toor');
    cluster.useToken(tokenOf(root));
    const peerUrl = await cluster.newPeerUrl();
    await etcd.client.unary('etcdserverpb.Cluster', 'MemberAdd', { peerURLs: [peerUrl] });
    // It knows nothing yet: neither that authentication is on, nor the token.
    const ours = await cluster.join('quorate', peerUrl);
    await expect.poll(() => loginAt(ours, 'user', 'secret').then(() => 'in', String), { timeout: 20_000 }).toBe('in');
    expect(ours.server.logTail(1000)).toContain('taking over a snapshot from the leader');
    await expectUser(cluster.members, await knownToken(cluster.members, loginAt(ours, 'user', 'secret')));
  });

  test('a backup of quorate lets the same users into etcd', async () => {
    const bin = etcdBinDir() ?? '';
    const dir = mkdtempSync(join(tmpdir(), 'auth-backup-'));
    const run = (tool: string, ...args: string[]): void => {
      const { status, stderr } = spawnSync(join(bin, tool), args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${tool} failed: ${stderr}`);
    };
    const server = await startQuorate({ flags: FLAGS });
    const client = new RawClient(server.endpoint);
    await prepare(client);
    await new AuthClient(client).call('AuthEnable');
    const file = join(dir, 'backup.db');
    run('etcdctl', '--endpoints', server.endpoint, '--user', 'root:toor', 'snapshot', 'save', file);
    client.close();
    await server.stop();
    run('etcdutl', 'snapshot', 'restore', file, '--data-dir', join(dir, 'restored'));
    const etcd = await startEtcd({ dataDir: join(dir, 'restored') });
    const restored = new RawClient(etcd.endpoint);
    try {
      await expectError(restored.put({ key: 'own/a' }), 'UserEmpty');
      const user = await loginAt({ client: restored }, 'user', 'secret');
      await restored.put({ key: 'own/a' }, user.options);
      await expectError(restored.put({ key: 'alien' }, user.options), 'PermissionDenied');
      const root = await loginAt({ client: restored }, 'root', 'toor');
      expect(await root.call('AuthStatus')).toMatchObject({ enabled: true, authRevision: 8n });
    } finally {
      restored.close();
      await etcd.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
