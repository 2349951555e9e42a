/** The peers of a real server: etcd's protocol over HTTP. */
import type { ServerConfig } from '../config/server-config.ts';
import { ETCD_COMPAT_VERSION } from '../config/version.ts';
import type { RootLogger } from '../observability/logger.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import { HttpPeerCalls } from '../peer/http-peer-calls.ts';
import { HttpPeerTransport } from '../peer/http-peer-transport.ts';
import type { NameLookup } from '../peer/name-lookup.ts';
import type { PeerTls } from '../peer/peer-tls.ts';
import type { Clock } from '../ports/clock.ts';
import type { PeerNetwork } from '../server/peer-transport.ts';

/** A member that does not answer must not hold up a start for long. */
const DIAL_MS = 1000;

export interface PeerNetworkParts {
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly metrics: EtcdMetrics;
  readonly tls: PeerTls | undefined;
  readonly names: NameLookup;
}

export function httpPeerNetwork(config: ServerConfig, parts: PeerNetworkParts): PeerNetwork {
  const { clock, logger, metrics, tls, names } = parts;
  return {
    transport: ({ id, clusterId, peerURLs }) =>
      new HttpPeerTransport({
        self: { id, clusterId, serverVersion: ETCD_COMPAT_VERSION, urls: peerURLs },
        listenUrls: config.listenPeerUrls.map(({ text }) => text),
        clock,
        tls,
        names,
        logger: logger.child('peer/http-peer-transport.ts'),
        metrics: metrics.network,
        timing: { readMs: config.raftReadTimeoutMs, writeMs: config.raftWriteTimeoutMs },
        reusePort: config.reusePort,
      }),
    calls: (clusterId) => new HttpPeerCalls({ clock, tls, names, clusterId, dialMs: DIAL_MS }),
  };
}
