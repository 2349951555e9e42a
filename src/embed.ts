/** Starts a whole server within this process: what the command does, and tests. */
import { ETCD_COMPAT_VERSION } from './config/version.ts';
import type { ServerConfig } from './config/server-config.ts';
import { findFounders } from './embed/founders.ts';
import { FrontEnd, transportClass, type TransportName } from './embed/front-end.ts';
import { Listeners } from './embed/listeners.ts';
import { Member } from './embed/member.ts';
import type { Platform } from './embed/member-state.ts';
import { collectServerMetrics } from './embed/metrics.ts';
import { httpPeerNetwork } from './embed/peer-network.ts';
import { secureEndpoints } from './embed/secure-endpoints.ts';
import type { CallTracer } from './observability/call-tracer.ts';
import { createEtcdMetrics } from './observability/etcd-metrics.ts';
import type { RootLogger } from './observability/logger.ts';
import { MetricRegistry } from './observability/metric-registry.ts';
import { registerProcessMetrics } from './observability/process-metrics.ts';
import { NameLookup } from './peer/name-lookup.ts';
import { lockDirectory } from './platform/directory-lock.ts';
import { NodeClock } from './platform/node-clock.ts';
import { volumeSpace } from './platform/volume.ts';
import { NodeFileSystem } from './platform/node-file-system.ts';
import { openLmdbBackend } from './storage/lmdb/backend.ts';

export type { TransportName } from './embed/front-end.ts';

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
  /** A snapshot from the leader was stored: the server has to be started again to go on. */
  readonly onSnapshotStored?: (() => void) | undefined;
  /** This member was removed from the cluster, and the others know: the server has nothing left to do. */
  readonly onRemoved?: (() => void) | undefined;
  /** Both speak the same gRPC; our own framing (`h2`, the default) takes a fraction of the time per call. */
  readonly transport?: TransportName | undefined;
}

/** Resolves when client requests can succeed. Rejects with an Error of one clear line when it cannot start. */
export async function startServer(config: ServerConfig, parts: StartParts): Promise<RunningServer> {
  const { logger, onFatal } = parts;
  const clock = new NodeClock();
  const registry = new MetricRegistry();
  const metrics = createEtcdMetrics(registry);
  registerProcessMetrics(registry);
  const listenerLogger = logger.child('rpc/client-listener.ts');
  const names = new NameLookup();
  const tls = await secureEndpoints(config, { clock, logger, lookup: names.lookup });
  const listeners = await Listeners.bind(config, tls.client, listenerLogger);
  const platform = nodePlatform();
  const network = httpPeerNetwork(config, { clock, logger, metrics, names, tls: tls.peer });
  const { onRemoved, onSnapshotStored } = parts;
  const callbacks = { onFatal, onRemoved, onSnapshotStored };
  const member = await Member.open({
    config,
    platform,
    network,
    clock,
    logger,
    metrics,
    ...callbacks,
    findFounders: () => findFounders(config, { clock, logger }),
  });
  const transport = await transportClass(parts.transport ?? 'h2');
  const tracer = await callTracer(config, logger);
  const shared = { config, member, clock, logger, registry, metrics, transport, tracer, onFatal };
  const frontEnd = new FrontEnd({ ...shared, tls: tls.client, lookup: names.lookup });
  collectServerMetrics(registry, metrics, member, {
    featureGates: config.featureGates,
    etcdVersion: ETCD_COMPAT_VERSION,
    nodeVersion: process.version,
  });
  await member.start();
  listeners.open(frontEnd.sinks);
  logger.info('ready to serve client requests');
  return {
    member,
    clientPorts: listeners.clientPorts,
    stop: async () => {
      await member.handOver();
      listeners.close();
      await frontEnd.stop(STOP_GRACE_MS);
      const untraced = tracer?.stop();
      await member.stop();
      await untraced;
    },
  };
}

/** Most servers have none, and do not load what it takes. */
async function callTracer({ tracing }: ServerConfig, logger: RootLogger): Promise<CallTracer | undefined> {
  if (tracing === undefined) return undefined;
  const loaded = await import('./observability/call-tracer.ts');
  logger.info('distributed tracing setup enabled', { ...tracing });
  return new loaded.CallTracer(tracing, logger.child('observability/call-tracer.ts'));
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
    volume: volumeSpace,
  };
}
