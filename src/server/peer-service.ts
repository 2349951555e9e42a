/** What this member does for the others: takes in Raft's messages, and answers what they ask. */
import { etcdError } from '../base/etcd-error.ts';
import { MessageType, type Message, type SnapshotMetadata } from '../gen/raftpb.ts';
import type {
  HashKVResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../gen/rpc.ts';
import type { Member } from '../membership/member.ts';
import { storageVersionOf } from '../membership/versions.ts';
import type { ClusterApi } from './cluster-api.ts';
import type { ServerCore } from './core.ts';
import type { LeaseApi } from './lease-api.ts';
import type { PeerHandler, PeerVersions } from './peer-transport.ts';

/** How long a member that wants to join waits for an answer that is certain. */
const QUORUM_PATIENCE_MS = 500;

export interface PeerServiceParts {
  readonly core: ServerCore;
  readonly cluster: ClusterApi;
  readonly leases: LeaseApi;
  /** Stores a snapshot; durable when it resolves. */
  readonly storeSnapshot: (metadata: SnapshotMetadata, database: AsyncIterable<Uint8Array>) => Promise<void>;
  /** A snapshot was stored: the member has to start again with it. */
  readonly onSnapshotStored: () => void;
  /** This member is no part of the cluster any more. */
  readonly onRemoved: () => void;
}

export class PeerService implements PeerHandler {
  readonly #parts: PeerServiceParts;
  #isReceiving = false;

  constructor(parts: PeerServiceParts) {
    this.#parts = parts;
  }

  process(message: Message): void {
    // A snapshot comes with its database, or is of no use.
    if (message.type !== MessageType.MsgSnap) this.#parts.core.parts.node.step(message);
  }

  isRemoved(id: bigint): boolean {
    return this.#parts.core.parts.cluster.isRemoved(id);
  }

  reportUnreachable(id: bigint): void {
    this.#parts.core.parts.node.reportUnreachable(id);
  }

  reportGone(id: bigint): void {
    this.#parts.core.parts.node.reportGone(id);
  }

  reportSnapshot(id: bigint, ok: boolean): void {
    this.#parts.core.parts.node.reportSnapshot(id, ok);
  }

  async receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void> {
    const { core, storeSnapshot, onSnapshotStored } = this.#parts;
    const { node, memberId, logger } = core.parts;
    const metadata = message.snapshot?.metadata;
    if (metadata?.confState === undefined) throw new Error('the snapshot says nothing of the members');
    if (message.term < node.term) throw new Error('the snapshot is of a former leader');
    if (node.holds(metadata.index, metadata.term)) {
      // Raft tells the leader so.
      for await (const _ of database);
      node.step(message);
      return;
    }
    const { voters, learners } = metadata.confState;
    if (!voters.includes(memberId) && !learners.includes(memberId)) throw new Error('the snapshot lacks this member');
    if (this.#isReceiving) throw new Error('another snapshot is being received');
    this.#isReceiving = true;
    try {
      await storeSnapshot(metadata, database);
    } finally {
      this.#isReceiving = false;
    }
    logger.warn('stored a snapshot from the leader; starting again with it', {
      index: metadata.index,
      term: metadata.term,
    });
    onSnapshotStored();
  }

  removedFromCluster(): void {
    this.#parts.onRemoved();
  }

  members(): readonly Member[] {
    return this.#parts.core.parts.cluster.members();
  }

  versions(): PeerVersions {
    const { serverVersion, cluster } = this.#parts.core.parts;
    return { server: serverVersion, cluster: cluster.version, storage: storageVersionOf(cluster.version) };
  }

  async promoteMember(id: bigint, authorization: string | undefined): Promise<readonly Member[]> {
    const caller = { token: authorization, commonName: undefined, cancelled: false };
    await this.#parts.core.parts.authenticator.requireAdmin(caller);
    await this.#parts.cluster.promoteAsLeader(id);
    return this.members();
  }

  async hashKv(revision: number): Promise<HashKVResponse> {
    const { store, jobs, clusterId, memberId, node } = this.#parts.core.parts;
    const currentRev = store.currentRev;
    const { hash, compactRevision, hashRevision } = await jobs.run(store.hashKvJob(revision));
    const header = { clusterId, memberId, revision: currentRev, raftTerm: node.term };
    return { header, hash, compactRevision, hashRevision };
  }

  async renewLease({ ID }: LeaseKeepAliveRequest): Promise<LeaseKeepAliveResponse> {
    const ttl = await this.#parts.leases.renewAsLeader(ID);
    const { clusterId, memberId, node, store } = this.#parts.core.parts;
    const header = { clusterId, memberId, revision: store.currentRev, raftTerm: node.term };
    return { header, ID, TTL: ttl };
  }

  async leaseTimeToLive(request: LeaseTimeToLiveRequest): Promise<LeaseTimeToLiveResponse> {
    const { clusterId, memberId, node, store } = this.#parts.core.parts;
    const found = await this.#parts.leases.timeToLiveAsLeader(request);
    if (found === undefined) throw etcdError('LeaseNotFound');
    const header = { clusterId, memberId, revision: store.currentRev, raftTerm: node.term };
    return { header, ID: request.ID, TTL: found.TTL, grantedTTL: found.grantedTTL, keys: found.keys };
  }

  /**
   * For members that want to join. Those of etcd 3.5 would look for a cluster that is still at the version above theirs; this
   * one is at theirs as soon as the downgrade has begun, so that they find what they need without it. Where a quorum is missing,
   * the one who asks may be the one who is needed for it: then what is applied here has to do.
   */
  async isDowngradeEnabled(): Promise<boolean> {
    const { core } = this.#parts;
    const { clock } = core.parts;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(QUORUM_PATIENCE_MS, resolve);
      Promise.resolve(core.linearizable())
        .catch(() => {})
        .finally(() => {
          cancel();
          resolve();
        });
    });
    const { downgrade, version } = core.parts.cluster;
    return downgrade.isEnabled && downgrade.targetVersion !== version;
  }
}
