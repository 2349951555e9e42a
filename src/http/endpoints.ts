/** The HTTP/1.1 endpoints of the client port and of the metrics listeners (etcd-behaviour §5.2). */

import { withAccessControl } from './access.ts';
import type { AccessOptions } from './access.ts';
import { addHealthChecks } from './health-checks.ts';
import { healthHandler } from './health.ts';
import type { HealthOptions } from './health.ts';
import type { HttpHandler } from './http-message.ts';
import { Routes } from './routes.ts';
import { versionHandler } from './version.ts';
import type { VersionSource } from './version.ts';

export interface MetricsSource {
  readonly contentType: string;
  /** All metrics in the Prometheus text format. */
  expose(): string | Promise<string>;
}

export interface EndpointOptions {
  readonly health: HealthOptions;
  readonly metrics: MetricsSource;
}

/** For --listen-metrics-urls: /metrics, /health, /livez, /readyz, and what `more` adds. */
export function metricsEndpoints(options: EndpointOptions, more?: (routes: Routes) => void): HttpHandler {
  const routes = new Routes();
  addMonitoring(routes, options);
  more?.(routes);
  return (request) => routes.handle(request);
}

/** For the client port; `more` adds routes of other parts, such as the JSON gateway. */
export function clientEndpoints(
  options: EndpointOptions & { readonly version: VersionSource; readonly access?: AccessOptions },
  more?: (routes: Routes) => void,
): HttpHandler {
  const routes = new Routes();
  routes.exact('/version', versionHandler(options.version));
  addMonitoring(routes, options);
  more?.(routes);
  return withAccessControl(options.access ?? {}, (request) => routes.handle(request));
}

function addMonitoring(routes: Routes, { health, metrics }: EndpointOptions): void {
  routes.exact('/health', healthHandler(health));
  addHealthChecks(routes, health);
  routes.exact('/metrics', async () => ({
    status: 200,
    headers: { 'Content-Type': metrics.contentType },
    body: await metrics.expose(),
  }));
}
