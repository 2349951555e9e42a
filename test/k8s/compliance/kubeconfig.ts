import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';

/** Where an API server is, and how to prove who one is. */
export interface Access {
  readonly server: string;
  /** PEM; undefined where the connection is not secured or not verified. */
  readonly ca?: Buffer;
  readonly skipVerify?: boolean;
  readonly certificate?: Buffer;
  readonly key?: Buffer;
  readonly token?: string;
}

type Fields = Record<string, unknown>;

/** Reads the current context of a kubeconfig file. Throws what is missing in it. */
export function readKubeconfig(path: string): Access {
  const config = parse(readFileSync(path, 'utf8')) as Fields;
  const named = (list: string, name: unknown): Fields => {
    const found = ((config[list] ?? []) as Fields[]).find((item) => item['name'] === name);
    if (found === undefined) throw new Error(`${path}: no ${list} entry named ${String(name)}`);
    return found;
  };
  const context = named('contexts', config['current-context'])['context'] as Fields;
  const cluster = named('clusters', context['cluster'])['cluster'] as Fields;
  const user = named('users', context['user'])['user'] as Fields;
  const file = (from: Fields, field: string): Buffer | undefined => {
    const data = from[`${field}-data`];
    if (typeof data === 'string') return Buffer.from(data, 'base64');
    const name = from[field];
    return typeof name === 'string' ? readFileSync(resolve(dirname(path), name)) : undefined;
  };
  if (user['exec'] !== undefined)
    throw new Error(`${path}: users that are found by running a command are not supported`);
  const [ca, certificate, key] = [
    file(cluster, 'certificate-authority'),
    file(user, 'client-certificate'),
    file(user, 'client-key'),
  ];
  return {
    server: String(cluster['server']),
    ...(ca && { ca }),
    ...(certificate && { certificate }),
    ...(key && { key }),
    ...(cluster['insecure-skip-tls-verify'] === true && { skipVerify: true }),
    ...(typeof user['token'] === 'string' && { token: user['token'] }),
  };
}
