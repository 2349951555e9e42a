/** What `npm run cluster` runs, without the setting up: three members for people who try it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { RawClient } from '../support/raw-client.ts';
import { text } from '../support/values.ts';

const ROOT = join(import.meta.dirname, '../..');

withBundleForFile();

let dir = '';
const running = new Set<ChildProcess>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'local-cluster-'));
});

afterEach(() => {
  // It stops its members however it ends, but by SIGKILL.
  for (const child of running) child.kill('SIGTERM');
});

afterAll(() => rm(dir, { recursive: true, force: true }));

class LocalCluster {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(...args: string[]) {
    this.#child = spawn(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'scripts/cluster/main.ts'), ...args]);
    running.add(this.#child);
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        running.delete(this.#child);
        resolve(code);
      });
    });
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** The endpoints of the line to paste, once it is printed. */
  async endpoints(): Promise<string[]> {
    await expect.poll(() => this.stdout + this.stderr, { timeout: 60_000 }).toContain('Ctrl-C stops all');
    const line = /--endpoints=(\S+) endpoint status -w table/.exec(this.stdout)?.[1];
    return (line ?? '').split(',');
  }

  get pids(): number[] {
    return [...this.stdout.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
  }
}

async function withClient<T>(endpoint: string, use: (client: RawClient) => Promise<T>): Promise<T> {
  const client = new RawClient(endpoint);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

async function read(endpoint: string, key: string): Promise<string[]> {
  const { kvs } = await withClient(endpoint, (client) => client.range({ key }));
  return kvs.map(({ value }) => text(value));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('three members serve, one that is killed comes back, Ctrl-C ends all, a restart has the data', async () => {
  // Below the ports that other tests pick from: members come back to theirs after seconds.
  const args = [`--base-port=${randomInt(11_000, 19_900)}`, `--data-dir=${join(dir, 'three')}`];
  const first = new LocalCluster(...args);
  const endpoints = await first.endpoints();
  expect(endpoints).toHaveLength(3);
  for (const [i, endpoint] of endpoints.entries()) {
    await withClient(endpoint, (client) => client.put({ key: `through ${i}`, value: endpoint }));
    for (const other of endpoints) expect(await read(other, `through ${i}`)).toEqual([endpoint]);
  }
  const { pids } = first;
  expect(pids.filter(isAlive)).toHaveLength(3);
  process.kill(pids[0] as number, 'SIGKILL');
  await expect.poll(() => first.stderr, { timeout: 60_000 }).toContain('m1 is back');
  first.interrupt();
  // As a terminal and npm do, both for one Ctrl-C.
  first.interrupt();
  expect(await first.ended).toBe(0);
  expect(pids.filter(isAlive)).toEqual([]);

  const again = new LocalCluster(`--data-dir=${join(dir, 'three')}`);
  expect(await again.endpoints()).toEqual(endpoints);
  for (const [i, endpoint] of endpoints.entries()) expect(await read(endpoint, `through ${i}`)).toEqual([endpoint]);

  const second = new LocalCluster(`--data-dir=${join(dir, 'three')}`, '--members=5');
  expect(await second.ended).toBe(1);
  expect(second.stderr).toMatch(/holds a cluster of 3 with client ports/);
  const third = new LocalCluster(args[0] as string, `--data-dir=${join(dir, 'other')}`);
  expect(await third.ended).toBe(1);
  expect(third.stderr).toMatch(/port \d+ is in use: .*--base-port/);
  again.interrupt();
  expect(await again.ended).toBe(0);
}, 180_000);

test('a flag that it does not understand is refused before anything is written', async () => {
  const data = join(dir, 'never');
  for (const flag of ['--members=0', '--base-port=x', '--member=3', '--base-port=65535']) {
    const refused = new LocalCluster(flag, `--data-dir=${data}`);
    expect(await refused.ended).toBe(1);
    expect(refused.stderr).toMatch(/--members|--base-port|member/);
  }
  expect(existsSync(data)).toBe(false);
});
