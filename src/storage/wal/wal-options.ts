import type { Clock } from '../../ports/clock.ts';
import type { FileSystem } from '../../ports/file-system.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Counter, Histogram } from '../../ports/metrics.ts';

export interface WalOptions {
  readonly fs: FileSystem;
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: WalMetrics;
  /** Files to keep although nothing needs them any more; 0: never delete any (etcd's --max-wals). */
  readonly filesMax?: number;
  /** Length from which a file is followed by a new one. */
  readonly segmentBytes?: number;
  /** Runs what was given once the caller's own work is done: how appends made together form one group. */
  readonly schedule?: (run: () => void) => void;
  /** Whether small groups may be written on the main thread while the disk is fast. */
  readonly inlineSync?: boolean;
  /** Whether others write much to the same disk just now: then the main thread does not wait for it. */
  readonly isDiskBusy?: () => boolean;
  /**
   * The disk is full: called at each attempt to write what then waits until there is room. Without, a full disk is an error
   * as any other.
   */
  readonly onDiskFull?: (() => void) | undefined;
  /** Whether zeros are written ahead of the log's end. */
  readonly fillAhead?: boolean;
}

export interface WalMetrics {
  /** Seconds from the start of a group's write until it is on disk. */
  readonly fsyncSeconds: Histogram;
  /** The same: the write and the sync are one call. */
  readonly writeSeconds: Histogram;
  readonly writtenBytes: Counter;
}

export const WAL_FILES_MAX = 5;
