/** Who gets in, who does not, and what the log says of it. */
import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls, { type ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TlsEndpoint, type TlsListenerOptions } from '../../../../src/platform/tls/tls-endpoint.ts';
import type { Logger } from '../../../../src/ports/logger.ts';
import type { TlsSettings } from '../../../../src/ports/tls-settings.ts';
import { type Authority, CertificateFolder, type Issued } from '../../../support/certificates.ts';
import { mutualTls, named } from '../../../support/tls-settings.ts';

const folder = new CertificateFolder();
const open = new Set<{ close(): void }>();
let authority: Authority;
let others: Authority;
let server: Issued;
let client: Issued;

beforeAll(async () => {
  [authority, others] = await Promise.all([folder.authority('ours'), folder.authority('others')]);
  [server, client] = await Promise.all([authority.issue('server'), authority.issue('client', { hosts: [] })]);
});
afterEach(() => {
  for (const listening of open) listening.close();
  open.clear();
});
afterAll(() => folder.remove());

interface Running {
  readonly endpoint: TlsEndpoint;
  readonly port: number;
  readonly logged: { message: string; fields: Record<string, unknown> | undefined }[];
}

/** Names resolve to 127.0.0.1 if they begin with `local`. */
async function listen(
  changes: Partial<TlsSettings> = {},
  options: Partial<TlsListenerOptions> = {},
  own: Issued = server,
): Promise<Running> {
  const logged: Running['logged'] = [];
  const note = (message: string, fields?: Record<string, unknown>): void => void logged.push({ message, fields });
  const logger: Logger = { debug: note, info: note, warn: note, error: note };
  const endpoint = new TlsEndpoint({
    settings: mutualTls(own, authority.caFile, changes),
    side: 'client',
    logger,
    lookup: (name, _options, callback) => {
      if (name.startsWith('local')) callback(null, [{ address: '127.0.0.1', family: 4 }]);
      else callback(new Error(`no such host: ${name}`), []);
    },
  });
  const listening = endpoint.createServer({
    onSecure: (socket) => {
      open.add({ close: () => socket.destroy() });
      socket.on('error', () => {});
      socket.write('welcome');
    },
    ...options,
  });
  open.add(listening);
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return { endpoint, logged, port: (listening.address() as AddressInfo).port };
}

/** Whatever ended it. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

interface Visit {
  readonly isWelcome: boolean;
  readonly serial: string | undefined;
  readonly protocol: string | null;
  readonly session: Buffer | undefined;
}

/** Connects, and tells whether the server served it. */
async function visit(port: number, shown: Issued | undefined, options: ConnectionOptions = {}): Promise<Visit> {
  const pair = shown === undefined ? {} : { cert: shown.cert, key: shown.key };
  const socket = tls.connect({ port, host: '127.0.0.1', ca: authority.cert, ...pair, ...options });
  let session: Buffer | undefined;
  let serial: string | undefined;
  let protocol: string | null = null;
  let isWelcome = false;
  socket.on('session', (ticket: Buffer) => (session = ticket));
  socket.on('secureConnect', () => {
    serial = socket.getPeerX509Certificate()?.serialNumber.toLowerCase();
    protocol = socket.getProtocol();
  });
  socket.on('data', () => {
    isWelcome = true;
    socket.destroy();
  });
  await closed(socket);
  return { isWelcome, serial, protocol, session };
}

/** The errors in the lines about rejected connections. */
function rejections({ logged }: Running): unknown[] {
  return logged
    .filter(({ message }) => message === 'rejected connection on client endpoint')
    .map(({ fields }) => fields?.['error']);
}

async function expectRejected(running: Running, shown: Issued | undefined, error: string | RegExp): Promise<void> {
  expect((await visit(running.port, shown)).isWelcome).toBe(false);
  await expect.poll(() => rejections(running)).toEqual([expect.stringMatching(error)]);
}

describe('with mutual TLS', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('lets in who has a certificate, over %s', async (maxVersion) => {
    const running = await listen();
    expect(await visit(running.port, client, { maxVersion })).toMatchObject({ isWelcome: true, protocol: maxVersion });
    expect(rejections(running)).toEqual([]);
  });

  test('refuses who has none', async () => {
    await expectRejected(await listen(), undefined, "tls: client didn't provide a certificate");
  });

  test('refuses who has one of another authority', async () => {
    const stranger = await others.issue('stranger');
    await expectRejected(await listen(), stranger, 'x509: certificate signed by unknown authority');
  });

  test('refuses an expired one', async () => {
    const expired = await authority.issue('expired', { days: -1 });
    await expectRejected(await listen(), expired, 'x509: certificate has expired');
  });

  test('refuses one that is for servers alone', async () => {
    const misused = await authority.issue('misused', { usages: ['server'] });
    await expectRejected(await listen(), misused, 'x509: certificate specifies an incompatible key usage');
  });

  test('says where a rejected connection came from, and what it showed', async () => {
    const running = await listen({ allowedHostnames: ['nobody.example'] });
    const socket = tls.connect({
      port: running.port,
      host: '127.0.0.1',
      ca: authority.cert,
      cert: client.cert,
      key: client.key,
    });
    await once(socket, 'secureConnect');
    const port = socket.localPort;
    await closed(socket);
    await expect.poll(() => rejections(running)).toHaveLength(1);
    expect(running.logged.at(-1)?.fields).toMatchObject({
      'remote-addr': `127.0.0.1:${port}`,
      'server-name': '',
      subject: 'CN=client',
    });
    const stranger = await others.issue('stranger');
    await visit(running.port, stranger);
    await expect.poll(() => rejections(running)).toHaveLength(2);
    expect(running.logged.at(-1)?.fields?.['remote-addr']).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('says that it was no TLS at all', async () => {
    const running = await listen();
    const plain = net.connect(running.port, '127.0.0.1', () => plain.write('GET / HTTP/1.1\r\n\r\n'));
    await closed(plain);
    await expect.poll(() => rejections(running)).toEqual(['tls: http request']);
  });

  test('who was refused gets nothing to come back with', async () => {
    const running = await listen();
    const { session } = await visit(running.port, undefined);
    expect((await visit(running.port, undefined, { session })).isWelcome).toBe(false);
    const stranger = await others.issue('stranger');
    const refused = await visit(running.port, stranger);
    expect((await visit(running.port, stranger, { session: refused.session })).isWelcome).toBe(false);
    expect((await visit(running.port, undefined, { session: refused.session })).isWelcome).toBe(false);
  });

  test('a resumed session is checked like any other', async () => {
    const revoked = named('client-crl-file', await others.revoke([]));
    const running = await listen({ revoked });
    const { session, isWelcome } = await visit(running.port, client);
    expect(isWelcome).toBe(true);
    expect((await visit(running.port, client, { session })).isWelcome).toBe(true);
    await others.revoke([client.serial]);
    expect((await visit(running.port, client, { session })).isWelcome).toBe(false);
    expect(rejections(running)).toEqual([`transport: certificate serial ${client.serial} revoked`]);
  });
});

describe('names', () => {
  test.each([
    [['good'], true],
    [['other', 'good'], true],
    [['other'], false],
    [['goo'], false],
  ])('common names %j', async (allowedCommonNames, isWelcome) => {
    const good = await authority.issue('good');
    expect((await visit((await listen({ allowedCommonNames })).port, good)).isWelcome).toBe(isWelcome);
  });

  test.each([
    [['a.example'], true],
    [['b.example', 'a.example'], true],
    [['x.wild.example'], true],
    [['x.y.wild.example'], false],
    [['b.example'], false],
    [['10.1.2.3'], true],
    [['10.1.2.4'], false],
    // A common name is no host name.
    [['named'], false],
  ])('host names %j', async (allowedHostnames, isWelcome) => {
    const own = await authority.issue('named', { hosts: ['a.example', '*.wild.example', '10.1.2.3'] });
    expect((await visit((await listen({ allowedHostnames })).port, own)).isWelcome).toBe(isWelcome);
  });

  test('a refusal over a name is told in the words of etcd', async () => {
    const running = await listen({ allowedCommonNames: ['other'] });
    await expectRejected(running, client, /^client certificate authentication failed$/);
  });
});

describe('where a connection comes from', () => {
  test.each([
    [[], true],
    [['127.0.0.1'], true],
    [['10.0.0.1'], false],
    [['10.0.0.1', '127.0.0.1'], true],
    [['local.example'], true],
    [['elsewhere.example', 'local.example'], true],
    [['elsewhere.example'], false],
    [['elsewhere.example', '127.0.0.1'], true],
    [['elsewhere.example', '10.0.0.1'], false],
  ])('certificate for %j', async (hosts, isWelcome) => {
    const own = await authority.issue('placed', { hosts });
    const running = await listen({ checksAddress: true });
    expect((await visit(running.port, own)).isWelcome).toBe(isWelcome);
    expect(rejections(running)).toHaveLength(isWelcome ? 0 : 1);
    // Unless it is not to be checked.
    expect((await visit((await listen()).port, own)).isWelcome).toBe(true);
  });

  test('a refusal names the address and what the certificate is for', async () => {
    const running = await listen({ checksAddress: true });
    const own = await authority.issue('placed', { hosts: ['elsewhere.example'] });
    await expectRejected(
      running,
      own,
      /^tls: "127\.0\.0\.1" does not match any of DNSNames \["elsewhere\.example"\] \(.*no such host/,
    );
    const byAddress = await listen({ checksAddress: true });
    const placed = await authority.issue('placed', { hosts: ['10.0.0.1'] });
    await expectRejected(
      byAddress,
      placed,
      /^x509: certificate is valid for IP Address:10\.0\.0\.1, not 127\.0\.0\.1$/,
    );
  });
});

describe('revocation', () => {
  test('refuses serial numbers in the list, and follows its changes', async () => {
    const revoked = named('client-crl-file', await authority.revoke(['5aaa']));
    const running = await listen({ revoked });
    expect((await visit(running.port, client)).isWelcome).toBe(true);
    await authority.revoke(['5aaa', client.serial]);
    expect((await visit(running.port, client)).isWelcome).toBe(false);
    await authority.revoke([]);
    expect((await visit(running.port, client)).isWelcome).toBe(true);
    expect(rejections(running)).toEqual([`transport: certificate serial ${client.serial} revoked`]);
  });

  test('with a list that cannot be read any more, lets nobody in', async () => {
    const path = await authority.revoke([]);
    const running = await listen({ revoked: named('client-crl-file', path) });
    writeFileSync(path, 'garbage');
    await expectRejected(running, client, `invalid value "${path}" for flag --client-crl-file: it holds no X509 CRL`);
    rmSync(path);
    expect((await visit(running.port, client)).isWelcome).toBe(false);
    await authority.revoke([]);
    expect((await visit(running.port, client)).isWelcome).toBe(true);
  });
});

describe('changes of the files', () => {
  test('a renewed certificate is used for the next connection', async () => {
    const first = await authority.issue('renewed');
    const running = await listen({}, {}, first);
    expect((await visit(running.port, client)).serial).toBe(first.serial);
    const second = await authority.issue('renewed');
    expect((await visit(running.port, client)).serial).toBe(second.serial);
    expect(running.logged).toContainEqual({
      message: 'client certificates changed: new connections use them',
      fields: undefined,
    });
  });

  test('half a renewal does no harm', async () => {
    const first = await authority.issue('halved');
    const running = await listen({}, {}, first);
    const next = await authority.issue('next');
    writeFileSync(first.certFile, next.cert);
    expect(await visit(running.port, client)).toMatchObject({ serial: first.serial, isWelcome: true });
    rmSync(first.keyFile);
    expect(await visit(running.port, client)).toMatchObject({ serial: first.serial, isWelcome: true });
    const problems = running.logged.filter(({ message }) => message.endsWith('the earlier ones stay'));
    expect(problems.map(({ fields }) => fields?.['error'])).toEqual([
      expect.stringContaining('--key-file: it is not the key of the certificate in --cert-file='),
      expect.stringContaining('ENOENT'),
    ]);
    renameSync(next.keyFile, first.keyFile);
    expect(await visit(running.port, client)).toMatchObject({ serial: next.serial, isWelcome: true });
  });

  test('a replaced authority decides from then on', async () => {
    const caFile = folder.write('changing-ca.pem', authority.cert);
    const running = await listen({ authorities: named('trusted-ca-file', caFile) });
    const stranger = await others.issue('stranger');
    expect((await visit(running.port, stranger)).isWelcome).toBe(false);
    writeFileSync(caFile, `${authority.cert}\n${others.cert}`);
    expect((await visit(running.port, stranger)).isWelcome).toBe(true);
    writeFileSync(caFile, others.cert);
    expect((await visit(running.port, client)).isWelcome).toBe(false);
  });
});

describe('protocol', () => {
  test('versions', async () => {
    const { port } = await listen({ versionMin: 'TLSv1.3' });
    expect((await visit(port, client, { maxVersion: 'TLSv1.2' })).isWelcome).toBe(false);
    expect((await visit(port, client)).protocol).toBe('TLSv1.3');
    const old = await listen({ versionMax: 'TLSv1.2' });
    expect((await visit(old.port, client)).protocol).toBe('TLSv1.2');
  });

  test('application protocols are chosen by the listener', async () => {
    const { port } = await listen(
      {},
      { chooseProtocol: (offered) => (offered.includes('http/1.1') ? 'http/1.1' : undefined) },
    );
    expect((await visit(port, client, { ALPNProtocols: ['h2', 'http/1.1'] })).isWelcome).toBe(true);
    expect((await visit(port, client)).isWelcome).toBe(true);
    expect((await visit(port, client, { ALPNProtocols: ['h2'] })).isWelcome).toBe(false);
  });
});

describe('dialing', () => {
  /** What became of a dial to a listener that shows `shown`; undefined: it stands. */
  async function dial(
    shown: Issued,
    changes: Partial<TlsSettings> = {},
    host = '127.0.0.1',
  ): Promise<string | undefined> {
    const { port } = await listen({ requiresCertificate: false }, {}, shown);
    const { endpoint } = await listen(changes, {}, client);
    const socket = tls.connect({ port, host, ...endpoint.dialOptions() });
    const outcome = new Promise<string | undefined>((resolve) => {
      socket.on('error', (error) => resolve(error.message));
      socket.on('secureConnect', () => resolve(undefined));
    });
    const result = await outcome;
    socket.destroy();
    return result;
  }

  test('needs a certificate for the host, by a known authority', async () => {
    expect(await dial(server)).toBeUndefined();
    expect(await dial(await others.issue('stranger'))).toMatch(/unable to verify|issuer/);
    const elsewhere = await authority.issue('elsewhere', { hosts: ['10.0.0.1'] });
    expect(await dial(elsewhere)).toBe('x509: certificate is valid for IP Address:10.0.0.1, not 127.0.0.1');
    expect(await dial(await authority.issue('127.0.0.1', { hosts: [] }))).toMatch(/no name/);
    expect(await dial(await authority.issue('dialed', { usages: ['client'] }))).toMatch(/purpose/);
  });

  test('asks for the allowed names, too', async () => {
    expect(await dial(server, { allowedCommonNames: ['server'] })).toBeUndefined();
    expect(await dial(server, { allowedCommonNames: ['peer'] })).toBe('client certificate authentication failed');
  });

  test('shows its certificate, as it is at that time', async () => {
    const first = await authority.issue('shown');
    const { endpoint } = await listen({}, {}, first);
    const strict = await listen();
    const serials: (string | undefined)[] = [];
    const listening = strict.endpoint.createServer({
      onSecure: (socket) => {
        serials.push(socket.getPeerX509Certificate()?.serialNumber.toLowerCase());
        socket.destroy();
      },
    });
    open.add(listening);
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const { port } = listening.address() as AddressInfo;
    const go = async (): Promise<void> => {
      const socket = tls.connect({ port, host: '127.0.0.1', ...endpoint.dialOptions() });
      await closed(socket);
    };
    await go();
    const second = await authority.issue('shown');
    await go();
    expect(serials).toEqual([first.serial, second.serial]);
  });
});

describe('files that cannot be used', () => {
  test.each([
    [
      'cert-file',
      (path: string) => ({ own: { certificate: named('cert-file', path), key: named('key-file', server.keyFile) } }),
    ],
    [
      'key-file',
      (path: string) => ({ own: { certificate: named('cert-file', server.certFile), key: named('key-file', path) } }),
    ],
    ['trusted-ca-file', (path: string) => ({ authorities: named('trusted-ca-file', path) })],
    ['client-crl-file', (path: string) => ({ revoked: named('client-crl-file', path) })],
  ])('--%s', async (flag, changesFor: (path: string) => Partial<TlsSettings>) => {
    const missing = `${folder.dir}/missing`;
    const line = (path: string): string => `invalid value ${JSON.stringify(path)} for flag --${flag}: `;
    await expect(listen(changesFor(missing))).rejects.toThrow(`${line(missing)}ENOENT`);
    const garbage = folder.write('garbage', 'garbage');
    await expect(listen(changesFor(garbage))).rejects.toThrow(line(garbage));
    await expect(listen(changesFor(garbage))).rejects.toThrow(/^[^\n]*$/);
    await expect(listen(changesFor(folder.dir))).rejects.toThrow(`${line(folder.dir)}EISDIR`);
  });

  test('a key of another certificate', async () => {
    const own = { certificate: named('cert-file', server.certFile), key: named('key-file', client.keyFile) };
    await expect(listen({ own })).rejects.toThrow(
      `invalid value "${client.keyFile}" for flag --key-file: it is not the key of the certificate in --cert-file=${server.certFile}`,
    );
  });
});
