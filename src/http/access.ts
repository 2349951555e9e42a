/** What stands before every path of the client port (etcd-behaviour §5.1): old path prefix, host whitelist, CORS. */

import { plainStatus } from './http-message.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';

export interface AccessOptions {
  /** --cors: origins, or `*`. */
  readonly cors?: readonly string[];
  /** --host-whitelist: host names, or `*`; checked on plaintext connections only. */
  readonly hostWhitelist?: readonly string[];
}

const ANY = '*';

export function withAccessControl(options: AccessOptions, next: HttpHandler): HttpHandler {
  const origins = new Set(options.cors ?? [ANY]);
  const hosts = new Set(options.hostWhitelist ?? [ANY]);
  const isHostAllowed = (host: string): boolean => hosts.size === 0 || hosts.has(ANY) || hosts.has(host);

  return async (request) => {
    const host = hostnameOf(request.header('host') ?? '');
    if (!request.isTls && !isHostAllowed(host)) {
      return plainStatus(
        421,
        `the host ${JSON.stringify(host)} is not in --host-whitelist, and this connection has no TLS`,
      );
    }
    const headers = corsHeaders(origins, request.header('origin'));
    if (request.method === 'OPTIONS') return { status: 200, headers, body: '' };
    const response = await next(withCurrentPrefix(request));
    return withHeaders(response, headers);
  };
}

function withCurrentPrefix(request: HttpRequest): HttpRequest {
  if (!request.path.startsWith('/v3beta/')) return request;
  const path = `/v3/${request.path.slice('/v3beta/'.length)}`;
  return {
    path,
    method: request.method,
    query: request.query,
    isTls: request.isTls,
    signal: request.signal,
    header: (name) => request.header(name),
    abort: () => request.abort(),
    get body() {
      return request.body;
    },
  };
}

function corsHeaders(origins: ReadonlySet<string>, origin: string | undefined): Record<string, string> {
  let allowed: string | undefined;
  if (origins.has(ANY)) allowed = ANY;
  else if (origin !== undefined && origins.has(origin)) allowed = origin;
  if (allowed === undefined) return {};
  return {
    'Access-Control-Allow-Headers': 'accept, content-type, authorization',
    'Access-Control-Allow-Methods': 'POST, GET, OPTIONS, PUT, DELETE',
    'Access-Control-Allow-Origin': allowed,
  };
}

function withHeaders(response: HttpResponse, headers: Record<string, string>): HttpResponse {
  return { ...response, headers: { ...headers, ...response.headers } };
}

/** The host of a Host header, without port and brackets. */
function hostnameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, '');
}
