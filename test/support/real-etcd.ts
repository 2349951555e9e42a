import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ServerOptions, ServerProcess } from './server-process.ts';

const REPO = join(dirname(fileURLToPath(import.meta.url)), '../..');

export type EtcdTool = 'etcd' | 'etcdctl' | 'etcdutl';

/** The folder with the real etcd's binaries: ETCD_BIN_DIR, else what scripts/fetch-etcd.sh put under .cache; undefined when there is none. */
export function etcdBinDir(): string | undefined {
  const dirs = [process.env['ETCD_BIN_DIR'], join(REPO, '.cache/etcd/usr/bin')];
  return dirs.find((dir) => dir !== undefined && dir !== '' && existsSync(join(dir, 'etcd')));
}

export function etcdToolPath(tool: EtcdTool): string {
  const dir = etcdBinDir();
  if (dir === undefined) throw new Error(NO_ETCD);
  return join(dir, tool);
}

let series: string | undefined;

/** The series of the real etcd's version, e.g. `3.5`. Only where there is one. */
export function etcdSeries(): string {
  series ??= /^etcd Version: (\d+\.\d+)\./.exec(
    execFileSync(etcdToolPath('etcd'), ['--version'], { encoding: 'utf8' }),
  )?.[1];
  if (series === undefined) throw new Error(`${etcdToolPath('etcd')} does not tell its version`);
  return series;
}

/** Whether the real etcd is of a series before that of quorate, 3.6. */
export function etcdIsOlder(): boolean {
  return etcdSeries() === '3.4' || etcdSeries() === '3.5';
}

export const NO_ETCD = 'no real etcd on this machine: run scripts/fetch-etcd.sh, or set ETCD_BIN_DIR';

export function startEtcd(options: ServerOptions = {}): Promise<ServerProcess> {
  return ServerProcess.start({ kind: 'etcd', file: etcdToolPath('etcd'), args: [] }, options);
}
