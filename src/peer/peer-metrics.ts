/** What the transport counts, by the member it talks to. The names belong to src/observability (etcd-behaviour §7.1). */
import type { Counter, Gauge, Histogram } from '../ports/metrics.ts';

/** One instrument per combination of label values. */
export interface Labelled<T> {
  with(...values: string[]): T;
}

export interface SnapshotMetrics {
  readonly successes: Labelled<Counter>;
  readonly failures: Labelled<Counter>;
  readonly inflights: Labelled<Gauge & { add(by: number): void }>;
  readonly duration: Labelled<Histogram>;
}

export interface PeerMetrics {
  readonly peerSentBytes: Labelled<Counter>;
  /** `0` stands for the pipeline's senders. */
  readonly peerReceivedBytes: Labelled<Counter>;
  readonly peerSentFailures: Labelled<Counter>;
  readonly peerReceivedFailures: Labelled<Counter>;
  /** Seconds. */
  readonly peerRoundTripTime: Labelled<Histogram>;
  /** By this member and the peer. */
  readonly activePeers: Labelled<Gauge>;
  readonly knownPeers: Labelled<Gauge>;
  readonly disconnectedPeers: Labelled<Counter>;
  readonly snapshotSend: SnapshotMetrics;
  readonly snapshotReceive: SnapshotMetrics;
}

function nothing<T>(instrument: T): Labelled<T> {
  return { with: () => instrument };
}

const noCounter = nothing({ inc: () => {} });
const noGauge = nothing({ set: () => {}, add: () => {} });
const noHistogram = nothing({ observe: () => {} });
const noSnapshots = { successes: noCounter, failures: noCounter, inflights: noGauge, duration: noHistogram };

/** Counts nothing. */
export const silentPeerMetrics: PeerMetrics = {
  peerSentBytes: noCounter,
  peerReceivedBytes: noCounter,
  peerSentFailures: noCounter,
  peerReceivedFailures: noCounter,
  peerRoundTripTime: noHistogram,
  activePeers: noGauge,
  knownPeers: noGauge,
  disconnectedPeers: noCounter,
  snapshotSend: noSnapshots,
  snapshotReceive: noSnapshots,
};
