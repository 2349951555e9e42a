/** A server with one service of simple methods, on one transport, for the transport suite. */

import type { Code } from '../../../src/base/etcd-error.ts';
import { EtcdError, etcdError } from '../../../src/base/etcd-error.ts';
import { HttpServer } from '../../../src/http/http-server.ts';
import { text } from '../../../src/http/http-message.ts';
import { GrpcMetrics } from '../../../src/observability/grpc-metrics.ts';
import { MetricRegistry } from '../../../src/observability/metric-registry.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import type { Logger } from '../../../src/ports/logger.ts';
import { ClientListener } from '../../../src/rpc/client-listener.ts';
import type { ListenAddress } from '../../../src/rpc/client-listener.ts';
import { Dispatcher } from '../../../src/rpc/dispatcher.ts';
import { ServiceRegistry } from '../../../src/rpc/service-registry.ts';
import type { RpcContext, StreamCall } from '../../../src/rpc/transport.ts';
import type { RpcTransport, TransportOptions } from '../../../src/rpc/transport-options.ts';

export type MakeTransport = (options: TransportOptions) => RpcTransport;

export const MAX_REQUEST_BYTES = 1_572_864;
export const RECEIVE_BYTES_MAX = MAX_REQUEST_BYTES + 512 * 1024;

export interface EchoServer {
  readonly port: number;
  readonly transport: RpcTransport;
  readonly dispatcher: Dispatcher;
  readonly registry: MetricRegistry;
  readonly logged: { message: string; fields: Record<string, unknown> | undefined }[];
  /** Paths of calls whose handler was told of a cancellation. */
  readonly cancelled: string[];
  /** What the handlers of /t.Echo/Hold and streams have been called with. */
  readonly contexts: RpcContext[];
  /** Streams of /t.Echo/Stall and /t.Echo/Paused, in the order they opened. */
  readonly streams: StreamCall[];
  readonly drains: number[];
  /** Messages that /t.Echo/Paused has received. */
  readonly received: Uint8Array[];
  readonly member: { hasLeader: boolean; isLearner: boolean };
  stop(graceMs: number): Promise<void>;
}

export interface EchoServerOptions extends Partial<TransportOptions> {
  readonly address?: ListenAddress;
}

type EchoState = Pick<EchoServer, 'cancelled' | 'contexts' | 'streams' | 'drains' | 'received'>;

export async function startEchoServer(make: MakeTransport, options: EchoServerOptions = {}): Promise<EchoServer> {
  const state: EchoState = { cancelled: [], contexts: [], streams: [], drains: [], received: [] };
  const logged: EchoServer['logged'] = [];
  const note = (message: string, fields?: Record<string, unknown>): void => void logged.push({ message, fields });
  const logger: Logger = { debug: note, info: note, warn: note, error: note };
  const clock = new NodeClock();
  const member = { hasLeader: true, isLearner: false };
  const registry = new MetricRegistry();
  const dispatcher = new Dispatcher({
    registry: echoService(state),
    clock,
    logger,
    metrics: new GrpcMetrics(registry, true),
    member: { hasLeader: () => member.hasLeader, isLearner: () => member.isLearner },
    maxRequestBytes: MAX_REQUEST_BYTES,
    electionTimeoutMs: 50,
  });
  const { address = { host: '127.0.0.1', port: 0 }, ...rest } = options;
  const transport = make({ opener: dispatcher, clock, logger, ...rest });
  const http = new HttpServer((request) => text(200, `${request.method} ${request.path}`), logger);
  const listener = await ClientListener.open({ address, http2: transport, http1: http, logger });
  const stop = async (graceMs: number): Promise<void> => {
    listener.close();
    dispatcher.stop();
    await Promise.all([transport.stop(graceMs), http.stop(graceMs)]);
  };
  return { port: listener.port, transport, dispatcher, registry, logged, member, stop, ...state };
}

function echoService(state: EchoState): ServiceRegistry {
  const registry = new ServiceRegistry();
  addUnary(registry, state);
  addStreams(registry, state);
  return registry;
}

function addUnary(registry: ServiceRegistry, state: EchoState): void {
  registry
    .unary('/t.Echo/Now', (_ctx, request) => request)
    .unary('/t.Echo/Later', async (_ctx, request) => {
      await new Promise(setImmediate);
      return request;
    })
    .unary('/t.Echo/Size', (_ctx, request) => Buffer.from(String(request.length)))
    .unary('/t.Echo/Learner', (_ctx, request) => request, { isServedByLearner: (request) => request[0] === 1 })
    .unary('/t.Echo/Slow', async (_ctx, request) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return request;
    })
    .unary('/t.Echo/Fail', (_ctx, request) => {
      throw new EtcdError(request[0] as Code, Buffer.from(request.subarray(1)).toString());
    })
    .unary('/t.Echo/FailLater', async () => {
      await new Promise(setImmediate);
      throw etcdError('LeaseNotFound');
    })
    .unary('/t.Echo/Bug', () => {
      throw new TypeError('a bug');
    })
    .unary('/t.Echo/Metadata', (ctx, request) => {
      const value = ctx.metadata.get(Buffer.from(request).toString());
      return Buffer.from(JSON.stringify([value ?? null, ctx.token ?? null, ctx.peerAddress, ctx.path]));
    })
    .unary('/t.Echo/Hold', (ctx) => {
      state.contexts.push(ctx);
      ctx.onCancel(() => state.cancelled.push(ctx.path));
      return new Promise(() => {});
    });
}

function addStreams(registry: ServiceRegistry, state: EchoState): void {
  registry
    // The request: how many messages, of how many bytes.
    .serverStream('/t.Echo/Count', (call, request) => {
      const view = new DataView(request.buffer, request.byteOffset);
      const message = new Uint8Array(Math.min(view.getUint32(4), 2_000_000));
      const count = Math.min(view.getUint32(0), 10_000);
      for (let i = 0; i < count && !call.ctx.cancelled; i++) call.send(numbered(i), message);
      call.end();
    })
    .serverStream('/t.Echo/FailAfter', (call, request) => {
      for (let i = 0; i < (request[0] as number); i++) call.send(numbered(i));
      call.fail(etcdError('Compacted'));
    })
    .serverStream('/t.Echo/Stall', (call, request) => {
      track(state, call);
      call.send(request);
    })
    .bidi('/t.Echo/Chat', (call) => {
      call.ctx.onCancel(() => state.cancelled.push(call.ctx.path));
      call.onMessage((message) => call.send(Buffer.from('re:'), message));
      call.onHalfClose(() => call.end());
    })
    .bidi('/t.Echo/Paused', (call) => {
      track(state, call);
      call.pauseReading();
      call.onMessage((message) => state.received.push(message));
      call.onHalfClose(() => call.end());
    })
    .bidi('/t.Echo/BadStream', async (call) => {
      call.send(Buffer.from('one'));
      await new Promise(setImmediate);
      throw new TypeError('a bug in a stream');
    });
}

function track(state: EchoState, call: StreamCall): void {
  state.streams.push(call);
  state.contexts.push(call.ctx);
  call.ctx.onCancel(() => state.cancelled.push(call.ctx.path));
  call.onDrain(() => state.drains.push(call.backlogBytes));
}

export function numbered(i: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, i);
  return out;
}

export function uint32s(...values: number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4);
  values.forEach((value, i) => new DataView(out.buffer).setUint32(i * 4, value));
  return out;
}
