/** How long requests took, by kind and outcome (etcd-behaviour §7.1). */
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { HistogramCell } from '../observability/instruments.ts';
import type { ReadDurations as ReadDurationsPort, ReadKind } from '../server/measured-reads.ts';

export class ReadDurations implements ReadDurationsPort {
  readonly #requests: CellsByKind;
  readonly #ranges: CellsByKind;

  constructor({ server }: EtcdMetrics) {
    this.#requests = new CellsByKind((kind, success) => server.requestDuration.with(kind, success));
    this.#ranges = new CellsByKind((_, success) => server.rangeDuration.with(success));
  }

  request(kind: ReadKind, seconds: number, isAnswered: boolean): void {
    this.#requests.cell(kind, isAnswered).observe(seconds);
  }

  reading(kind: ReadKind, seconds: number, isAnswered: boolean): void {
    if (kind === 'Range') this.#ranges.cell(kind, isAnswered).observe(seconds);
  }
}

/** The labels of etcd for what goes through the log: mostly the field of the log entry that holds it. */
export function operationName(kind: string): string {
  if (kind === 'none') return 'unknown';
  if (kind === 'memberAttrSet') return 'ClusterMemberAttrSet';
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}

/** One histogram per kind and outcome, made when first needed. */
export class CellsByKind {
  readonly #create: (kind: string, success: string) => HistogramCell;
  readonly #succeeded = new Map<string, HistogramCell>();
  readonly #failed = new Map<string, HistogramCell>();

  constructor(create: (kind: string, success: string) => HistogramCell) {
    this.#create = create;
  }

  cell(kind: string, isSuccess: boolean): HistogramCell {
    const known = isSuccess ? this.#succeeded : this.#failed;
    let cell = known.get(kind);
    if (cell === undefined) known.set(kind, (cell = this.#create(kind, String(isSuccess))));
    return cell;
  }
}
