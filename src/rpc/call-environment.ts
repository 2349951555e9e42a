/** What every open call shares: the parts of the dispatcher that calls use. */

import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { DeadlineWheel } from './deadline-wheel.ts';
import type { LeaderMonitor } from './leader-monitor.ts';
import type { RpcMetrics } from './rpc-metrics.ts';
import type { RpcTracer } from './rpc-tracer.ts';

/** What the checks before a handler ask about this member. */
export interface MemberState {
  hasLeader(): boolean;
  isLearner(): boolean;
}

export interface CallEnvironment {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RpcMetrics;
  /** undefined: calls are not traced. */
  readonly tracer: RpcTracer | undefined;
  readonly member: MemberState;
  readonly deadlines: DeadlineWheel;
  readonly leaderMonitor: LeaderMonitor;
  /** Unary calls that take longer are logged; Infinity = never. */
  readonly warnUnaryMs: number;
  /** A handler threw something that is no EtcdError; the call has been answered with Internal. */
  readonly onPanic: (error: unknown) => void;
  /** Throws WireError for a request that must not be decoded. */
  readonly checkRequest: (request: Uint8Array) => void;
}
