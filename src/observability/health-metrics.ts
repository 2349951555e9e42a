/** Results of the health endpoints; fits their metrics port. */

import type { EtcdMetrics } from './etcd-metrics.ts';

export class HealthEndpointMetrics {
  readonly #server: EtcdMetrics['server'];

  constructor(metrics: EtcdMetrics) {
    this.#server = metrics.server;
  }

  health(isHealthy: boolean): void {
    (isHealthy ? this.#server.healthSuccess : this.#server.healthFailures).inc();
  }

  check(type: 'livez' | 'readyz', name: string, isHealthy: boolean): void {
    this.#server.healthcheck.with(type, name).set(isHealthy ? 1 : 0);
    this.#server.healthchecks.with(type, name, isHealthy ? 'success' : 'error').inc();
  }
}
