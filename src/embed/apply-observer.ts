/** What is measured of applying, and said of it where it takes long. */
import type { Command } from '../apply/command.ts';
import { goDuration } from '../base/go-duration.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { Logger } from '../ports/logger.ts';
import { CellsByKind, operationName } from './request-durations.ts';
import { requestText } from './request-text.ts';

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

  applied(command: Command, seconds: number, success: boolean): void {
    this.#durations.cell(command.kind, success).observe(seconds);
    if (seconds * 1000 < this.#warningMs) return;
    this.#metrics.server.slowApply.inc();
    this.#logger.warn('apply request took too long', {
      took: goDuration(seconds * 1000),
      'expected-duration': goDuration(this.#warningMs),
      request: requestText(command),
    });
  }
}
