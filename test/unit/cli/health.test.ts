import { mkdtempSync, rmSync, writeFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { healthAt, healthOfProcess } from '../../../src/cli/health.ts';
import { runSubcommand } from '../../../src/cli/subcommands.ts';
import { CertificateFolder, type Issued } from '../../support/certificates.ts';

const PID = 7;
const asked: string[] = [];
let dir = '';
let server: Server;
let url = '';
let secure: Server;
let secureUrl = '';
let issued: Issued;
const certificates = new CertificateFolder();

async function listen(one: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    one.listen(0, '127.0.0.1', resolve);
  });
  return (one.address() as AddressInfo).port;
}

/** A /proc with one process. */
function processWith(words: readonly string[], env: readonly string[] = []): string {
  const proc = mkdtempSync(join(dir, 'proc-'));
  mkdirSync(join(proc, String(PID)));
  writeFileSync(join(proc, String(PID), 'cmdline'), words.map((word) => `${word}\0`).join(''));
  writeFileSync(join(proc, String(PID), 'environ'), env.map((line) => `${line}\0`).join(''));
  symlinkSync(dir, join(proc, String(PID), 'cwd'));
  return proc;
}

const PROGRAM = ['node', '--max-semi-space-size=8', '/usr/local/bin/etcd'];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-health-'));
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.statusCode = request.url === '/sick' ? 503 : 200;
    response.end(request.url === '/sick' ? 'no leader\n' : 'ok\n');
  });
  url = `http://127.0.0.1:${await listen(server)}`;
  const authority = await certificates.authority('health');
  issued = await authority.issue('server');
  secure = createSecureServer(
    { cert: issued.cert, key: issued.key, ca: authority.cert, requestCert: true },
    (_, response) => response.end('ok, secure\n'),
  );
  secureUrl = `https://127.0.0.1:${await listen(secure)}`;
});

afterAll(() => {
  server.close();
  secure.close();
  certificates.remove();
  rmSync(dir, { recursive: true });
});

describe('health at a URL', () => {
  test('is what the server answers', async () => {
    expect(await healthAt(url)).toEqual({ isHealthy: true, text: 'ok' });
    expect(asked.at(-1)).toBe('/readyz');
    expect(await healthAt(`${url}/sick`)).toEqual({ isHealthy: false, text: 'no leader' });
  });

  test('where nobody listens', async () => {
    const { isHealthy, text } = await healthAt('http://127.0.0.1:1');
    expect(isHealthy).toBe(false);
    expect(text).toContain('ECONNREFUSED');
  });

  test('as a command: exit code and where the text goes', async () => {
    const out: string[] = [];
    const errors: string[] = [];
    const output = { out: (text: string) => out.push(text), error: (line: string) => errors.push(line) };
    expect(await runSubcommand(['health', '--url', url], output)).toBe(0);
    expect(await runSubcommand(['health', `--url=${url}/sick`], output)).toBe(1);
    expect({ out, errors }).toEqual({ out: ['ok'], errors: ['no leader'] });
  });
});

describe('health of a process', () => {
  test('is asked where its flags say', async () => {
    const proc = processWith([...PROGRAM, `--listen-client-urls=${url}`, '--advertise-client-urls', url]);
    expect(await healthOfProcess(PID, proc)).toEqual({ isHealthy: true, text: 'ok' });
  });

  test('or its variables', async () => {
    const env = ['PATH=/bin', `ETCD_LISTEN_METRICS_URLS=${url}`];
    expect(await healthOfProcess(PID, processWith(PROGRAM, env))).toEqual({ isHealthy: true, text: 'ok' });
  });

  test('or its configuration file, relative to its directory', async () => {
    writeFileSync(join(dir, 'conf.yml'), `listen-metrics-urls: ${url}\n`);
    const proc = processWith([...PROGRAM, '--config-file', 'conf.yml']);
    expect(await healthOfProcess(PID, proc)).toEqual({ isHealthy: true, text: 'ok' });
  });

  test('with its own certificate, where one is asked for', async () => {
    const proc = processWith([
      ...PROGRAM,
      `--listen-client-urls=${secureUrl}`,
      `--advertise-client-urls=${secureUrl}`,
      `--cert-file=${issued.certFile}`,
      `--key-file=${issued.keyFile}`,
    ]);
    expect(await healthOfProcess(PID, proc)).toEqual({ isHealthy: true, text: 'ok, secure' });
  });

  test('that is no server', async () => {
    const { isHealthy, text } = await healthOfProcess(PID, processWith([...PROGRAM, '--no-such-flag']));
    expect(isHealthy).toBe(false);
    expect(text).toContain('not a server');
    expect((await healthOfProcess(PID, '/nowhere')).text).toContain('ENOENT');
  });
});
