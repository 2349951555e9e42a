/** GET /version (etcd-behaviour §5.2). */

import { goJson, methodNotAllowed } from './http-message.ts';
import type { HttpHandler } from './http-message.ts';

export interface VersionSource {
  /** The etcd version this server is compatible with, like `3.6.14`. */
  readonly serverVersion: string;
  /** Like `3.6.0`; undefined until the cluster has decided. */
  clusterVersion(): string | undefined;
  /** Like `3.6.0`; undefined when unknown. */
  storageVersion(): string | undefined;
}

export function versionHandler(source: VersionSource): HttpHandler {
  return (request) => {
    if (request.method !== 'GET') return methodNotAllowed('GET');
    const body = goJson({
      etcdserver: source.serverVersion,
      etcdcluster: source.clusterVersion() ?? 'not_decided',
      storage: source.storageVersion() ?? 'unknown',
    });
    return { status: 200, headers: { 'Content-Type': 'application/json' }, body };
  };
}
