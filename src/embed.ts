/** Starts a whole server within this process: what the command does, and tests. */
import { createHash } from 'node:crypto';
import { platform } from 'node:process';
import { AssertionError } from './base/assert.ts';
import { Dispatcher } from './rpc/dispatcher.ts';
import { GrpcJsTransport } from './rpc/grpc-js/grpc-js-transport.ts';
import { H2Transport } from './rpc/h2/h2-transport.ts';
import { ClientListener, type ListenAddress } from './rpc/client-listener.ts';
import { ServiceRegistry } from './rpc/service-registry.ts';
import { registerCluster } from './rpc/services/cluster-service.ts';
import { HealthStatus } from './rpc/services/health-service.ts';
import { registerKv } from './rpc/services/kv-service.ts';
import { registerLease } from './rpc/services/lease-service.ts';
import { registerMaintenance } from './rpc/services/maintenance-service.ts';
import { registerWatch } from './rpc/services/watch-service.ts';
import { ETCD_COMPAT_VERSION } from './config/version.ts';
import { ServerHealth } from './embed/health.ts';
import { Member } from './embed/member.ts';
import { appliedRows, STORAGE_SCHEMA_VERSION, type Platform } from './embed/member-state.ts';
import { collectServerMetrics } from './embed/metrics.ts';
import type { ServerConfig } from './config/server-config.ts';
import type { UrlAddress } from './config/url-address.ts';
import { clientEndpoints, metricsEndpoints } from './http/endpoints.ts';
import { HttpServer } from './http/http-server.ts';
import { createEtcdMetrics } from './observability/etcd-metrics.ts';
import { CONTENT_TYPE } from './observability/exposition.ts';
import { GrpcMetrics } from './observability/grpc-metrics.ts';
import { HealthEndpointMetrics } from './observability/health-metrics.ts';
import type { RootLogger } from './observability/logger.ts';
import { MetricRegistry } from './observability/metric-registry.ts';
import { registerProcessMetrics } from './observability/process-metrics.ts';
import { lockDirectory } from './platform/directory-lock.ts';
import { NodeClock } from './platform/node-clock.ts';
import { NodeFileSystem } from './platform/node-file-system.ts';
import { ClusterApi } from './server/cluster-api.ts';
import { KvApi } from './server/kv-api.ts';
import { LeaseApi } from './server/lease-api.ts';
import { MaintenanceApi } from './server/maintenance-api.ts';
import { DatabaseSnapshots } from './storage/bbolt/database-snapshots.ts';
import { openLmdbBackend } from './storage/lmdb/backend.ts';

/** How long calls under way get to end when the server stops; the process has to be gone after 1.5 s. */
const STOP_GRACE_MS = 800;

export interface RunningServer {
  readonly member: Member;
  /** The port of each listen-client-url, in their order; 0 for a unix socket. */
  readonly clientPorts: readonly number[];
  stop(): Promise<void>;
}

export interface StartParts {
  readonly logger: RootLogger;
  /** Called at most once; the server can only be ended then. */
  readonly onFatal: (what: string, error: Error) => void;
  /** Both speak the same gRPC; our own framing (`h2`, the default) takes a fraction of the time per call. */
  readonly transport?: TransportName | undefined;
}

export type TransportName = 'h2' | 'grpc-js';

/** Resolves when client requests can succeed. Rejects with an Error of one clear line when it cannot start. */
export async function startServer(
  config: ServerConfig,
  { logger, onFatal, transport: transportName }: StartParts,
): Promise<RunningServer> {
  const clock = new NodeClock();
  const metricRegistry = new MetricRegistry();
  const metrics = createEtcdMetrics(metricRegistry);
  registerProcessMetrics(metricRegistry);
  const grpcMetrics = new GrpcMetrics(metricRegistry, config.extensiveMetrics);
  const member = await Member.open({ config, platform: nodePlatform(), clock, logger, metrics, onFatal });
  const { core, hub } = member;
  const kv = new KvApi(core, member.compactor);
  const health = new HealthStatus();
  const registry = registerServices(member, kv, health);
  collectServerMetrics(metrics, core, hub, { etcdVersion: ETCD_COMPAT_VERSION, nodeVersion: process.version });
  metrics.clusterVersion.with('3.6').set(1);

  const source = new ServerHealth(core, kv);
  const dispatcher = new Dispatcher({
    registry,
    clock,
    logger: logger.child('rpc/dispatcher.ts'),
    metrics: grpcMetrics,
    member: source,
    maxRequestBytes: config.maxRequestBytes,
    electionTimeoutMs: config.electionMs,
    warnUnaryMs: config.warningUnaryRequestMs,
    onPanic: (error) => {
      // A broken invariant may already have touched the state; any other mistake of a handler stays its own.
      if (error instanceof AssertionError) onFatal('internal error', error);
    },
  });
  const Transport = transportName === 'grpc-js' ? GrpcJsTransport : H2Transport;
  const transport = new Transport({
    opener: dispatcher,
    clock,
    logger: logger.child('rpc/transport.ts'),
    maxConcurrentStreams: config.maxConcurrentStreams,
    keepaliveMinTimeMs: config.grpcKeepalive.minTimeMs,
    keepaliveIntervalMs: config.grpcKeepalive.intervalMs,
    keepaliveTimeoutMs: config.grpcKeepalive.timeoutMs,
  });
  const endpointOptions = {
    health: {
      source,
      metrics: new HealthEndpointMetrics(metrics),
      logger: logger.child('http/health.ts'),
      clock,
      requestTimeoutMs: 5000 + 2 * config.electionMs,
    },
    metrics: { contentType: CONTENT_TYPE, expose: () => metricRegistry.expose() },
  };
  const version = {
    serverVersion: ETCD_COMPAT_VERSION,
    clusterVersion: () => core.parts.cluster.version,
    storageVersion: () => STORAGE_SCHEMA_VERSION,
  };
  const http = new HttpServer(clientEndpoints({ ...endpointOptions, version }), logger.child('http/http-server.ts'));
  const metricsHttp = new HttpServer(metricsEndpoints(endpointOptions), logger.child('http/http-server.ts'));

  await member.start();
  const listeners: ClientListener[] = [];
  const listenerLogger = logger.child('rpc/client-listener.ts');
  for (const url of config.listenClientUrls) {
    const address = addressOf(url);
    listeners.push(await ClientListener.open({ address, http2: transport, http1: http, logger: listenerLogger }));
    listenerLogger.info('serving client traffic insecurely; this is strongly discouraged!', { address: url.text });
  }
  for (const url of config.listenMetricsUrls) {
    const address = addressOf(url);
    listeners.push(
      await ClientListener.open({ address, http2: undefined, http1: metricsHttp, logger: listenerLogger }),
    );
    listenerLogger.info('serving metrics', { address: url.text });
  }
  logger.info('ready to serve client requests', { platform });

  return {
    member,
    clientPorts: listeners.slice(0, config.listenClientUrls.length).map((listener) => listener.port),
    stop: async () => {
      health.setServing(false);
      for (const listener of listeners) listener.close();
      dispatcher.stop();
      await Promise.all([transport.stop(STOP_GRACE_MS), http.stop(STOP_GRACE_MS), metricsHttp.stop(STOP_GRACE_MS)]);
      await member.stop();
    },
  };
}

function registerServices(member: Member, kv: KvApi, health: HealthStatus): ServiceRegistry {
  const { core, state } = member;
  const registry = new ServiceRegistry();
  registerKv(registry, core, kv);
  registerWatch(registry, member.hub);
  registerLease(registry, core, new LeaseApi(core));
  registerCluster(registry, new ClusterApi(core, sha1));
  const snapshots = new DatabaseSnapshots({
    files: new NodeFileSystem(),
    dir: state.databaseDir,
    buffer: state.buffer,
    jobs: member.jobs,
    meta: () => appliedRows(member.appliedState()),
    version: STORAGE_SCHEMA_VERSION,
  });
  const maintenance = new MaintenanceApi(core, member.flusher, ETCD_COMPAT_VERSION, STORAGE_SCHEMA_VERSION);
  registerMaintenance(registry, core, maintenance, snapshots);
  health.register(registry);
  return registry;
}

/** Files, lock and database of this machine. */
function nodePlatform(): Platform {
  return {
    files: new NodeFileSystem(),
    lockDirectory: (dir) => {
      const lock = lockDirectory(dir);
      return () => lock.release();
    },
    openBackend: (path, noSync) => openLmdbBackend({ path, noSync }),
  };
}

function sha1(bytes: Uint8Array): Uint8Array {
  return createHash('sha1').update(bytes).digest();
}

function addressOf(url: UrlAddress): ListenAddress {
  return url.kind === 'unix' ? { path: url.path } : { host: url.host, port: url.port };
}
