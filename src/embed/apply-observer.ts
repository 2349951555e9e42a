/** What is measured of applying, and said of it where it takes long. */
import type { Command } from '../apply/command.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { Logger } from '../ports/logger.ts';
import { CellsByKind, operationName } from './request-durations.ts';

export class ApplyObserver {
  readonly #metrics: EtcdMetrics;
  readonly #logger: Logger;
  readonly #warningMs: number;
  readonly #durations: CellsByKind;

  /** Warns of what takes longer than `warningMs`. */
  constructor(metrics: EtcdMetrics, logger: Logger, warningMs: number) {
    this.#metrics = metrics;
    this.#logger = logger;
    this.#warningMs = warningMs;
    this.#durations = new CellsByKind((kind, success) =>
      metrics.server.applyDuration.with('v3', operationName(kind), success),
    );
  }

  applied(kind: Command['kind'], seconds: number, success: boolean): void {
    this.#durations.cell(kind, success).observe(seconds);
    if (seconds * 1000 < this.#warningMs) return;
    this.#metrics.server.slowApply.inc();
    this.#logger.warn('apply request took too long', {
      took: `${(seconds * 1000).toFixed(3)}ms`,
      'expected-duration': `${this.#warningMs}ms`,
      request: kind,
    });
  }
}
