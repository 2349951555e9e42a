import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { quorateCommand, startQuorate } from '../support/quorate-process.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'log-outputs-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('a log file that cannot be opened ends the start with one line, and nothing is made', () => {
  const { file, args } = quorateCommand();
  const path = join(dir, 'missing', 'x.log');
  const dataDir = join(dir, 'data');
  const run = spawnSync(file, [...args, `--data-dir=${dataDir}`, `--log-outputs=stdout,${path}`], { encoding: 'utf8' });
  expect(run.status).toBe(1);
  expect(run.stdout).toBe('');
  expect(run.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(run.stderr).toContain(`invalid value "stdout,${path}" for flag --log-outputs: ENOENT`);
  expect(existsSync(dataDir)).toBe(false);
});

it('every output gets every line, a rotated file too', { timeout: 90_000 }, async () => {
  const path = join(dir, 'quorate.log');
  const flags = [`--log-outputs=stderr,${path}`, '--enable-log-rotation'];
  const server = await startQuorate({ flags, readyTimeoutMs: 60_000 });
  const shown = server.logTail().split('\n');
  // Not killed: it may have written a line to one of them only.
  server.signal('SIGTERM');
  await server.exited();
  await server.stop();
  const stored = readFileSync(path, 'utf8').split('\n');
  expect(shown.length).toBeGreaterThan(3);
  expect(stored).toEqual(expect.arrayContaining(shown));
});
