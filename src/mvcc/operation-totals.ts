/** How often the store was asked for what, since it was opened: for metrics, counted as etcd counts. */

export class OperationTotals {
  ranges = 0;
  puts = 0;
  /** Calls, not keys. */
  deletes = 0;
  /** Transactions of more than one operation. */
  txns = 0;
  /** Of the keys and values put. */
  putBytes = 0;
  /** Versions and tombstones that compactions deleted. */
  compactedRows = 0;

  /** A transaction that was nothing but this many ranges. */
  addReads(ranges: number): void {
    this.ranges += ranges;
    if (ranges > 1) this.txns++;
  }

  /** The operations of one transaction, which `own` counted. */
  add(own: OperationTally): void {
    this.ranges += own.ranges;
    this.puts += own.puts;
    this.deletes += own.deletes;
    this.putBytes += own.putBytes;
    if (own.ranges + own.puts + own.deletes > 1) this.txns++;
  }
}

/** Of one transaction. */
export interface OperationTally {
  readonly ranges: number;
  readonly puts: number;
  readonly deletes: number;
  readonly putBytes: number;
}
