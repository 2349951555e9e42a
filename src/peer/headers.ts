/** The headers by which members know each other, and whether they may talk (etcd-behaviour §9.1). */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** The oldest cluster this protocol works in. */
const MIN_CLUSTER_VERSION = '3.0.0';
/** What a member is that does not say. */
const UNSTATED_VERSION = '2.0.0';

/** Answers that both sides know by their text. */
export const INCOMPATIBLE_VERSION = 'incompatible version';
export const CLUSTER_ID_MISMATCH = 'cluster ID mismatch';

/** Who this member is. */
export interface PeerIdentity {
  readonly id: bigint;
  readonly clusterId: bigint;
  /** This server's, like 3.6.12: the release of etcd whose protocol it speaks. */
  readonly serverVersion: string;
  /** This member's own URLs: a peer that does not know it yet can answer there. */
  urls: readonly string[];
}

/** Ids in paths and headers: lower-case hex without padding. */
export function hexId(id: bigint): string {
  return id.toString(16);
}

/** undefined if it is not the hex of an unsigned 64-bit number. */
export function parseHexId(text: string): bigint | undefined {
  return /^[0-9a-fA-F]{1,16}$/.test(text) ? BigInt(`0x${text}`) : undefined;
}

/** For every request to a peer. */
export function requestHeaders(self: PeerIdentity): OutgoingHttpHeaders {
  return {
    'X-Server-From': hexId(self.id),
    'X-Server-Version': self.serverVersion,
    'X-Min-Cluster-Version': MIN_CLUSTER_VERSION,
    'X-Etcd-Cluster-ID': hexId(self.clusterId),
    'X-PeerURLs': self.urls.join(','),
  };
}

/** Why a request from another member cannot be answered; undefined if it can. */
export function refusal(self: PeerIdentity, headers: IncomingHttpHeaders): string | undefined {
  const theirs = versionOf(headers['x-server-version']);
  const theirMinimum = versionOf(headers['x-min-cluster-version']);
  const own = versionOf(self.serverVersion);
  const compatible = theirs >= versionOf(MIN_CLUSTER_VERSION) && own >= theirMinimum;
  if (!compatible) return INCOMPATIBLE_VERSION;
  if (headers['x-etcd-cluster-id'] !== hexId(self.clusterId)) return CLUSTER_ID_MISMATCH;
  return undefined;
}

export function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Major and minor version as one number; NaN, which compares with nothing, for what is no version. */
function versionOf(header: string | string[] | undefined): number {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})\.\d+/.exec(headerText(header) || UNSTATED_VERSION) ?? [];
  return Number(major) * 10_000 + Number(minor);
}
