/** What a member does by itself while it leads. Each duty looks at its own pace whether this member leads. */
import { AutoCompactor } from './auto-compactor.ts';
import { ClusterVersionKeeper } from './cluster-version.ts';
import type { AutoCompaction } from './compaction-schedule.ts';
import type { ServerCore } from './core.ts';
import { CorruptionChecker, type CorruptionCheckerOptions } from './corruption-checker.ts';
import { LeaseKeeper } from './lease-keeper.ts';

export interface LeaderDutiesOptions {
  /** Between two looks whether a downgrade is done; 0: never. */
  readonly downgradeCheckMs: number;
  readonly corruption: CorruptionCheckerOptions;
  readonly autoCompaction: AutoCompaction | undefined;
}

export class LeaderDuties {
  readonly version: ClusterVersionKeeper;
  readonly corruption: CorruptionChecker;
  readonly #leases: LeaseKeeper;
  readonly #compaction: AutoCompactor | undefined;

  constructor(core: ServerCore, { downgradeCheckMs, corruption, autoCompaction }: LeaderDutiesOptions) {
    this.version = new ClusterVersionKeeper(core, downgradeCheckMs);
    this.corruption = new CorruptionChecker(core, corruption);
    this.#leases = new LeaseKeeper(core);
    this.#compaction = autoCompaction && new AutoCompactor(core, autoCompaction);
  }

  start(): void {
    this.version.start();
    this.corruption.start();
    this.#leases.start();
    this.#compaction?.start();
  }

  stop(): void {
    this.version.stop();
    this.corruption.stop();
    this.#leases.stop();
    this.#compaction?.stop();
  }
}
