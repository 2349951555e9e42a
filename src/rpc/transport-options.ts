/** What every transport is made from. */

import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { HeldBytes } from '../server/held-bytes.ts';
import type { ConnectionSink } from './connection.ts';
import type { CallOpener } from './transport.ts';

export interface TransportOptions {
  readonly opener: CallOpener;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shared with others that hold something for clients; default: one of its own. */
  readonly held?: HeldBytes;
  /** --max-concurrent-streams; default: no limit but the protocol's. */
  readonly maxConcurrentStreams?: number;
  /** --grpc-keepalive-min-time; default 5 s. */
  readonly keepaliveMinTimeMs?: number;
  /** --grpc-keepalive-interval: how long a connection may be silent before the server pings; default 2 h, 0 = never. */
  readonly keepaliveIntervalMs?: number;
  /** --grpc-keepalive-timeout: how long the answer to that ping may take; default 20 s. */
  readonly keepaliveTimeoutMs?: number;
}

export interface ResolvedTransportOptions extends Required<TransportOptions> {}

export function resolveTransportOptions(options: TransportOptions): ResolvedTransportOptions {
  return {
    opener: options.opener,
    clock: options.clock,
    logger: options.logger,
    held: options.held ?? new HeldBytes(options.clock),
    maxConcurrentStreams: Math.min(options.maxConcurrentStreams ?? 0xffff_ffff, 0xffff_ffff),
    keepaliveMinTimeMs: options.keepaliveMinTimeMs ?? 5000,
    keepaliveIntervalMs: options.keepaliveIntervalMs ?? 7_200_000,
    keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 20_000,
  };
}

/** A gRPC server over connections that somebody else accepted. */
export interface RpcTransport extends ConnectionSink {
  /** Connections that are open now. */
  readonly connections: number;
  /** GOAWAY to everyone; resolves when all calls are over and all connections closed, by force after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}
