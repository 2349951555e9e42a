import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryInUseError, LOCK_FILE, flockHolder, lockDirectory } from '../../../src/platform/directory-lock.ts';

const MODULE = new URL('../../../src/platform/directory-lock.ts', import.meta.url).href;
const HOLDER = `
  const { lockDirectory } = await import(process.argv[1]);
  lockDirectory(process.argv[2]);
  console.log('locked');
  setInterval(() => {}, 1000);
`;

let dir: string;
const holders: ChildProcess[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-lock-'));
});
afterEach(() => {
  for (const holder of holders.splice(0)) holder.kill('SIGKILL');
  rmSync(dir, { recursive: true });
});

async function startHolder(): Promise<ChildProcess> {
  const args = ['--input-type=module', '-e', HOLDER, MODULE, dir];
  const holder = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  holders.push(holder);
  const [chunk] = (await once(holder.stdout, 'data')) as [Buffer];
  expect(chunk.toString()).toBe('locked\n');
  return holder;
}

test('a directory held by another process is refused, until that process is killed', async () => {
  const holder = await startHolder();
  expect(() => lockDirectory(dir)).toThrow(DirectoryInUseError);
  expect(() => lockDirectory(dir)).toThrow(`data directory ${dir} is in use by another process`);
  const exited = once(holder, 'exit');
  holder.kill('SIGKILL');
  await exited;
  lockDirectory(dir).release();
});

test('the same process cannot hold a directory twice, and can again after a release', () => {
  const lock = lockDirectory(dir);
  expect(() => lockDirectory(dir)).toThrow(DirectoryInUseError);
  lock.release();
  lock.release();
  lockDirectory(dir).release();
});

test('nothing appears or vanishes beside the lock file, which stays empty', () => {
  const lock = lockDirectory(dir);
  expect(readdirSync(dir)).toEqual([LOCK_FILE]);
  expect(statSync(join(dir, LOCK_FILE)).size).toBe(0);
  lock.release();
  expect(readdirSync(dir)).toEqual([LOCK_FILE]);
});

const flock = spawnSync('flock', ['--version']).status === 0 && process.platform === 'linux';
if (!flock) console.warn('skipped: there is no flock(1) to play an etcd with');

test.runIf(flock)('a directory whose database an etcd holds is refused, until that ends', async () => {
  const snap = join(dir, 'snap');
  mkdirSync(snap, { recursive: true });
  writeFileSync(join(snap, 'db'), '');
  const holder = spawn('flock', [join(snap, 'db'), 'sh', '-c', 'echo locked; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const group = -(holder.pid ?? 0);
  try {
    await once(holder.stdout, 'data');
    expect(() => lockDirectory(dir)).toThrow(/^data directory .* is in use by another process \(etcd, pid \d+\)$/);
  } finally {
    const exited = once(holder, 'exit');
    process.kill(group, 'SIGKILL');
    await exited;
  }
  // Its child, which shares the lock, is killed with it but may take a moment longer to be gone.
  await expect.poll(() => flockHolder(join(snap, 'db')), { timeout: 5000, interval: 5 }).toBeUndefined();
  lockDirectory(dir).release();
});

test('directories do not disturb each other', () => {
  const other = join(dir, 'other');
  mkdirSync(other);
  const [one, two] = [lockDirectory(dir), lockDirectory(other)];
  one.release();
  expect(() => lockDirectory(other)).toThrow(DirectoryInUseError);
  two.release();
});

test('a directory that cannot hold a lock file is named in the error', () => {
  expect(() => lockDirectory(join(dir, 'none'))).toThrow(`cannot lock data directory ${join(dir, 'none')}`);
});
