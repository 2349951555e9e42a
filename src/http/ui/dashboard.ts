/** GET /ui/…: the dashboard's page and its files, and what it asks about the cluster (docs/ui.md). Nothing here changes anything. */
import { createHash } from 'node:crypto';
import { EtcdError } from '../../base/etcd-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ClusterFailure, ClusterView } from '../../ui/cluster-view.ts';
import { goJson, methodNotAllowed, movedTo, notFound, type HttpRequest, type HttpResponse } from '../http-message.ts';
import { loadAssets, type UiAsset } from './assets.ts';
import { ClusterCollector } from './cluster-collector.ts';
import type { ClusterSource } from './cluster-source.ts';

const PAGE = 'index.html';
const JSON_TYPE = 'application/json';

export interface DashboardOptions {
  readonly source: ClusterSource;
  readonly clock: Clock;
  /** Files by name; without, the dashboard's own. */
  readonly assets?: Readonly<Record<string, UiAsset>>;
}

export class Dashboard {
  readonly #collector: ClusterCollector;
  readonly #files: ReadonlyMap<string, UiAsset & { readonly etag: string }>;

  static async load(options: DashboardOptions): Promise<Dashboard> {
    return new Dashboard(options, options.assets ?? (await loadAssets()));
  }

  private constructor({ source, clock }: DashboardOptions, assets: Readonly<Record<string, UiAsset>>) {
    this.#collector = new ClusterCollector(source, clock);
    this.#files = new Map(
      Object.entries(assets).map(([name, asset]) => [name, { ...asset, etag: etagOf(asset.body) }]),
    );
  }

  /** `gateway`: whether the JSON gateway is at the same address. */
  async handle(request: HttpRequest, gateway: boolean): Promise<HttpResponse> {
    if (request.method !== 'GET') return methodNotAllowed('GET');
    const { path } = request;
    if (path === '/ui') return movedTo('/ui/', request.method);
    const name = path === '/ui/' ? PAGE : path.slice('/ui/'.length);
    if (name === 'api/cluster') return this.#cluster(request, gateway);
    return this.#file(request, name);
  }

  #file(request: HttpRequest, name: string): HttpResponse {
    const file = this.#files.get(name);
    if (file === undefined) return notFound();
    const headers = {
      ...securityHeaders(request.header('host')),
      'Content-Type': file.type,
      'Cache-Control': 'no-cache',
      ETag: file.etag,
    };
    if (request.header('if-none-match') === file.etag) return { status: 304, headers, body: '' };
    return { status: 200, headers, body: file.body };
  }

  async #cluster(request: HttpRequest, gateway: boolean): Promise<HttpResponse> {
    try {
      const view: ClusterView = { ...(await this.#collector.view(request.header('authorization'))), gateway };
      return json(request, 200, view);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      const failure: ClusterFailure = { error: error.message, gateway };
      return json(request, 401, failure);
    }
  }
}

function json(request: HttpRequest, status: number, value: ClusterView | ClusterFailure): HttpResponse {
  const headers = {
    ...securityHeaders(request.header('host')),
    'Content-Type': JSON_TYPE,
    'Cache-Control': 'no-store',
  };
  return { status, headers, body: goJson(value) };
}

/** What the page may ask for, beside its own files: nothing in this list can write. A slash at the end: everything below. */
const READ_ONLY_PATHS = [
  '/metrics',
  '/ui/api/',
  '/v3/kv/range',
  '/v3/watch',
  '/v3/lease/timetolive',
  '/v3/auth/authenticate',
];
/** Other spellings (of IPv6 addresses, for one) a policy cannot name. */
const NAMEABLE_HOST = /^[a-z0-9.-]+(:\d+)?$/i;

/**
 * Even script that somebody managed to get into the page could not load anything from elsewhere, send anything elsewhere, or
 * write here: the browser keeps the page to the paths above.
 */
export function securityHeaders(host: string | undefined): Record<string, string> {
  const isNameable = host !== undefined && NAMEABLE_HOST.test(host);
  const connect = isNameable ? READ_ONLY_PATHS.map((path) => `${host}${path}`).join(' ') : "'self'";
  const policy = {
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': "'self'",
    'connect-src': connect,
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
    'require-trusted-types-for': "'script'",
    'trusted-types': "'none'",
  };
  return {
    'Content-Security-Policy': Object.entries(policy)
      .map(([name, value]) => `${name} ${value}`)
      .join('; '),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
  };
}

function etagOf(body: string): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
}
