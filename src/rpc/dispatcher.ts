/**
 * The one way from every transport to the handlers: finds the method, counts, checks, enforces deadlines, ends calls when the
 * server stops.
 */

import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { CallEnvironment, MemberState } from './call-environment.ts';
import { DeadlineWheel } from './deadline-wheel.ts';
import { LeaderMonitor } from './leader-monitor.ts';
import type { MethodMetrics, RpcMetrics } from './rpc-metrics.ts';
import type { RpcTracer } from './rpc-tracer.ts';
import type { Method, ServiceRegistry } from './service-registry.ts';
import { StreamCallImpl } from './stream-call.ts';
import type { CallOpener, CallReceiver, TransportCall } from './transport.ts';
import { UnaryCall } from './unary-call.ts';

/** What gRPC's receive limit allows beyond max-request-bytes (etcd-behaviour §4). */
const RECEIVE_OVERHEAD_BYTES = 512 * 1024;

export interface DispatcherOptions {
  /** Complete: methods registered later are not seen. */
  readonly registry: ServiceRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RpcMetrics;
  /** Without, calls are not traced. */
  readonly tracer?: RpcTracer | undefined;
  readonly member: MemberState;
  /** --max-request-bytes. */
  readonly maxRequestBytes: number;
  readonly electionTimeoutMs: number;
  /** --warning-unary-request-duration; Infinity = never. */
  readonly warnUnaryMs?: number;
  /** Looks at every request before its handler does; throws WireError. */
  readonly checkRequest?: (request: Uint8Array) => void;
  /** After a handler threw something that is no EtcdError: it has been logged and answered with Internal. */
  readonly onPanic?: (error: unknown) => void;
}

interface Route {
  readonly method: Method;
  readonly metrics: MethodMetrics;
}

export class Dispatcher implements CallOpener {
  readonly maxReceiveBytes: number;
  readonly #registry: ServiceRegistry;
  readonly #env: CallEnvironment;
  readonly #routes = new Map<string, Route>();
  readonly #openStreams = new Set<StreamCallImpl>();
  #isStopped = false;

  constructor(options: DispatcherOptions) {
    const { clock, member, metrics, registry } = options;
    this.maxReceiveBytes = options.maxRequestBytes + RECEIVE_OVERHEAD_BYTES;
    this.#registry = registry;
    this.#env = {
      clock,
      member,
      metrics,
      tracer: options.tracer,
      logger: options.logger,
      deadlines: new DeadlineWheel(clock),
      leaderMonitor: new LeaderMonitor(clock, options.electionTimeoutMs, () => member.hasLeader()),
      warnUnaryMs: options.warnUnaryMs ?? Number.POSITIVE_INFINITY,
      onPanic: options.onPanic ?? (() => {}),
      checkRequest: options.checkRequest ?? (() => {}),
    };
    for (const method of registry.methods()) {
      this.#routes.set(method.path, { method, metrics: metrics.method(method.kind, method.service, method.method) });
    }
  }

  /** Streams of any kind that are open now. */
  get openStreams(): number {
    return this.#openStreams.size;
  }

  open(path: string, transport: TransportCall): CallReceiver {
    const route = this.#routes.get(path);
    if (route === undefined) return refuse(transport, this.#registry.unimplemented(path));
    if (this.#isStopped) return refuse(transport, etcdError('Stopped'));
    const { method, metrics } = route;
    if (method.kind === 'unary') return new UnaryCall(this.#env, method, metrics, transport);
    const call = new StreamCallImpl(this.#env, method, metrics, transport, this.#openStreams);
    call.start();
    return call;
  }

  /** Ends every stream and refuses new calls, both with `etcdserver: server stopped`. Unary calls under way may finish. */
  stop(): void {
    this.#isStopped = true;
    for (const call of this.#openStreams) call.cancelWith(etcdError('Stopped'), true);
    this.#env.leaderMonitor.stop();
  }
}

function refuse(transport: TransportCall, error: EtcdError): CallReceiver {
  transport.sendStatus(error.code, error.message);
  return deafReceiver;
}

const deafReceiver: CallReceiver = {
  message: () => {},
  halfClosed: () => {},
  reset: () => {},
  drained: () => {},
};

/** What a transport answers when a message is larger than maxReceiveBytes. */
export function messageTooLarge(bytes: number, maxBytes: number): EtcdError {
  return new EtcdError(Code.ResourceExhausted, `grpc: received message larger than max (${bytes} vs. ${maxBytes})`);
}
