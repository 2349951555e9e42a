/** What is measured of applying, and said of it where it takes long. */
import type { Command } from '../apply/command.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { Logger } from '../ports/logger.ts';
import type { Histogram } from '../ports/metrics.ts';

export class ApplyObserver {
  readonly #metrics: EtcdMetrics;
  readonly #logger: Logger;
  readonly #warningMs: number;
  /** The histogram for a kind of command, looked up once. */
  readonly #succeeded = new Map<string, Histogram>();
  readonly #failed = new Map<string, Histogram>();

  /** Warns of what takes longer than `warningMs`. */
  constructor(metrics: EtcdMetrics, logger: Logger, warningMs: number) {
    this.#metrics = metrics;
    this.#logger = logger;
    this.#warningMs = warningMs;
  }

  applied(kind: Command['kind'], seconds: number, success: boolean): void {
    this.#count(kind);
    this.#histogram(kind, success).observe(seconds);
    if (seconds * 1000 < this.#warningMs) return;
    this.#metrics.server.slowApply.inc();
    this.#logger.warn('apply request took too long', {
      took: `${(seconds * 1000).toFixed(3)}ms`,
      'expected-duration': `${this.#warningMs}ms`,
      request: kind,
    });
  }

  #count(kind: Command['kind']): void {
    const { mvcc } = this.#metrics;
    if (kind === 'put') mvcc.put.inc();
    else if (kind === 'txn') mvcc.txn.inc();
    else if (kind === 'deleteRange') mvcc.delete.inc();
  }

  #histogram(kind: Command['kind'], success: boolean): Histogram {
    const known = success ? this.#succeeded : this.#failed;
    let cell = known.get(kind);
    if (cell === undefined) {
      const op = kind.charAt(0).toUpperCase() + kind.slice(1);
      known.set(kind, (cell = this.#metrics.server.applyDuration.with('v3', op, String(success))));
    }
    return cell;
  }
}
