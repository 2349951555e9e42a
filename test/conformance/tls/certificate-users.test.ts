/** The common name of a client's certificate as the name of a user. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AuthClient } from '../../support/auth-client.ts';
import { type Authority, CertificateFolder, type Issued } from '../../support/certificates.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { describeSecureServers, type SecureServer } from '../../support/secure-server.ts';

const folder = new CertificateFolder();
const users: Record<string, Issued> = {};
let authority: Authority;
let server: Issued;

beforeAll(async () => {
  authority = await folder.authority('ours');
  server = await authority.issue('server');
  for (const name of ['root', 'alice', 'nobody', ''])
    users[name] = await authority.issue(`user-${name}`, { commonName: name });
});
afterAll(() => folder.remove());

const FLAGS = (): string[] => [
  `--cert-file=${server.certFile}`,
  `--key-file=${server.keyFile}`,
  `--trusted-ca-file=${authority.caFile}`,
  '--peer-auto-tls',
];

const PERMISSION_DENIED = { code: 7, message: 'etcdserver: permission denied' };
const USER_EMPTY = { code: 3, message: 'etcdserver: user name is empty' };

async function as<T>(rig: SecureServer, user: string, call: (client: RawClient) => Promise<T>): Promise<T> {
  const client = rig.client(users[user]);
  try {
    return await call(client);
  } finally {
    client.close();
  }
}

async function enableAuth(rig: SecureServer): Promise<void> {
  await as(rig, 'root', async (client) => {
    const auth = new AuthClient(client);
    await auth.addUser('root', 'secret');
    await auth.call('UserGrantRole', { user: 'root', role: 'root' });
    await auth.addUser('alice', 'secret');
    await auth.give('alice', 'letters', { permType: 'READWRITE', key: 'a/', range_end: 'a0' });
    await auth.call('AuthEnable');
  });
}

const put = (key: string) => (client: RawClient) => client.put({ key, value: 'x' });

describeSecureServers(
  'with --client-cert-auth',
  () => authority,
  () => [...FLAGS(), '--client-cert-auth'],
  (rig) => {
    test('a certificate is as good as a login', async () => {
      await enableAuth(rig());
      await as(rig(), 'alice', put('a/1'));
      await expect(as(rig(), 'alice', put('b'))).rejects.toMatchObject(PERMISSION_DENIED);
      await as(rig(), 'root', put('b'));
      await expect(as(rig(), 'nobody', put('a/1'))).rejects.toMatchObject(PERMISSION_DENIED);
      // One without a name is a user that does not exist, too.
      await expect(as(rig(), '', put('a/1'))).rejects.toMatchObject(PERMISSION_DENIED);
    });

    test('counts on every connection, for watches too, and after what was changed', async () => {
      await as(rig(), 'root', (client) => new AuthClient(client).call('RoleAdd', { name: 'later' }));
      for (let i = 0; i < 2; i++) await as(rig(), 'alice', put('a/1'));
      await as(rig(), 'alice', async (client) => {
        const stream = client.watch();
        stream.send({ create_request: { key: 'a/1' } });
        expect(await stream.next()).toMatchObject({ created: true, canceled: false });
        stream.cancel();
      });
    });

    test('what comes through the gateway has the certificate of the gateway, which counts for nothing', async () => {
      const metadata = { 'grpcgateway-accept': '*/*' };
      await as(rig(), 'alice', async (client) => {
        await expect(client.put({ key: 'a/1' }, { metadata })).rejects.toMatchObject(USER_EMPTY);
        await expect(client.range({ key: 'a/1' }, { metadata })).rejects.toMatchObject(USER_EMPTY);
      });
    });

    test('a token wins over the certificate', async () => {
      await as(rig(), 'root', async (client) => {
        const { options } = await new AuthClient(client).login('alice', 'secret');
        await client.put({ key: 'a/2', value: 'x' }, options);
        await expect(client.put({ key: 'b', value: 'x' }, options)).rejects.toMatchObject(PERMISSION_DENIED);
      });
    });
  },
);

describeSecureServers(
  'with --trusted-ca-file alone',
  () => authority,
  FLAGS,
  (rig) => {
    test('a certificate is asked for, and is nobody', async () => {
      await enableAuth(rig());
      await expect(as(rig(), 'alice', put('a/1'))).rejects.toMatchObject(USER_EMPTY);
    });
  },
);
