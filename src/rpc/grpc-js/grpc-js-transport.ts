/**
 * gRPC by @grpc/grpc-js. Connections are injected, so that the port can be shared with HTTP/1.1; every call is taken over in
 * a server interceptor, below grpc-js's own handlers and streams.
 *
 * grpc-js has no keepalive enforcement. Its HTTP/2 sessions do report pings; whether something was sent since the last one,
 * which forgives them (see PingPolicy), is told from the bytes written.
 */

import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerInterceptingCall, ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import { PingPolicy, TOO_MANY_PINGS } from '../ping-policy.ts';
import { resolveTransportOptions } from '../transport-options.ts';
import type { ResolvedTransportOptions, RpcTransport, TransportOptions } from '../transport-options.ts';
import { SEND_BYTES_MAX } from '../call-base.ts';
import { GrpcJsCall } from './grpc-js-call.ts';

/** A ping's answer and its like; a response is larger. */
const CONTROL_BYTES_MAX = 64;
/** For a GOAWAY to reach the client before the connection closes. */
const GOAWAY_LINGER_MS = 100;

export class GrpcJsTransport implements RpcTransport {
  readonly #options: ResolvedTransportOptions;
  readonly #server: Server;
  readonly #injector: ReturnType<Server['createConnectionInjector']>;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #onIdle: (() => void) | undefined;

  constructor(options: TransportOptions) {
    this.#options = resolveTransportOptions(options);
    this.#server = new Server({
      'grpc.max_receive_message_length': options.opener.maxReceiveBytes,
      'grpc.max_send_message_length': SEND_BYTES_MAX,
      'grpc.max_concurrent_streams': this.#options.maxConcurrentStreams,
      'grpc.enable_channelz': 0,
      ...(this.#options.keepaliveIntervalMs > 0 && {
        'grpc.keepalive_time_ms': this.#options.keepaliveIntervalMs,
        'grpc.keepalive_timeout_ms': this.#options.keepaliveTimeoutMs,
      }),
      interceptors: [takeOver(options)],
    });
    // The two private fields used: the method table, to see every path, and the HTTP/2 servers, to see their sessions.
    const internals = this.#server as unknown as {
      handlers: Map<string, unknown>;
      http2Servers: Map<http2.Http2Server, unknown>;
    };
    internals.handlers = new AnyMethod();
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    for (const server of internals.http2Servers.keys()) {
      server.on('session', (session: http2.ServerHttp2Session) => this.#watch(session));
    }
  }

  get connections(): number {
    return this.#sessions.size;
  }

  accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    this.#injector.injectConnection(socket);
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#sessions.size > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      for (const session of this.#sessions) session.close();
      const force = setTimeout(() => {
        for (const session of this.#sessions) session.destroy();
      }, graceMs);
      await idle;
      clearTimeout(force);
    }
    this.#server.forceShutdown();
  }

  #watch(session: http2.ServerHttp2Session): void {
    const policy = new PingPolicy(this.#options.keepaliveMinTimeMs);
    let openStreams = 0;
    let bytesWritten = 0;
    this.#sessions.add(session);
    session.on('error', () => session.destroy());
    session.on('stream', (stream) => {
      openStreams++;
      stream.on('close', () => openStreams--);
    });
    session.on('ping', () => {
      const written = session.destroyed ? 0 : session.socket.bytesWritten;
      if (written - bytesWritten > CONTROL_BYTES_MAX) policy.onSend();
      bytesWritten = written;
      if (policy.isTooMany(this.#options.clock.monotonicMs(), openStreams)) sendAway(session);
    });
    session.on('close', () => {
      this.#sessions.delete(session);
      if (this.#sessions.size === 0) this.#onIdle?.();
    });
  }
}

function sendAway(session: http2.ServerHttp2Session): void {
  if (session.destroyed) return;
  session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from(TOO_MANY_PINGS));
  setTimeout(() => session.destroy(), GOAWAY_LINGER_MS).unref();
}

/** A method table that has every method: what exists is the opener's business. */
class AnyMethod extends Map<string, unknown> {
  override get(path: string): unknown {
    return { func: identity, serialize: identity, deserialize: identity, type: 'unary', path };
  }
}

function takeOver(options: TransportOptions): ServerInterceptor {
  return (method, call) => {
    new GrpcJsCall(call, options.opener, method.path).start();
    // grpc-js goes on to run its handler on this: it must find nothing to do there.
    return new InertCall(call) as unknown as ServerInterceptingCall;
  };
}

class InertCall implements Pick<ServerInterceptingCallInterface, 'start'> {
  readonly #call: ServerInterceptingCallInterface;

  constructor(call: ServerInterceptingCallInterface) {
    this.#call = call;
  }

  start(): void {}

  getPeer(): string {
    return this.#call.getPeer();
  }
}

function identity<T>(value: T): T {
  return value;
}
