/** The two servers as they are run: with nothing but names and addresses on their command lines. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import nodeEnvironment from '../../scripts/node-environment.json' with { type: 'json' };
import nodeOptions from '../../scripts/node-options.json' with { type: 'json' };
import { QUORATE_VERSION } from '../../src/config/version.ts';
import { etcdBinDir, etcdToolPath } from '../../test/support/real-etcd.ts';
import type { ServerSpec } from './server.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Bundles the sources as they are now, as for production. */
export function quorateSpec(workDir: string): ServerSpec {
  const bundle = join(workDir, 'quorate.mjs');
  run(process.execPath, [join(ROOT, 'scripts/build.ts'), `--outfile=${bundle}`]);
  return {
    kind: 'quorate',
    version: QUORATE_VERSION,
    file: process.execPath,
    args: (probe) => [
      ...nodeOptions,
      ...(probe ? ['--import', join(import.meta.dirname, 'loop-probe.ts')] : []),
      bundle,
    ],
    env: nodeEnvironment,
  };
}

/** The commit of the checkout, with a + when files of the server were changed since; empty when there is no checkout. */
export function sourceCommit(): string {
  const git = (...args: readonly string[]): string =>
    spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout ?? '';
  const commit = git('rev-parse', '--short', 'HEAD').trim();
  const changed = git('status', '--porcelain', '--', 'src', 'package-lock.json') !== '';
  return commit === '' ? '' : `${commit}${changed ? '+' : ''}`;
}

/** A real etcd: the one that the tests use, fetched when it is not there. */
export function etcdSpec(): ServerSpec {
  if (etcdBinDir() === undefined) run('bash', [join(ROOT, 'scripts/fetch-etcd.sh')]);
  const file = etcdToolPath('etcd');
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  const version = /etcd Version: (\S+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${file} does not tell its version`);
  return { kind: 'etcd', version, file, args: () => [], env: {} };
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? `status ${status}`}`);
  }
}
