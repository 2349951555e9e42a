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

export const NO_ETCD = 'no real etcd on this machine: run scripts/fetch-etcd.sh, or set ETCD_BIN_DIR';

export function startEtcd(options: ServerOptions = {}): Promise<ServerProcess> {
  return ServerProcess.start({ kind: 'etcd', file: etcdToolPath('etcd'), args: [] }, options);
}
