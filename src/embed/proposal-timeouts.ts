/** Why a proposal timed out, as far as this member can tell (etcd-behaviour §2.14). */
import { etcdError, type EtcdError } from '../base/etcd-error.ts';
import type { Cluster } from '../membership/cluster.ts';
import type { PeerTransport } from '../server/peer-transport.ts';
import type { RaftNode } from '../server/raft-node.ts';

export interface ProposalTimeoutsParts {
  readonly memberId: bigint;
  readonly electionMs: number;
  readonly cluster: Cluster;
  readonly transport: PeerTransport;
  readonly node: () => RaftNode;
}

export class ProposalTimeouts {
  readonly #parts: ProposalTimeoutsParts;

  constructor(parts: ProposalTimeoutsParts) {
    this.#parts = parts;
  }

  /** For a proposal made at `startMs`, of the monotonic clock. */
  errorFor(startMs: number): EtcdError {
    const { electionMs, memberId, cluster } = this.#parts;
    const { leader, leaderSinceMs } = this.#parts.node();
    // The leader before may have taken the proposal with it.
    if (startMs > leaderSinceMs - 2 * electionMs && startMs < leaderSinceMs) return etcdError('TimeoutDueToLeaderFail');
    if (leader === 0n) return etcdError('Timeout');
    if (leader !== memberId) {
      return etcdError(this.#connectedSince(leader, startMs) ? 'Timeout' : 'TimeoutDueToConnectionLost');
    }
    const voters = cluster.voters();
    const connected = voters.filter(({ id }) => this.#connectedSince(id, startMs)).length;
    return etcdError(connected > voters.length / 2 ? 'Timeout' : 'TimeoutDueToConnectionLost');
  }

  #connectedSince(id: bigint, startMs: number): boolean {
    const { memberId, transport } = this.#parts;
    return id === memberId || (transport.activeSince(id) ?? Infinity) <= startMs;
  }
}
