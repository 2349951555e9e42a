import tls from 'node:tls';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CIPHER_SUITE_NAMES, opensslCiphers } from '../../../src/config/cipher-suites.ts';
import { config, failure, fromFile, warnings } from './run.ts';

const CLIENT = '--listen-client-urls=https://127.0.0.1:1 --advertise-client-urls=https://127.0.0.1:1';
const PEER =
  '--listen-peer-urls=https://127.0.0.1:2 --initial-advertise-peer-urls=https://127.0.0.1:2 --initial-cluster=default=https://127.0.0.1:2';
const PAIR = '--cert-file=c --key-file=k';
const PEER_PAIR = '--peer-cert-file=c --peer-key-file=k';

describe('what is wrong together', () => {
  test.each([
    [
      CLIENT,
      'TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme',
    ],
    ['--listen-metrics-urls=https://127.0.0.1:3', 'must be provided for client url https://127.0.0.1:3'],
    ['--listen-client-http-urls=https://127.0.0.1:3', 'must be provided for client url https://127.0.0.1:3'],
    ['--listen-client-urls=unixs://x --advertise-client-urls=', 'must be provided for client url unixs://x'],
    [PEER, 'TLS key/cert (--peer-cert-file, --peer-key-file) must be provided for peer url https://127.0.0.1:2'],
    [
      `${CLIENT} --cert-file=c`,
      '--cert-file and --key-file must both be present or both absent (--cert-file=c, --key-file=)',
    ],
    [`${CLIENT} --key-file=k`, '--cert-file and --key-file must both be present'],
    [`${CLIENT} ${PAIR} --client-cert-file=x`, '--client-cert-file and --client-key-file must both be present'],
    ['--peer-cert-file=c', '--peer-cert-file and --peer-key-file must both be present or both absent'],
    [`${PEER} ${PEER_PAIR} --peer-client-key-file=x`, '--peer-client-cert-file and --peer-client-key-file must both'],
    [
      '--peer-cert-allowed-cn=a,b --peer-cert-allowed-hostname=c',
      '--peer-cert-allowed-cn=a,b and --peer-cert-allowed-hostname=c are mutually exclusive',
    ],
    ['--tls-min-version=TLS1.1', 'invalid value "TLS1.1" for flag --tls-min-version: it must be one of TLS1.2, TLS1.3'],
    ['--tls-max-version=1.3', 'invalid value "1.3" for flag --tls-max-version: it must be one of TLS1.2, TLS1.3'],
    [
      '--tls-min-version=TLS1.3 --tls-max-version=TLS1.2',
      'invalid value "TLS1.3" for flag --tls-min-version: it is greater than --tls-max-version=TLS1.2',
    ],
    [
      '--tls-min-version=TLS1.3 --cipher-suites=TLS_AES_128_GCM_SHA256',
      'for flag --cipher-suites: cipher suites cannot be configured when only TLS1.3 is enabled',
    ],
    [
      '--cipher-suites=TLS_NOPE',
      'invalid value "TLS_NOPE" for flag --cipher-suites: "TLS_NOPE" is no TLS cipher suite',
    ],
    ['--cipher-suites=AES128-SHA', '"AES128-SHA" is no TLS cipher suite'],
    ['--cipher-suites=TLS_RSA_WITH_RC4_128_SHA', '"TLS_RSA_WITH_RC4_128_SHA" is not offered any more'],
    [`${CLIENT} --auto-tls --self-signed-cert-validity=0`, 'invalid value "0" for flag --self-signed-cert-validity'],
    [
      '--listen-client-http-urls=http://localhost:2379',
      'invalid value "http://localhost:2379" for flag --listen-client-http-urls: it is among --listen-client-urls, too',
    ],
  ])('%s', (flags, line) => {
    expect(failure(flags)).toMatchObject({ line: expect.stringContaining(line), exitCode: 1 });
  });
});

describe('settings', () => {
  const own = { certificate: { flag: '--cert-file', path: 'c' }, key: { flag: '--key-file', path: 'k' } };

  test('of clients', () => {
    expect(config(`${CLIENT} ${PAIR}`)).toMatchObject({
      peerTls: undefined,
      clientTls: { own, dialing: own, requiresCertificate: false, authorities: undefined, checksAddress: false },
    });
    const flags = '--trusted-ca-file=ca --client-crl-file=crl --client-cert-allowed-hostname=a,b';
    expect(config(`${CLIENT} ${PAIR} ${flags}`).clientTls).toMatchObject({
      requiresCertificate: true,
      authorities: { flag: '--trusted-ca-file', path: 'ca' },
      revoked: { flag: '--client-crl-file', path: 'crl' },
      allowedHostnames: ['a', 'b'],
    });
    expect(config(`${CLIENT} ${PAIR} --client-cert-auth`).clientTls?.requiresCertificate).toBe(true);
  });

  test('of peers', () => {
    expect(config(`${PEER} ${PEER_PAIR} --peer-cert-allowed-cn=a,b`)).toMatchObject({
      clientTls: undefined,
      peerTls: { requiresCertificate: false, allowedCommonNames: ['a', 'b'], checksAddress: true },
    });
    const flags = '--peer-client-cert-file=cc --peer-client-key-file=ck --peer-skip-client-san-verification';
    expect(config(`${PEER} ${PEER_PAIR} --peer-trusted-ca-file=ca ${flags}`).peerTls).toMatchObject({
      own: { certificate: { path: 'c' }, key: { path: 'k' } },
      dialing: { certificate: { path: 'cc' }, key: { path: 'ck' } },
      requiresCertificate: true,
      checksAddress: false,
    });
  });

  test('of a member that only dials with TLS', () => {
    const flags = '--initial-cluster=default=http://localhost:2380,b=https://b:2380 --peer-trusted-ca-file=ca';
    expect(config(flags).peerTls).toMatchObject({ own: undefined, dialing: undefined, authorities: { path: 'ca' } });
  });

  test('of certificates made at the start', () => {
    const found = config(`${CLIENT} ${PEER} --data-dir=/d --auto-tls --peer-auto-tls --self-signed-cert-validity=3`);
    expect(found.clientTls).toMatchObject({
      own: { certificate: { path: '/d/fixtures/client/cert.pem' }, key: { path: '/d/fixtures/client/key.pem' } },
      selfSigned: { hosts: ['127.0.0.1'], validityYears: 3, isForDialing: false },
      requiresCertificate: false,
    });
    expect(found.peerTls).toMatchObject({
      own: { certificate: { path: '/d/fixtures/peer/cert.pem' } },
      selfSigned: { isForDialing: true },
      checksAddress: false,
    });
  });

  test('from a file', () => {
    const found = fromFile(
      [
        'listen-client-urls: https://127.0.0.1:1',
        'client-transport-security: {cert-file: c, key-file: k, client-cert-auth: true, trusted-ca-file: ca}',
        'peer-transport-security: {cert-file: c, key-file: k, allowed-cn: [a], skip-client-san-verification: true}',
        'cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]',
        'tls-max-version: TLS1.2',
      ].join('\n'),
    );
    expect(found.clientTls).toMatchObject({ own, requiresCertificate: true, versionMax: 'TLSv1.2' });
    expect(found.clientTls?.ciphers).toContain('ECDHE-RSA-AES128-GCM-SHA256');
    expect(found.peerTls).toMatchObject({ allowedCommonNames: ['a'], checksAddress: false });
  });

  test('versions', () => {
    expect(config(`${CLIENT} ${PAIR}`).clientTls).toMatchObject({ versionMin: 'TLSv1.2', versionMax: undefined });
    const flags = '--tls-min-version=TLS1.3 --tls-max-version=TLS1.3';
    expect(config(`${CLIENT} ${PAIR} ${flags}`).clientTls).toMatchObject({
      versionMin: 'TLSv1.3',
      versionMax: 'TLSv1.3',
    });
    expect(config(`${CLIENT} ${PAIR} --tls-min-version=`).clientTls?.versionMin).toBe('TLSv1.2');
  });
});

test('what means nothing is warned about', () => {
  const messages = (flags: string): string[] => warnings(flags).map(({ message }) => message);
  expect(messages(`${CLIENT} ${PAIR} --trusted-ca-file=ca`)).toEqual([]);
  expect(messages(`${PAIR} --client-cert-auth`)).toEqual([
    'scheme is http or unix while key and cert files are present; ignoring them',
    'scheme is http or unix while --client-cert-auth is enabled; ignoring it for this URL',
  ]);
  expect(messages(`${CLIENT} ${PAIR} --auto-tls`)).toEqual(['ignoring client auto TLS since certs given']);
  expect(messages(`${CLIENT} --auto-tls --client-cert-auth --trusted-ca-file=ca`)).toEqual([
    'ignoring a flag since --auto-tls makes a certificate that nobody can verify',
    'ignoring a flag since --auto-tls makes a certificate that nobody can verify',
  ]);
  expect(messages(PEER_PAIR)).toEqual(['scheme is http or unix while key and cert files are present; ignoring them']);
});

describe('cipher suites', () => {
  const fail = (name: string): never => {
    throw new Error(name);
  };

  test('each has a counterpart in this OpenSSL', () => {
    const known = new Set(tls.getCiphers().map((name) => name.toUpperCase()));
    for (const name of CIPHER_SUITE_NAMES) {
      expect(opensslCiphers([name], fail).toUpperCase().split(':')).toSatisfy((all: string[]) =>
        all.every((one) => known.has(one)),
      );
    }
  });

  test('any choice of them makes a context, and only what was chosen', () => {
    fc.assert(
      fc.property(fc.subarray([...CIPHER_SUITE_NAMES], { minLength: 1 }), (names) => {
        const ciphers = opensslCiphers(names, fail);
        expect(() => tls.createSecureContext({ ciphers, minVersion: 'TLSv1.2' })).not.toThrow();
        const old = ciphers.split(':').filter((name) => !name.startsWith('TLS_'));
        expect(old).toHaveLength(names.filter((name) => name.includes('_WITH_')).length);
      }),
      { numRuns: 50 },
    );
  });

  test('no other name is taken', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        fc.pre(!CIPHER_SUITE_NAMES.includes(name));
        expect(() => opensslCiphers([name], fail)).toThrow();
      }),
    );
  });
});
