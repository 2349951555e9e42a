/** What all parts of the transport share. */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { PeerHandler } from '../server/peer-transport.ts';
import type { Dialer } from './dialer.ts';
import type { PeerIdentity } from './headers.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import type { PeerTiming } from './timing.ts';

export interface PeerLimits {
  /** Of one channel to one peer: messages that wait. */
  readonly streamMessagesMax: number;
  /** Of one channel to one peer: their size, roughly. */
  readonly streamBytesMax: number;
  readonly pipelineMessagesMax: number;
  /** Posts to one peer at a time. */
  readonly pipelineConnections: number;
  /** Members that are not peers (yet), but can be answered. */
  readonly remotesMax: number;
  /** Of all messages that are being posted to this member, together. */
  readonly postedBytesMax: number;
  /** Snapshots being received at a time. */
  readonly snapshotsReceivedMax: number;
}

export const DEFAULT_LIMITS: PeerLimits = {
  streamMessagesMax: 4096,
  streamBytesMax: 64 << 20,
  pipelineMessagesMax: 64,
  pipelineConnections: 4,
  remotesMax: 64,
  postedBytesMax: 256 << 20,
  snapshotsReceivedMax: 4,
};

export interface PeerContext {
  readonly self: PeerIdentity;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: PeerMetrics;
  readonly timing: PeerTiming;
  readonly limits: PeerLimits;
  readonly handler: PeerHandler;
  /** Once stopped, nothing more is handed to the handler. */
  isStopped(): boolean;
}
