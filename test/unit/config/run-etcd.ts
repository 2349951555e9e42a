import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { etcdToolPath } from '../../support/real-etcd.ts';
import { FILE } from './run.ts';

export interface EtcdRun {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly wrote: readonly string[];
}

/** Starts etcd in an empty directory of its own, but for FILE that holds `file`; it must end by itself. */
export async function runEtcd(
  argv: readonly string[],
  env: Record<string, string> = {},
  file?: string,
): Promise<EtcdRun> {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-flags-'));
  try {
    if (file !== undefined) writeFileSync(join(dir, FILE), file);
    const child = spawn(etcdToolPath('etcd'), argv, { cwd: dir, env: { PATH: '/usr/bin', ...env }, timeout: 10_000 });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, out, err, wrote: readdirSync(dir).filter((name) => name !== FILE) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The flags that `etcd --help` names. */
export async function etcdFlags(): Promise<string[]> {
  const { out } = await runEtcd(['--help']);
  return Array.from(out.matchAll(/^ {2}--([a-z0-9-]+)/gm), ([, name = '']) => name);
}
