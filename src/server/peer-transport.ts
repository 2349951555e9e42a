/**
 * How members reach each other, as the server uses it. One adapter: etcd's protocol over HTTP/1.1 (src/peer).
 *
 * What the transport promises, and what not:
 * - A message is delivered at most once, or not at all. A loss that the transport notices is reported with
 *   reportUnreachable(); one it does not notice shows in Raft's own answers.
 * - Messages of one kind (MsgApp, or all others) to one peer arrive in order as long as its streams stay up.
 * - Nothing waits: queues are bounded, and what does not fit is dropped and reported.
 */
import type { Message } from '../gen/raftpb.ts';
import type {
  HashKVResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../gen/rpc.ts';
import type { Member } from '../membership/member.ts';

export interface PeerTransport {
  /**
   * Binds the listen URLs; rejects with an Error that names the URL where an address cannot be had. Connections wait until
   * start().
   */
  listen(): Promise<void>;
  /** Serves, and dials the peers added so far and from here on. */
  start(handler: PeerHandler): void;
  /** Gives what is already queued a moment to leave, then frees all. No handler method is called after it resolved. */
  stop(): Promise<void>;

  /** Takes up contact. A known id gets the new URLs. Never this member itself. */
  addPeer(id: bigint, urls: readonly string[]): void;
  /** Where this member itself is reached, as it tells the others: from the next dial on. */
  updateSelf(urls: readonly string[]): void;
  /** From the next dial on; connections that stand are kept. */
  updatePeer(id: bigint, urls: readonly string[]): void;
  /** What is queued is given a moment to leave. Unknown ids are ignored. */
  removePeer(id: bigint): void;
  peers(): readonly bigint[];

  /**
   * Sends each message to its `to`; never blocks. The messages must not be changed any more. May call reportUnreachable() and
   * reportSnapshot() before it returns. Messages to nobody (0) and to unknown members are dropped silently.
   */
  send(messages: readonly Message[]): void;
  /**
   * Sends a MsgSnap (metadata, and data if the receiver needs it) followed by the database. reportSnapshot() tells how that
   * went. One at a time per peer: another one fails at once.
   */
  sendSnapshot(message: Message, source: SnapshotSource): void;

  /** The clock's monotonic time since when this peer is heard from without a break; undefined while it is not. */
  activeSince(id: bigint): number | undefined;
  roundTrip(id: bigint): RoundTrip | undefined;
}

/** A database file to send. */
export interface SnapshotSource {
  readonly sizeBytes: number;
  /** Called at most once. Must yield sizeBytes bytes in all; each chunk is taken over. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Called exactly once, when the chunks are not needed any more: whether the peer took the snapshot. */
  done(ok: boolean): void;
}

/** What probing a peer showed. */
export interface RoundTrip {
  /** Smoothed over some probes; undefined until one was answered. */
  readonly smoothedMs: number | undefined;
  readonly isHealthy: boolean;
  readonly probes: number;
  readonly lost: number;
  /** How far the peer's clock is ahead of this one; negative if it is behind. */
  readonly clockAheadMs: number;
}

/** What GET /version says. */
export interface PeerVersions {
  readonly server: string;
  /** undefined as long as the cluster has not decided. */
  readonly cluster: string | undefined;
  /** undefined where the member does not say (etcd up to 3.5), or does not know. */
  readonly storage: string | undefined;
}

/**
 * What the server does for its peers. Promises reject with an EtcdError where etcd has an answer for the case. A handler of
 * Raft's traffic must not throw: what it throws ends the process.
 */
export interface PeerHandler {
  /** A message from another member, addressed to this one. */
  process(message: Message): void;
  /** Whether this member's id was removed from the cluster: it is refused, and told so. */
  isRemoved(id: bigint): boolean;
  /** A message to `id` was lost, or its connection. */
  reportUnreachable(id: bigint): void;
  /** A connection to `id` that stood has ended, and nobody listens at any of its addresses: its process has ended. */
  reportGone(id: bigint): void;
  /** How sending a MsgSnap to `id` went. */
  reportSnapshot(id: bigint, ok: boolean): void;
  /**
   * A snapshot from the leader: store the database, then hand the message to Raft. The iterator throws when the sender went
   * away in between. Resolves when the sender may be told that it arrived.
   */
  receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void>;
  /** A peer says that this member was removed from the cluster. May be called more than once. */
  removedFromCluster(): void;

  /** For GET /members: what is applied here. */
  members(): readonly Member[];
  versions(): PeerVersions;
  /** As leader; `authorization` is the caller's token. Returns all members. */
  promoteMember(id: bigint, authorization: string | undefined): Promise<readonly Member[]>;
  /** Revision 0: the current one. */
  hashKv(revision: number): Promise<HashKVResponse>;
  /** As leader. */
  renewLease(request: LeaseKeepAliveRequest): Promise<LeaseKeepAliveResponse>;
  /** As leader. */
  leaseTimeToLive(request: LeaseTimeToLiveRequest): Promise<LeaseTimeToLiveResponse>;
  isDowngradeEnabled(): Promise<boolean>;
}

/**
 * Requests to other members. Each goes to the first of `urls` that answers, in order. Rejects with the EtcdError that the
 * answer stands for, or with a PeerCallError when no URL gave an answer that could be understood.
 */
export interface PeerCalls {
  members(urls: readonly string[]): Promise<PeerMembers>;
  versions(urls: readonly string[]): Promise<PeerVersions>;
  /** Rejects with FutureRev or Compacted where the member says so. */
  hashKv(urls: readonly string[], revision: number): Promise<HashKVResponse>;
  /** Rejects with MemberNotFound, MemberNotLearner, LearnerNotReady or Timeout. */
  promoteMember(urls: readonly string[], id: bigint, authorization?: string): Promise<readonly Member[]>;
  /** Rejects with LeaseNotFound or Timeout. Returns the TTL in seconds. */
  renewLease(urls: readonly string[], id: bigint): Promise<number>;
  /** Rejects with LeaseNotFound or Timeout. */
  leaseTimeToLive(urls: readonly string[], request: LeaseTimeToLiveRequest): Promise<LeaseTimeToLiveResponse>;
  isDowngradeEnabled(urls: readonly string[]): Promise<boolean>;
  /** Closes the connections kept for later calls. */
  close(): void;
}

export interface PeerMembers {
  readonly clusterId: bigint;
  readonly members: readonly Member[];
}

/** No member could be reached, or none gave an answer that could be understood. */
export class PeerCallError extends Error {
  override readonly name = 'PeerCallError';
}

/** How a member gets at its peers once it knows who it is. */
export interface PeerNetwork {
  transport(self: PeerSelf): PeerTransport;
  /** undefined: of a cluster that this member does not know yet. */
  calls(clusterId: bigint | undefined): PeerCalls;
}

export interface PeerSelf {
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly peerURLs: readonly string[];
}
