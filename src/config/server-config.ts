/** The configuration of a server: checked, complete and frozen. Derived from the options by build-config.ts. */
import type { InitialMember } from '../server/bootstrap.ts';
import type { AutoCompaction } from '../server/compaction-schedule.ts';
import type { CompactionPauses } from '../server/compactor.ts';
import type { TlsSettings } from '../ports/tls-settings.ts';
import type { AuthConfig } from './auth-config.ts';
import type { DiscoveryConfig } from './discovery-config.ts';
import type { FeatureGates } from './feature-gates.ts';
import type { UrlAddress } from './url-address.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'panic' | 'fatal';
export type LogFormat = 'json' | 'console';

/** How the one log file among the outputs makes way for a new one. */
export interface LogRotation {
  readonly sizeBytesMax: number;
  /** 0: no backup is deleted for its age. */
  readonly ageMsMax: number;
  /** 0: any number is kept. */
  readonly backupsMax: number;
  readonly localTime: boolean;
  readonly compress: boolean;
}

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** At least one of stderr, stdout and paths of files to append to; each once. */
  readonly outputs: readonly string[];
  readonly rotation: LogRotation | undefined;
}

export interface GrpcKeepaliveConfig {
  /** A client that pings more often is disconnected; 0: none is. */
  readonly minTimeMs: number;
  /** 0: idle connections are not pinged. */
  readonly intervalMs: number;
  /** 0: likewise. */
  readonly timeoutMs: number;
}

/** OpenTelemetry. */
export interface TracingConfig {
  /** `host:port` of the collector. */
  readonly address: string;
  readonly serviceName: string;
  /** Empty: none. */
  readonly instanceId: string;
  /** From 0 to a million. */
  readonly samplesPerMillion: number;
}

/** How HTTP/1.1 is served on the client port. */
export interface HttpAccess {
  /** The API as JSON. */
  readonly gateway: boolean;
  /** Origins, or `*`. */
  readonly cors: readonly string[];
  /** Host names, or `*`. */
  readonly hostWhitelist: readonly string[];
}

export interface ServerConfig {
  readonly name: string;
  /** Never empty. */
  readonly dataDir: string;
  /** Of the log's segments: wal-dir, or member/wal in the data directory. */
  readonly walDir: string;

  readonly listenClientUrls: readonly UrlAddress[];
  /** For HTTP alone. If there are any, listenClientUrls are for gRPC alone. */
  readonly listenClientHttpUrls: readonly UrlAddress[];
  /** Besides the client URLs, which serve metrics and health too. */
  readonly listenMetricsUrls: readonly UrlAddress[];
  readonly listenPeerUrls: readonly UrlAddress[];
  readonly advertiseClientUrls: readonly UrlAddress[];
  readonly initialAdvertisePeerUrls: readonly UrlAddress[];

  /** Of the client and metrics URLs; undefined: none of them is secure. */
  readonly clientTls: TlsSettings | undefined;
  /** Of the peer URLs, own and others'; undefined: nothing is said about it. */
  readonly peerTls: TlsSettings | undefined;

  /** Who founds the cluster, this member among them; with discovery, this one alone. Means nothing once there are data. */
  readonly initialCluster: readonly InitialMember[];
  /** Where the others are to be learnt from when there are no data yet. */
  readonly discovery: DiscoveryConfig | undefined;
  readonly initialClusterState: 'new' | 'existing';
  readonly initialClusterToken: string;
  /** The data of this member become a cluster of its own: its other members are lost. */
  readonly forceNewCluster: boolean;

  /** Applied entries between two snapshots; at least 1. */
  readonly snapshotCount: number;
  /** Entries kept behind a snapshot; at least 1. */
  readonly snapshotCatchupEntries: number;
  /** 0: all. */
  readonly walFilesMax: number;
  readonly unsafeNoFsync: boolean;

  readonly heartbeatMs: number;
  /** At least 5 heartbeats. */
  readonly electionMs: number;
  readonly initialElectionTickAdvance: boolean;
  readonly preVote: boolean;
  readonly strictReconfigCheck: boolean;
  readonly learnersMax: number;

  /** Infinity: no limit. */
  readonly quotaBytes: number;
  readonly backendBatchIntervalMs: number;
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly maxConcurrentStreams: number;
  /** undefined: compaction gives way to requests, and does not pause otherwise. */
  readonly compactionPauses: CompactionPauses | undefined;
  /** Megabytes that defragmenting at the start has to free; 0: never. */
  readonly startDefragMegabytes: number;
  /** On every listener. */
  readonly reusePort: boolean;
  readonly raftReadTimeoutMs: number;
  readonly raftWriteTimeoutMs: number;
  /** undefined: only clients compact. */
  readonly autoCompaction: AutoCompaction | undefined;
  readonly watchProgressNotifyMs: number;
  /** Between two checkpoints of what is left of a lease; 0: none. */
  readonly leaseCheckpointMs: number;
  /** Between two looks whether a downgrade is done; 0: never. */
  readonly downgradeCheckMs: number;
  /** Between two comparisons of the members' data; 0: never. */
  readonly corruptCheckMs: number;
  /** Between two comparisons of what compactions hashed, with the feature gate CompactHashCheck. */
  readonly compactHashCheckMs: number;
  readonly warningApplyMs: number;
  readonly warningUnaryRequestMs: number;

  readonly auth: AuthConfig;
  readonly grpcKeepalive: GrpcKeepaliveConfig;
  readonly log: LogConfig;
  /** Histograms of the gRPC calls too. */
  readonly extensiveMetrics: boolean;
  /** undefined: no call is traced. */
  readonly tracing: TracingConfig | undefined;
  /** Profiles at /debug/pprof/. */
  readonly enablePprof: boolean;
  readonly httpAccess: HttpAccess;
  /** Serve the dashboard. */
  readonly enableUi: boolean;
  readonly featureGates: FeatureGates;
}
