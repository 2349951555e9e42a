/** What a commit does to the disk, and what a disk that cannot hold it does to a commit. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const CHILD = join(import.meta.dirname, 'commit-child.ts');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-disk-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Whether strace exists and may trace here. */
function canTrace(): boolean {
  return spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
}

test('a commit is reported only after its pages and then its meta page are synced', (context) => {
  if (!canTrace()) context.skip('strace is missing or not permitted');
  const trace = join(dir, 'trace');
  const calls = 'trace=write,writev,pwrite64,pwritev,fdatasync,openat';
  const run = spawnSync(
    'strace',
    ['-f', '-e', calls, '-o', trace, process.execPath, CHILD, join(dir, 'data.mdb'), '3'],
    { encoding: 'utf8' },
  );
  expect(run.status).toBe(0);
  const lines = readFileSync(trace, 'latin1').split('\n');
  const metaFd = /O_DSYNC.* = (\d+)/.exec(
    lines.find((line) => line.includes('data.mdb') && line.includes('O_DSYNC'))!,
  )?.[1];
  expect(metaFd).toBeDefined();
  for (let n = 0; n < 3; n++) {
    const from = lines.findIndex((line) => line.includes(`write(1, "commit ${n}`));
    const to = lines.findIndex((line) => line.includes(`write(1, "done ${n}`));
    expect(from).toBeGreaterThan(-1);
    const during = lines.slice(from + 1, to);
    const pages = during.findLastIndex((line) => /(writev|pwritev|pwrite64)\((?!\d+, .*, 128, )/.test(line));
    const sync = during.findIndex((line) => /fdatasync\(\d+\) += 0/.test(line) || /fdatasync resumed.*= 0/.test(line));
    const meta = during.findIndex((line) => line.includes(`pwrite64(${metaFd}, `) && line.includes('128'));
    expect(pages).toBeGreaterThan(-1);
    expect(sync).toBeGreaterThan(pages);
    expect(meta).toBeGreaterThan(sync);
  }
});

test('a disk that is full fails the commit, loses nothing before it, and ends the use of the backend', () => {
  // The shell's limit on the size of a file, in blocks of 512 or 1024 bytes, stands in for the disk.
  const run = spawnSync(
    'sh',
    ['-c', `ulimit -f 4000; exec "$0" "$1" "$2" 100`, process.execPath, CHILD, join(dir, 'data.mdb')],
    {
      encoding: 'utf8',
    },
  );
  expect(run.status).toBe(0);
  const lines = run.stdout.trim().split('\n');
  const done = lines.filter((line) => line.startsWith('done')).length;
  expect(done).toBeGreaterThan(2);
  expect(done).toBeLessThan(100);
  expect(lines.slice(-4)).toEqual([
    expect.stringMatching(/^failed: commit to .*data\.mdb failed: /),
    'refused',
    'refused',
    `rows ${done * 200}`,
  ]);
});
