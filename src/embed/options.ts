/** What a server is started with: the configuration after flags, environment and file have been read and checked. */
import type { InitialMember } from '../server/bootstrap.ts';

export interface ServerOptions {
  readonly name: string;
  readonly dataDir: string;
  /** Empty: below the data directory. */
  readonly walDir: string;
  readonly listenClientUrls: readonly string[];
  readonly listenMetricsUrls: readonly string[];
  readonly advertiseClientUrls: readonly string[];
  readonly initialCluster: readonly InitialMember[];
  readonly initialClusterToken: string;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly snapshotCount: number;
  readonly snapshotCatchupEntries: number;
  /** 0: keep all. */
  readonly walFilesMax: number;
  readonly flushIntervalMs: number;
  /** 0: 2 GiB; negative: no quota. */
  readonly quotaBackendBytes: number;
  readonly maxRequestBytes: number;
  readonly maxTxnOps: number;
  readonly maxConcurrentStreams: number;
  readonly keepaliveMinTimeMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly watchProgressNotifyMs: number;
  readonly warnApplyMs: number;
  readonly warnUnaryMs: number;
  readonly extensiveMetrics: boolean;
  readonly unsafeNoFsync: boolean;
}

/** The defaults of etcd's flags. */
export const DEFAULT_SERVER_OPTIONS: ServerOptions = {
  name: 'default',
  dataDir: 'default.etcd',
  walDir: '',
  listenClientUrls: ['http://localhost:2379'],
  listenMetricsUrls: [],
  advertiseClientUrls: ['http://localhost:2379'],
  initialCluster: [{ name: 'default', peerURLs: ['http://localhost:2380'] }],
  initialClusterToken: 'etcd-cluster',
  heartbeatMs: 100,
  electionMs: 1000,
  snapshotCount: 10_000,
  snapshotCatchupEntries: 5000,
  walFilesMax: 5,
  flushIntervalMs: 100,
  quotaBackendBytes: 0,
  maxRequestBytes: 1_572_864,
  maxTxnOps: 128,
  maxConcurrentStreams: 0xffff_ffff,
  keepaliveMinTimeMs: 5000,
  keepaliveIntervalMs: 7_200_000,
  keepaliveTimeoutMs: 20_000,
  watchProgressNotifyMs: 600_000,
  warnApplyMs: 100,
  warnUnaryMs: 300,
  extensiveMetrics: false,
  unsafeNoFsync: false,
};
