/** Who is let in at the client port and at the peer port: the same on quorate and on a real etcd. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Authority, CertificateFolder, type Issued } from '../../support/certificates.ts';
import { RawClient } from '../../support/raw-client.ts';
import { describeSecureServers } from '../../support/secure-server.ts';

const folder = new CertificateFolder();
const shown: Record<string, Issued> = {};
let authority: Authority;
let server: Issued;
let crlFile: string;

beforeAll(async () => {
  authority = await folder.authority('ours');
  const others = await folder.authority('others');
  server = await authority.issue('server', { hosts: ['127.0.0.1'] });
  shown['a good one'] = await authority.issue('good', { hosts: [] });
  shown['one for 127.0.0.1'] = await authority.issue('here', { hosts: ['127.0.0.1'] });
  shown['one for localhost'] = await authority.issue('local', { hosts: ['localhost'] });
  shown['one for 10.0.0.1'] = await authority.issue('there', { hosts: ['10.0.0.1'] });
  shown['one for 10.0.0.1 and localhost'] = await authority.issue('both', { hosts: ['10.0.0.1', 'localhost'] });
  shown['one for nowhere.invalid'] = await authority.issue('nowhere', { hosts: ['nowhere.invalid'] });
  shown['one for a.example'] = await authority.issue('a', { hosts: ['a.example', '127.0.0.1'] });
  shown["another authority's"] = await others.issue('stranger', { hosts: [] });
  shown['an expired one'] = await authority.issue('expired', { hosts: [], days: -1 });
  shown['one for servers alone'] = await authority.issue('misused', { hosts: [], usages: ['server'] });
  shown['a revoked one'] = await authority.issue('revoked', { hosts: [] });
  crlFile = await authority.revoke([shown['a revoked one'].serial, '5000']);
});
afterAll(() => folder.remove());

const PAIR = (): string[] => [
  `--cert-file=${server.certFile}`,
  `--key-file=${server.keyFile}`,
  `--peer-cert-file=${server.certFile}`,
  `--peer-key-file=${server.keyFile}`,
];

describeSecureServers(
  'with authorities and revocation lists',
  () => authority,
  () => [
    ...PAIR(),
    `--trusted-ca-file=${authority.caFile}`,
    `--client-crl-file=${crlFile}`,
    `--peer-trusted-ca-file=${authority.caFile}`,
    `--peer-crl-file=${crlFile}`,
  ],
  (rig) => {
    const CLIENTS: [string, boolean][] = [
      ['a good one', true],
      ['one for 10.0.0.1', true],
      ['one for nowhere.invalid', true],
      ['none', false],
      ["another authority's", false],
      ['an expired one', false],
      ['one for servers alone', false],
      ['a revoked one', false],
    ];
    test.each(CLIENTS)('the client port and %s', async (which, isLetIn) => {
      const own = shown[which];
      expect(own === undefined).toBe(which === 'none');
      expect(await rig().isServed(`${rig().process.clientUrl}/health`, own)).toBe(isLetIn);
      expect(await rig().isServed(`${rig().process.clientUrl}/version`, own)).toBe(isLetIn);
    });

    test('gRPC is let in and kept out alike', async () => {
      expect(await rig().range(shown['a good one'])).toBe(true);
      expect(await rig().range(undefined)).toBe(false);
      expect(await rig().range(shown['a revoked one'])).toBe(false);
    });

    const PEERS: [string, boolean][] = [
      ['a good one', true],
      ['one for 127.0.0.1', true],
      ['one for localhost', true],
      ['one for 10.0.0.1', false],
      ['one for 10.0.0.1 and localhost', true],
      ['one for nowhere.invalid', false],
      ['none', false],
      ["another authority's", false],
      ['an expired one', false],
      ['one for servers alone', false],
      ['a revoked one', false],
    ];
    test.each(PEERS)('the peer port and %s', async (which, isLetIn) => {
      const own = shown[which];
      expect(await rig().isServed(`${rig().peerUrl}/members`, own)).toBe(isLetIn);
      expect(await rig().isServed(`${rig().peerUrl}/version`, own)).toBe(isLetIn);
    });

    test('the log tells of each refusal, and where it came from', async () => {
      await rig().isServed(`${rig().process.clientUrl}/health`, shown['a revoked one']);
      await rig().isServed(`${rig().peerUrl}/members`, shown['one for nowhere.invalid']);
      await expect.poll(() => rig().rejected('client').at(-1), { timeout: 10_000 }).toMatch(/serial .* revoked/);
      await expect
        .poll(() => rig().rejected('peer').at(-1), { timeout: 10_000 })
        .toMatch(/does not match any of DNSNames/);
      for (const side of ['client', 'peer'] as const) {
        expect(rig().rejected(side).at(-1)).toMatch(/"remote-addr":"127\.0\.0\.1:\d+"/);
      }
    });

    test('a client without TLS is not served', async () => {
      const plain = new RawClient(rig().process.endpoint);
      await expect(plain.range({ key: 'x' }, { timeoutMs: 5_000 })).rejects.toThrow();
      plain.close();
    });
  },
);

describeSecureServers(
  'with allowed names, and one cipher suite of TLS 1.2',
  () => authority,
  () => [
    ...PAIR(),
    `--trusted-ca-file=${authority.caFile}`,
    '--client-cert-allowed-hostname=a.example',
    `--peer-trusted-ca-file=${authority.caFile}`,
    '--peer-client-cert-auth',
    '--peer-cert-allowed-cn=here',
    '--tls-max-version=TLS1.2',
    // etcd's HTTP/2 needs this one.
    '--cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  ],
  (rig) => {
    test.each([
      ['one for a.example', true],
      ['one for 127.0.0.1', false],
      ['a good one', false],
    ])('the client port and %s', async (which, isLetIn) => {
      expect(await rig().isServed(`${rig().process.clientUrl}/health`, shown[which])).toBe(isLetIn);
      expect(await rig().range(shown[which])).toBe(isLetIn);
    });

    test.each([
      ['one for 127.0.0.1', true],
      ['one for a.example', false],
    ])('the peer port and %s', async (which, isLetIn) => {
      expect(await rig().isServed(`${rig().peerUrl}/members`, shown[which])).toBe(isLetIn);
    });

    test('the suite is used, and no other', async () => {
      const own = shown['one for a.example'];
      const url = `${rig().process.clientUrl}/health`;
      expect((await rig().get(url, own)).cipher).toBe('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256');
      await expect(rig().get(url, own, { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })).rejects.toThrow();
      await expect(rig().get(url, own, { minVersion: 'TLSv1.3' })).rejects.toThrow();
    });
  },
);

describeSecureServers(
  'with certificates made at the start',
  () => authority,
  () => ['--auto-tls', '--peer-auto-tls'],
  (rig) => {
    test('everyone is let in who does not ask whom they talk to', async () => {
      const url = `${rig().process.clientUrl}/health`;
      await expect(rig().get(url, undefined)).rejects.toThrow(/self-signed/);
      expect(await rig().get(url, undefined, { rejectUnauthorized: false })).toMatchObject({ status: 200 });
      const peer = await rig().get(`${rig().peerUrl}/members`, undefined, { rejectUnauthorized: false });
      expect(peer).toMatchObject({ status: 200 });
    });
  },
);
