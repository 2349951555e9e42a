/** What clients talk to: the gRPC services and the HTTP endpoints of a member. */
import type { LookupFunction } from 'node:net';
import { AssertionError } from '../base/assert.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { ETCD_COMPAT_VERSION } from '../config/version.ts';
import { clientEndpoints, metricsEndpoints } from '../http/endpoints.ts';
import type { JsonGateway } from '../http/gateway/gateway.ts';
import { movedTo, type HttpHandler } from '../http/http-message.ts';
import { HttpServer } from '../http/http-server.ts';
import type { Routes } from '../http/routes.ts';
import { storageVersionOf } from '../membership/versions.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import { CONTENT_TYPE } from '../observability/exposition.ts';
import { GrpcMetrics } from '../observability/grpc-metrics.ts';
import { scrapes } from '../observability/scrape-metrics.ts';
import { HealthEndpointMetrics } from '../observability/health-metrics.ts';
import type { RootLogger } from '../observability/logger.ts';
import type { MetricRegistry } from '../observability/metric-registry.ts';
import type { TlsEndpoint } from '../platform/tls/tls-endpoint.ts';
import type { Clock } from '../ports/clock.ts';
import { Dispatcher } from '../rpc/dispatcher.ts';
import { H2Transport } from '../rpc/h2/h2-transport.ts';
import { checkFields } from '../rpc/message-size.ts';
import type { RpcTracer } from '../rpc/rpc-tracer.ts';
import { ServiceRegistry } from '../rpc/service-registry.ts';
import { registerAuth } from '../rpc/services/auth-service.ts';
import { registerCluster } from '../rpc/services/cluster-service.ts';
import { registerElection, registerLock } from '../rpc/services/concurrency-services.ts';
import { HealthStatus } from '../rpc/services/health-service.ts';
import { registerKv } from '../rpc/services/kv-service.ts';
import { registerLease } from '../rpc/services/lease-service.ts';
import { registerMaintenance } from '../rpc/services/maintenance-service.ts';
import { registerWatch } from '../rpc/services/watch-service.ts';
import type { RpcTransport, TransportOptions } from '../rpc/transport-options.ts';
import { ElectionApi } from '../server/election-api.ts';
import { HeldBytes } from '../server/held-bytes.ts';
import { KeyQueue } from '../server/key-queue.ts';
import { KvApi } from '../server/kv-api.ts';
import { LockApi } from '../server/lock-api.ts';
import { MaintenanceApi } from '../server/maintenance-api.ts';
import { addDebugEndpoints } from './debug-endpoints.ts';
import type { RunningDashboard } from './dashboard.ts';
import { ServerHealth } from './health.ts';
import { ReadDurations } from './request-durations.ts';
import type { Sinks } from './listeners.ts';
import type { Member } from './member.ts';

export type TransportName = 'h2' | 'grpc-js';
export type TransportClass = new (options: TransportOptions) => RpcTransport;

/** grpc-js is large and seldom used: read from disk only where it is. */
export async function transportClass(name: TransportName): Promise<TransportClass> {
  if (name === 'h2') return H2Transport;
  return (await import('../rpc/grpc-js/grpc-js-transport.ts')).GrpcJsTransport;
}

export interface FrontEndParts {
  readonly config: ServerConfig;
  readonly member: Member;
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly registry: MetricRegistry;
  readonly metrics: EtcdMetrics;
  readonly transport: TransportClass;
  /** Without, calls are not traced. */
  readonly tracer?: RpcTracer | undefined;
  /** Of the client URLs, own and other members'. */
  readonly tls: TlsEndpoint | undefined;
  readonly lookup: LookupFunction;
  readonly onFatal: (what: string, error: Error) => void;
}

export class FrontEnd {
  readonly #health = new HealthStatus();
  #isStopping = false;
  readonly #dispatcher: Dispatcher;
  /** Of those that wait for a lock or to be elected. */
  readonly #queue: KeyQueue;
  readonly #transport: RpcTransport;
  readonly #http: HttpServer;
  readonly #metricsHttp: HttpServer;
  #dashboard: Promise<RunningDashboard> | undefined;

  constructor(parts: FrontEndParts) {
    const { member, logger, metrics, registry, clock, config } = parts;
    const held = new HeldBytes(clock);
    const kv = new KvApi(member.core, member.compactor, held, new ReadDurations(metrics));
    const source = new ServerHealth(member.core, kv);
    this.#queue = new KeyQueue({ core: member.core, kv, leases: member.leaseApi, hub: member.hub });
    const maintenance = new MaintenanceApi(
      member.core,
      member.flusher,
      { ...metrics.mvcc, ...metrics.disk },
      (isUnderWay) => {
        if (config.featureGates.StopGRPCServiceOnDefrag) this.#health.setServing(!isUnderWay && !this.#isStopping);
      },
    );
    const services = registerServices(parts, kv, this.#queue, maintenance);
    this.#health.register(services);
    this.#dispatcher = makeDispatcher(parts, services, source);
    this.#transport = makeTransport(parts, this.#dispatcher, held);
    const endpoints = {
      health: {
        source,
        metrics: new HealthEndpointMetrics(metrics),
        logger: logger.child('http/health.ts'),
        clock,
        requestTimeoutMs: 5000 + 2 * config.electionMs,
      },
      metrics: { contentType: CONTENT_TYPE, expose: oncePerTurn(scrapes(registry)) },
    };
    const version = {
      serverVersion: ETCD_COMPAT_VERSION,
      clusterVersion: () => member.core.parts.cluster.version,
      storageVersion: () => storageVersionOf(member.core.parts.cluster.version),
    };
    const httpLogger = logger.child('http/http-server.ts');
    const dashboard = config.enableUi ? this.#makeDashboard(parts, maintenance) : undefined;
    const client = clientEndpoints({ ...endpoints, version, access: config.httpAccess }, (routes) => {
      addDebugEndpoints(routes, member, config.enablePprof);
      dashboard?.(routes, config.httpAccess.gateway);
      if (!config.httpAccess.gateway) return;
      routes.prefix('/v3/', jsonGateway(this.#dispatcher, held));
      routes.exact('/v3', ({ method }) => movedTo('/v3/', method));
    });
    this.#http = new HttpServer(client, httpLogger);
    this.#metricsHttp = new HttpServer(
      metricsEndpoints(endpoints, (routes) => dashboard?.(routes, false)),
      httpLogger,
    );
  }

  get sinks(): Sinks {
    return { grpc: this.#transport, http: this.#http, metrics: this.#metricsHttp };
  }

  /** Read when the first request comes, as the gateway. */
  #makeDashboard(parts: FrontEndParts, maintenance: MaintenanceApi): (routes: Routes, gateway: boolean) => void {
    const { member, clock, lookup, tls } = parts;
    const load = async (): Promise<RunningDashboard> => {
      const { openDashboard } = await import('./dashboard.ts');
      return openDashboard({ core: member.core, maintenance, clock, lookup, tls: tls && (() => tls.dialOptions()) });
    };
    return (routes, gateway) => {
      const handler: HttpHandler = async (request) =>
        (await (this.#dashboard ??= load())).dashboard.handle(request, gateway);
      routes.exact('/ui', handler).prefix('/ui/', handler);
    };
  }

  /** Ends every call and connection, at the latest after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#health.setServing(false);
    this.#dispatcher.stop();
    this.#queue.stop();
    void this.#dashboard?.then(({ close }) => close(), ignore);
    await Promise.all([this.#transport.stop(graceMs), this.#http.stop(graceMs), this.#metricsHttp.stop(graceMs)]);
  }
}

function ignore(): void {}

/** What takes its time and is the same for all who ask in one turn of the event loop is made once, in the next. */
function oncePerTurn(make: () => string): () => Promise<string> {
  let made: Promise<string> | undefined;
  return () =>
    (made ??= new Promise((resolve) => {
      setImmediate(() => {
        made = undefined;
        resolve(make());
      });
    }));
}

/** Read when the first request comes: most servers never get one. */
function jsonGateway(dispatcher: Dispatcher, held: HeldBytes): HttpHandler {
  let gateway: Promise<JsonGateway> | undefined;
  const load = async (): Promise<JsonGateway> => {
    const loaded = await import('../http/gateway/gateway.ts');
    return new loaded.JsonGateway(dispatcher, held);
  };
  return async (request) => (await (gateway ??= load())).handle(request);
}

function makeDispatcher(parts: FrontEndParts, services: ServiceRegistry, source: ServerHealth): Dispatcher {
  const { config, clock, logger, registry, onFatal } = parts;
  return new Dispatcher({
    registry: services,
    clock,
    logger: logger.child('rpc/dispatcher.ts'),
    metrics: new GrpcMetrics(registry, config.extensiveMetrics),
    tracer: parts.tracer,
    member: source,
    maxRequestBytes: config.maxRequestBytes,
    electionTimeoutMs: config.electionMs,
    warnUnaryMs: config.warningUnaryRequestMs,
    checkRequest: checkFields,
    onPanic: (error) => {
      // A broken invariant may already have touched the state; any other mistake of a handler stays its own.
      if (error instanceof AssertionError) onFatal('internal error', error);
    },
  });
}

function makeTransport(parts: FrontEndParts, opener: Dispatcher, held: HeldBytes): RpcTransport {
  const { config, clock, logger, transport: Transport } = parts;
  return new Transport({
    opener,
    held,
    clock,
    logger: logger.child('rpc/transport.ts'),
    maxConcurrentStreams: config.maxConcurrentStreams,
    keepaliveMinTimeMs: config.grpcKeepalive.minTimeMs,
    keepaliveIntervalMs: config.grpcKeepalive.intervalMs,
    keepaliveTimeoutMs: config.grpcKeepalive.timeoutMs,
  });
}

function registerServices(
  parts: FrontEndParts,
  kv: KvApi,
  queue: KeyQueue,
  maintenance: MaintenanceApi,
): ServiceRegistry {
  const { member, metrics } = parts;
  const { core } = member;
  const services = new ServiceRegistry();
  registerKv(services, core, kv);
  const { serverStreamFailures } = metrics.network;
  registerWatch(services, core, member.hub, () => serverStreamFailures.with('receive', 'watch').inc());
  registerAuth(services, core, member.authApi);
  registerLease(services, core, member.leaseApi, () => serverStreamFailures.with('receive', 'lease-keepalive').inc());
  registerCluster(services, member.clusterApi);
  registerMaintenance(services, core, maintenance, member.snapshots);
  registerLock(services, new LockApi(core, kv, queue));
  registerElection(services, new ElectionApi(queue, member.hub));
  return services;
}
