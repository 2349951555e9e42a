/** The client port with TLS, as those who use it do: etcdctl, HTTP, several listeners; certificates are renewed meanwhile. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { type Authority, CertificateFolder, type Issued } from '../support/certificates.ts';
import { etcdctl, RunningTool, type ToolResult } from '../support/etcdctl.ts';
import { freePort } from '../support/free-port.ts';
import { http } from '../support/http.ts';
import { quorateCommand, startQuorate } from '../support/quorate-process.ts';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import { quorateOutput, runQuorate, type CommandResult } from '../support/run-subcommand.ts';
import { secureGet } from '../support/secure-http.ts';
import type { ServerOptions, ServerProcess } from '../support/server-process.ts';

const hasEtcdctl = etcdBinDir() !== undefined;
if (!hasEtcdctl) console.warn(`skipped: etcdctl with TLS: ${NO_ETCD}`);

const folder = new CertificateFolder();
let authority: Authority;
let server: Issued;
let client: Issued;
let running: ServerProcess | undefined;

withBundleForFile();
beforeAll(async () => {
  authority = await folder.authority('ours');
  server = await authority.issue('server', { hosts: ['127.0.0.1'] });
  client = await authority.issue('client', { hosts: [] });
});
afterEach(async () => running?.stop());
afterAll(() => folder.remove());

async function start(flags: readonly string[], options: ServerOptions = {}): Promise<ServerProcess> {
  const files = [`--cert-file=${server.certFile}`, `--key-file=${server.keyFile}`];
  running = await startQuorate({ isSecure: true, ...options, flags: [...files, ...flags] });
  return running;
}

function pair(): { ca: string; cert: string; key: string } {
  return { ca: authority.cert, cert: client.cert, key: client.key };
}

describe.skipIf(!hasEtcdctl).each(['h2', 'grpc-js'])('etcdctl, over transport %s', (transport) => {
  const flags = (own: Issued): string[] => [
    `--cacert=${authority.caFile}`,
    `--cert=${own.certFile}`,
    `--key=${own.keyFile}`,
    '--command-timeout=10s',
  ];

  test('reads, writes and watches with --cacert, --cert and --key, and not without', async () => {
    const { clientUrl } = await start([`--trusted-ca-file=${authority.caFile}`, '--client-cert-auth'], {
      env: { QUORATE_TRANSPORT: transport },
    });
    const ctl = (...args: string[]): Promise<ToolResult> => etcdctl(clientUrl, [...args, ...flags(client)]);
    const watch = new RunningTool(clientUrl, ['watch', 'greeting', '--rev=1', ...flags(client)]);
    expect(await ctl('put', 'greeting', 'hello')).toMatchObject({ code: 0, stdout: 'OK\n' });
    expect(await ctl('get', 'greeting')).toMatchObject({ code: 0, stdout: 'greeting\nhello\n' });
    expect(await watch.untilLines(3)).toEqual(['PUT', 'greeting', 'hello']);
    await watch.stop();
    expect((await ctl('endpoint', 'health')).code).toBe(0);
    const withoutPair = [
      'get',
      'greeting',
      `--cacert=${authority.caFile}`,
      '--command-timeout=2s',
      '--dial-timeout=1s',
    ];
    expect((await etcdctl(clientUrl, withoutPair)).code).not.toBe(0);
  });
});

test('HTTP is served beside gRPC, also to those that know HTTP/2', async () => {
  const { clientUrl } = await start([]);
  const both = await secureGet(`${clientUrl}/health`, { ca: authority.cert, ALPNProtocols: ['h2', 'http/1.1'] });
  expect(both).toMatchObject({ status: 200, body: '{"health":"true","reason":""}' });
  expect(await secureGet(`${clientUrl}/version`, { ca: authority.cert })).toMatchObject({ status: 200 });
});

test('metrics listeners of both kinds; one client port with TLS and without', async () => {
  const [plain, secure, both] = [await freePort(), await freePort(), await freePort()];
  await start([
    `--trusted-ca-file=${authority.caFile}`,
    `--listen-metrics-urls=http://127.0.0.1:${plain},https://127.0.0.1:${secure}`,
    `--listen-client-urls=http://127.0.0.1:${both},https://127.0.0.1:${both}`,
  ]);
  for (const path of ['health', 'livez', 'readyz', 'metrics']) {
    expect((await http(`http://127.0.0.1:${plain}/${path}`)).status).toBe(200);
    expect(await secureGet(`https://127.0.0.1:${secure}/${path}`, pair())).toMatchObject({ status: 200 });
  }
  expect((await http(`http://127.0.0.1:${both}/version`)).status).toBe(200);
  for (const url of [`https://127.0.0.1:${secure}/health`, `https://127.0.0.1:${both}/health`]) {
    expect(await secureGet(url, pair())).toMatchObject({ status: 200 });
    await expect(secureGet(url, { ca: authority.cert })).rejects.toThrow();
  }
});

test.skipIf(!hasEtcdctl)('HTTP apart from gRPC', async () => {
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  await start([
    `--listen-client-urls=http://127.0.0.1:${grpcPort}`,
    `--listen-client-http-urls=https://127.0.0.1:${httpPort}`,
  ]);
  expect((await etcdctl(`http://127.0.0.1:${grpcPort}`, ['put', 'a', 'b'])).stdout).toBe('OK\n');
  await expect(http(`http://127.0.0.1:${grpcPort}/version`)).rejects.toThrow();
  expect(await secureGet(`https://127.0.0.1:${httpPort}/version`, { ca: authority.cert })).toMatchObject({
    status: 200,
  });
  const refused = await etcdctl(`https://127.0.0.1:${httpPort}`, [
    'get',
    'a',
    `--cacert=${authority.caFile}`,
    '--command-timeout=2s',
  ]);
  expect(refused.code).not.toBe(0);
});

test('a unix socket with TLS', async () => {
  const socketPath = join(folder.dir, 'client.sock');
  await start([`--trusted-ca-file=${authority.caFile}`, `--listen-client-urls=unixs://${socketPath}`]);
  const url = 'https://127.0.0.1/health';
  expect(await secureGet(url, { socketPath, ...pair() })).toMatchObject({ status: 200 });
  await expect(secureGet(url, { socketPath, ca: authority.cert })).rejects.toThrow();
  await expect
    .poll(() => running?.logTail(1))
    .toMatch(/rejected connection on client endpoint.*"remote-addr":"@".*client didn't provide a certificate/);
});

test('a renewed certificate is shown without a restart', async () => {
  const { clientUrl } = await start([]);
  const serial = async (): Promise<string> => (await secureGet(`${clientUrl}/health`, { ca: authority.cert })).serial;
  expect(await serial()).toBe(server.serial);
  server = await authority.issue('server', { hosts: ['127.0.0.1'] });
  expect(await serial()).toBe(server.serial);
});

test('a snapshot is saved with --cacert, --cert and --key, and not without', async () => {
  const { clientUrl, endpoint } = await start([`--trusted-ca-file=${authority.caFile}`, '--client-cert-auth']);
  const file = join(folder.dir, 'backup.db');
  const save = (...args: string[]): Promise<CommandResult> =>
    runQuorate('snapshot', 'save', file, '--dial-timeout=1s', ...args);
  const trusting = `--cacert=${authority.caFile}`;
  for (const refused of [[], [trusting], [`--cert=${client.certFile}`, `--key=${client.keyFile}`]]) {
    const { exitCode, error } = await save(`--endpoints=${clientUrl}`, ...refused);
    expect([exitCode, error.split('\n').length]).toEqual([1, 1]);
    expect(existsSync(file)).toBe(false);
  }
  const own = [`--cert=${client.certFile}`, `--key=${client.keyFile}`, '--dial-timeout=20s'];
  for (const at of [clientUrl, endpoint]) {
    expect(await save(`--endpoints=${at}`, trusting, ...own)).toMatchObject({ exitCode: 0, error: '' });
    expect(await quorateOutput('snapshot', 'status', file)).toMatch(/^[0-9a-f]+, \d+, \d+, \d+ kB$/);
    rmSync(file);
  }
  expect(await save(`--endpoints=${clientUrl}`, '--insecure-skip-tls-verify', ...own)).toMatchObject({ exitCode: 0 });
});

test('certificates made at the start outlive a restart', async () => {
  running = await startQuorate({ isSecure: true, flags: ['--auto-tls'] });
  const { clientUrl } = running;
  const serial = async (): Promise<string> =>
    (await secureGet(`${clientUrl}/health`, { rejectUnauthorized: false })).serial;
  const first = await serial();
  await running.kill();
  await running.restart();
  expect(await serial()).toBe(first);
});

test.each([
  ['cert-file', '--key-file=/none'],
  ['trusted-ca-file', ''],
  ['client-crl-file', ''],
  ['peer-cert-file', '--peer-key-file=/none'],
  ['peer-trusted-ca-file', ''],
])('a missing --%s ends the start with one line, before anything is written', async (flag, other) => {
  const dataDir = join(folder.dir, `data-${flag}`);
  const { file, args } = quorateCommand();
  const port = await freePort();
  const urls = ['listen', 'advertise'].map((what) => `--${what}-client-urls=https://127.0.0.1:${port}`);
  const pairFlags = flag === 'cert-file' ? [] : [`--cert-file=${server.certFile}`, `--key-file=${server.keyFile}`];
  const flags = [...urls, ...pairFlags, `--data-dir=${dataDir}`, `--${flag}=/none`, ...(other === '' ? [] : [other])];
  const { status, stderr } = spawnSync(file, [...args, ...flags], { encoding: 'utf8', timeout: 20_000 });
  expect(status).toBe(1);
  expect(stderr.trim().split('\n').at(-1)).toMatch(
    new RegExp(`^quorate: invalid value "/none" for flag --${flag}: ENOENT: no such file or directory`),
  );
  expect(existsSync(dataDir)).toBe(false);
});

test('stops in time although handshakes hang', async () => {
  const { clientPort } = await start([]);
  const hanging = connect(clientPort, '127.0.0.1');
  hanging.on('error', () => {});
  await sleep(200);
  const startMs = Date.now();
  running?.signal('SIGTERM');
  await running?.exited();
  expect(Date.now() - startMs).toBeLessThan(5000);
  hanging.destroy();
});
