import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { quorateCommand } from '../support/quorate-process.ts';

/** Beyond the 1.4 s after which a member is gone whatever still hangs: what a busy machine adds. */
const END_MS_MAX = 5_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'signals-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  log: string;
}

/** A member; with `others` one of three whose others are not there, so that its start does not come to an end. */
async function start(name: string, others: boolean): Promise<Run> {
  const [client, peer] = [await freePort(), await freePort()];
  const peerUrl = `http://127.0.0.1:${peer}`;
  const absent = others ? `,o1=http://127.0.0.1:${await freePort()},o2=http://127.0.0.1:${await freePort()}` : '';
  const { file, args } = quorateCommand();
  const child = spawn(
    file,
    [
      ...args,
      `--name=${name}`,
      `--data-dir=${join(dir, name)}`,
      `--listen-client-urls=http://127.0.0.1:${client}`,
      `--advertise-client-urls=http://127.0.0.1:${client}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${name}=${peerUrl}${absent}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const run: Run = { child, log: '' };
  child.stderr?.on('data', (chunk: Buffer) => (run.log += chunk.toString()));
  return run;
}

async function ends(run: Run, signal: NodeJS.Signals): Promise<{ code: number | null; tookMs: number }> {
  const exited = once(run.child, 'exit');
  const before = performance.now();
  run.child.kill(signal);
  const [code] = (await exited) as [number | null];
  return { code, tookMs: performance.now() - before };
}

describe('a signal ends a member in order, and soon', () => {
  test.each(SIGNALS)('%s, at the very moment when it serves', { timeout: 60_000 }, async (signal) => {
    const run = await start(`serving-${signal}`, false);
    await expect.poll(() => run.log, { timeout: 30_000, interval: 1 }).toContain('ready to serve client requests');
    const { code, tookMs } = await ends(run, signal);
    expect({ code, log: run.log }).toMatchObject({ code: 0, log: expect.stringContaining('received signal') });
    expect(tookMs).toBeLessThan(END_MS_MAX);
  });

  test.each(SIGNALS)('%s, while its start waits for others', { timeout: 60_000 }, async (signal) => {
    const run = await start(`waiting-${signal}`, true);
    await expect.poll(() => run.log, { timeout: 20_000, interval: 5 }).toContain('became pre-candidate');
    const { code, tookMs } = await ends(run, signal);
    expect({ code, log: run.log }).toMatchObject({ code: 0, log: expect.stringContaining('received signal') });
    expect(tookMs).toBeLessThan(END_MS_MAX);
  });
});
