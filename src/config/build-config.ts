/** From the options that are set to the configuration of the server. */
import { join } from 'node:path';
import { readAutoCompaction } from './auto-compaction.ts';
import { authWarnings, readAuthConfig } from './auth-config.ts';
import type { ConfigWarning } from './config-warning.ts';
import { readDiscoveryConfig } from './discovery-config.ts';
import { gatesWithoutEffect, readFeatureGates } from './feature-gates.ts';
import { readInitialCluster } from './initial-cluster.ts';
import { readLogConfig } from './log-config.ts';
import { type OptionValues } from './option-values.ts';
import { specOf } from './options.ts';
import type { GrpcKeepaliveConfig, ServerConfig, TracingConfig } from './server-config.ts';
import { readTlsConfig, tlsWarnings } from './tls-options.ts';
import { differsFromDefault, validate } from './validate.ts';

export interface BuildContext {
  /** The options come from a configuration file. */
  readonly fromFile: boolean;
  /** Whether the directory of the log holds one: then the options for founding a cluster mean nothing. */
  readonly memberExists: (walDir: string) => boolean;
}

export interface BuiltConfig {
  readonly config: ServerConfig;
  readonly warnings: ConfigWarning[];
}

const QUOTA_BYTES_DEFAULT = 2 * 1024 ** 3;
const QUOTA_BYTES_SUGGESTED_MAX = 8 * 1024 ** 3;
const REQUEST_BYTES_SUGGESTED_MAX = 10 * 1024 ** 2;
const SNAPSHOT_COUNT_DEFAULT = 10_000;
const CATCHUP_ENTRIES_DEFAULT = 5_000;
const BACKEND_BATCH_INTERVAL_MS_DEFAULT = 1000;
const COMPACTION_BATCH_LIMIT_DEFAULT = 1_000;
const COMPACTION_SLEEP_MS_DEFAULT = 10;
/** As etcd: shorter ones would not stand the pauses between two heartbeats of a connection. */
const RAFT_TIMEOUT_MS_MIN = 5_000;
const CONCURRENT_STREAMS_MAX = 2 ** 32 - 1;
const PROGRESS_NOTIFY_MS_DEFAULT = 600_000;
/** As etcd: there is no option for it. */
const LEASE_CHECKPOINT_MS = 300_000;
/** A shorter interval would flood every watch. */
const PROGRESS_NOTIFY_MS_MIN = 100;

/** Throws ConfigError. Writes nothing and reads nothing but what `context` gives. */
export function buildConfig(values: OptionValues, context: BuildContext): BuiltConfig {
  const log = readLogConfig(values);
  validate(values, context.fromFile);
  const dirs = directories(values);
  const featureGates = readFeatureGates(values);
  const config: ServerConfig = {
    ...dirs,
    ...urls(values),
    ...readTlsConfig(values, dirs.dataDir),
    ...limits(values),
    ...raft(values),
    name: values.get('name'),
    initialCluster: readInitialCluster(values, context.memberExists(dirs.walDir)),
    discovery: readDiscoveryConfig(values),
    initialClusterState: values.get('initial-cluster-state'),
    forceNewCluster: values.get('force-new-cluster'),
    initialClusterToken: values.get('initial-cluster-token'),
    autoCompaction: readAutoCompaction(values),
    auth: readAuthConfig(values),
    grpcKeepalive: keepalive(values),
    log,
    enablePprof: values.get('enable-pprof'),
    extensiveMetrics: values.get('metrics') === 'extensive',
    tracing: tracing(values),
    httpAccess: {
      gateway: values.get('enable-grpc-gateway'),
      cors: values.get('cors'),
      hostWhitelist: values.get('host-whitelist'),
    },
    enableUi: values.get('enable-ui'),
    leaseCheckpointMs: featureGates.LeaseCheckpoint ? LEASE_CHECKPOINT_MS : 0,
    featureGates,
  };
  return { config: deepFreeze(config), warnings: warningsOf(values, config) };
}

function directories(values: OptionValues): Pick<ServerConfig, 'dataDir' | 'walDir'> {
  const dataDir = values.get('data-dir') || `${values.get('name')}.etcd`;
  return { dataDir, walDir: values.get('wal-dir') || join(dataDir, 'member', 'wal') };
}

function urls(values: OptionValues): Pick<ServerConfig, UrlField> {
  return {
    listenClientUrls: values.get('listen-client-urls'),
    listenClientHttpUrls: values.get('listen-client-http-urls'),
    listenMetricsUrls: values.get('listen-metrics-urls'),
    listenPeerUrls: values.get('listen-peer-urls'),
    advertiseClientUrls: values.get('advertise-client-urls'),
    initialAdvertisePeerUrls: values.get('initial-advertise-peer-urls'),
  };
}

type UrlField =
  | 'listenClientUrls'
  | 'listenClientHttpUrls'
  | 'listenMetricsUrls'
  | 'listenPeerUrls'
  | 'advertiseClientUrls'
  | 'initialAdvertisePeerUrls';

type RaftField =
  | 'snapshotCount'
  | 'snapshotCatchupEntries'
  | 'walFilesMax'
  | 'unsafeNoFsync'
  | 'heartbeatMs'
  | 'electionMs'
  | 'initialElectionTickAdvance'
  | 'preVote'
  | 'strictReconfigCheck'
  | 'learnersMax';

function raft(values: OptionValues): Pick<ServerConfig, RaftField> {
  return {
    snapshotCount: values.get('snapshot-count') || SNAPSHOT_COUNT_DEFAULT,
    snapshotCatchupEntries: values.get('snapshot-catchup-entries') || CATCHUP_ENTRIES_DEFAULT,
    walFilesMax: values.get('max-wals'),
    unsafeNoFsync: values.get('unsafe-no-fsync'),
    heartbeatMs: values.get('heartbeat-interval'),
    electionMs: values.get('election-timeout'),
    initialElectionTickAdvance: values.get('initial-election-tick-advance'),
    preVote: values.get('pre-vote'),
    strictReconfigCheck: values.get('strict-reconfig-check'),
    learnersMax: values.get('max-learners'),
  };
}

type LimitField =
  | 'quotaBytes'
  | 'backendBatchIntervalMs'
  | 'maxTxnOps'
  | 'maxRequestBytes'
  | 'maxConcurrentStreams'
  | 'compactionPauses'
  | 'startDefragMegabytes'
  | 'reusePort'
  | 'raftReadTimeoutMs'
  | 'raftWriteTimeoutMs'
  | 'watchProgressNotifyMs'
  | 'downgradeCheckMs'
  | 'corruptCheckMs'
  | 'compactHashCheckMs'
  | 'warningApplyMs'
  | 'warningUnaryRequestMs';

function limits(values: OptionValues): Pick<ServerConfig, LimitField> {
  const quota = values.get('quota-backend-bytes');
  return {
    quotaBytes: quota < 0 ? Infinity : quota || QUOTA_BYTES_DEFAULT,
    backendBatchIntervalMs: positiveOr(values.get('backend-batch-interval'), BACKEND_BATCH_INTERVAL_MS_DEFAULT),
    maxTxnOps: values.get('max-txn-ops'),
    maxRequestBytes: values.get('max-request-bytes'),
    maxConcurrentStreams: values.get('max-concurrent-streams') || CONCURRENT_STREAMS_MAX,
    compactionPauses: compactionPauses(values),
    startDefragMegabytes: values.get('bootstrap-defrag-threshold-megabytes'),
    reusePort: values.get('socket-reuse-port'),
    raftReadTimeoutMs: Math.max(RAFT_TIMEOUT_MS_MIN, values.get('raft-read-timeout')),
    raftWriteTimeoutMs: Math.max(RAFT_TIMEOUT_MS_MIN, values.get('raft-write-timeout')),
    watchProgressNotifyMs: Math.max(
      positiveOr(values.get('watch-progress-notify-interval'), PROGRESS_NOTIFY_MS_DEFAULT),
      PROGRESS_NOTIFY_MS_MIN,
    ),
    downgradeCheckMs: Math.max(0, values.get('downgrade-check-time')),
    corruptCheckMs: Math.max(0, values.get('corrupt-check-time')),
    compactHashCheckMs: values.get('compact-hash-check-time'),
    warningApplyMs: values.get('warning-apply-duration'),
    warningUnaryRequestMs: values.get('warning-unary-request-duration'),
  };
}

/** Compaction gives way to requests by itself: it pauses only for who asks for it. */
function compactionPauses(values: OptionValues): ServerConfig['compactionPauses'] {
  const names = ['compaction-batch-limit', 'compaction-sleep-interval'] as const;
  if (!names.some((name) => differsFromDefault(values, name))) return undefined;
  return {
    batchRevisions: positiveOr(values.get('compaction-batch-limit'), COMPACTION_BATCH_LIMIT_DEFAULT),
    sleepMs: positiveOr(values.get('compaction-sleep-interval'), COMPACTION_SLEEP_MS_DEFAULT),
  };
}

function keepalive(values: OptionValues): GrpcKeepaliveConfig {
  return {
    minTimeMs: Math.max(0, values.get('grpc-keepalive-min-time')),
    intervalMs: Math.max(0, values.get('grpc-keepalive-interval')),
    timeoutMs: Math.max(0, values.get('grpc-keepalive-timeout')),
  };
}

function tracing(values: OptionValues): TracingConfig | undefined {
  if (!values.get('enable-distributed-tracing')) return undefined;
  return {
    address: values.get('distributed-tracing-address'),
    serviceName: values.get('distributed-tracing-service-name'),
    instanceId: values.get('distributed-tracing-instance-id'),
    samplesPerMillion: values.get('distributed-tracing-sampling-rate'),
  };
}

function positiveOr(value: number, otherwise: number): number {
  return value > 0 ? value : otherwise;
}

function warningsOf(values: OptionValues, config: ServerConfig): ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  for (const [name, { alias, text }] of values.settings()) {
    const { support, type, secret } = specOf(name);
    if (alias !== name) {
      warnings.push({ message: 'deprecated flag', fields: { flag: `--${alias}`, use: `--${name}` } });
    }
    if (support === 'noEffect' && type !== 'ignored' && differsFromDefault(values, name)) {
      const value = secret === true ? {} : { value: text };
      warnings.push({ message: 'flag has no effect', fields: { flag: `--${alias}`, ...value } });
    }
  }
  for (const gate of gatesWithoutEffect(config.featureGates)) {
    warnings.push({ message: 'feature gate has no effect', fields: { 'feature-gate': gate } });
  }
  return [...warnings, ...authWarnings(values), ...tlsWarnings(values), ...limitWarnings(values, config)];
}

function limitWarnings(values: OptionValues, config: ServerConfig): ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  const warn = (message: string, flag: string, suggested: number | string): void => {
    warnings.push({ message, fields: { flag, suggested } });
  };
  if (Number.isFinite(config.quotaBytes) && config.quotaBytes > QUOTA_BYTES_SUGGESTED_MAX) {
    warn(
      'quota exceeds the suggested maximum',
      `--quota-backend-bytes=${config.quotaBytes}`,
      QUOTA_BYTES_SUGGESTED_MAX,
    );
  }
  if (config.maxRequestBytes > REQUEST_BYTES_SUGGESTED_MAX) {
    const flag = `--max-request-bytes=${config.maxRequestBytes}`;
    warn('request size exceeds the suggested maximum', flag, REQUEST_BYTES_SUGGESTED_MAX);
  }
  const metrics = values.get('metrics');
  if (metrics !== 'basic' && metrics !== 'extensive') {
    warn('unknown level of metrics; using basic', `--metrics=${metrics}`, 'basic or extensive');
  }
  return warnings;
}

/** Nobody may change the configuration of a running server by accident. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
