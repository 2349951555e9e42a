/** etcd's own proxies in front of quorate: they are not part of it, and need not be. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdctl, RunningTool } from '../support/etcdctl.ts';
import { freePort } from '../support/free-port.ts';
import { quorateExists, startQuorate } from '../support/quorate-process.ts';
import { etcdBinDir, etcdToolPath, NO_ETCD } from '../support/real-etcd.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';

const available = etcdBinDir() !== undefined && quorateExists();
if (!available) console.info(`skipped: proxies: ${NO_ETCD}`);

describe.skipIf(!available)('in front of quorate', () => {
  let server: ServerProcess;
  const proxies: ChildProcess[] = [];

  beforeAll(async () => {
    server = await startQuorate();
  });
  afterAll(async () => {
    for (const proxy of proxies) proxy.kill('SIGKILL');
    await server.stop();
  });

  /** Its address, when it passes requests on. */
  async function start(command: string, ...flags: string[]): Promise<string> {
    const address = `127.0.0.1:${await freePort()}`;
    const args = [command, 'start', `--endpoints=${server.endpoint}`, `--listen-addr=${address}`, ...flags];
    proxies.push(spawn(etcdToolPath('etcd'), args, { stdio: 'ignore' }));
    await until(`${command} passes requests on`, async () => (await etcdctl(address, ['get', 'a'])).code === 0);
    return address;
  }

  /** Returns the value that the server itself has then. */
  async function use(address: string, key: string): Promise<string> {
    const watch = new RunningTool(address, ['watch', key, '--rev=1']);
    expect((await etcdctl(address, ['put', key, 'through a proxy'])).stdout).toBe('OK\n');
    expect((await etcdctl(address, ['get', key])).stdout).toBe(`${key}\nthrough a proxy\n`);
    expect(await watch.untilLines(3)).toEqual(['PUT', key, 'through a proxy']);
    await watch.stop();
    const granted = await etcdctl(address, ['lease', 'grant', '60']);
    const id = /lease ([0-9a-f]+) granted/.exec(granted.stdout)?.[1] ?? '';
    expect((await etcdctl(address, ['lease', 'keep-alive', '--once', id])).stdout).toContain('keepalived');
    expect((await etcdctl(address, ['lease', 'revoke', id])).stdout).toContain('revoked');
    return (await etcdctl(server.endpoint, ['get', key, '--print-value-only'])).stdout;
  }

  it("etcd's gateway", { timeout: 60_000 }, async () => {
    expect(await use(await start('gateway'), 'gateway')).toBe('through a proxy\n');
  });

  it("etcd's grpc-proxy", { timeout: 60_000 }, async () => {
    expect(await use(await start('grpc-proxy'), 'grpc-proxy')).toBe('through a proxy\n');
  });
});
