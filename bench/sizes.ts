/** How much each case does. */
export interface Sizes {
  readonly rounds: number;
  /** How long a load is measured, and how long it runs before. */
  readonly loadMs: number;
  /** How long the machine alone is watched. */
  readonly standstillMs: number;
  readonly warmupMs: number;
  /** Longer where one call follows another: V8 compiles what was called often enough, and a few thousand calls per second take long. */
  readonly sequentialWarmupMs: number;
  /** Keys that mixed loads spread over. */
  readonly keys: number;
  /** Objects of 1 kB below the prefix of a LIST. */
  readonly listObjects: number;
  readonly watchers: readonly number[];
  /** Events delivered to all watchers together while the rate is measured; at least one put for each. */
  readonly fanOutEvents: number;
  readonly leases: number;
  readonly startups: number;
  readonly restarts: number;
  /** Keys of 256 B on the disk before a restart. */
  readonly restartKeys: readonly number[];
  readonly pauses: PauseSizes;
  /** How often the leader of a cluster is ended in one round. */
  readonly leaderEnds: number;
  /** A case that takes longer has failed. */
  readonly stepTimeoutMs: number;
}

export interface PauseSizes {
  /** Keys of the large LIST. */
  readonly keys: number;
  /** Versions of these keys altogether: what HashKV walks. */
  readonly revisions: number;
  /** Versions that the compaction removes. */
  readonly compacted: number;
  readonly baselineMs: number;
}

export type SizeName = 'smoke' | 'medium' | 'full';

const MEDIUM: Sizes = {
  rounds: 3,
  loadMs: 3000,
  standstillMs: 5000,
  warmupMs: 1500,
  sequentialWarmupMs: 5000,
  keys: 10_000,
  listObjects: 10_000,
  watchers: [1, 100, 1000],
  fanOutEvents: 300_000,
  leases: 100,
  startups: 5,
  restarts: 3,
  restartKeys: [100_000],
  pauses: { keys: 100_000, revisions: 300_000, compacted: 200_000, baselineMs: 2000 },
  leaderEnds: 3,
  stepTimeoutMs: 300_000,
};

export const SIZES: Readonly<Record<SizeName, Sizes>> = {
  /** Proves that every case works on both servers; its figures mean nothing. */
  smoke: {
    rounds: 1,
    loadMs: 150,
    standstillMs: 100,
    warmupMs: 100,
    sequentialWarmupMs: 100,
    keys: 200,
    listObjects: 1000,
    watchers: [1, 20],
    fanOutEvents: 2000,
    leases: 10,
    startups: 1,
    restarts: 1,
    restartKeys: [2000],
    pauses: { keys: 2000, revisions: 6000, compacted: 4000, baselineMs: 100 },
    leaderEnds: 1,
    stepTimeoutMs: 60_000,
  },
  medium: MEDIUM,
  full: {
    ...MEDIUM,
    rounds: 5,
    restartKeys: [100_000, 1_000_000],
    pauses: { keys: 100_000, revisions: 1_000_000, compacted: 500_000, baselineMs: 3000 },
    stepTimeoutMs: 1_200_000,
  },
};
