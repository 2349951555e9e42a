/** Makes the snapshots that Raft wants sent, and hands them to the transport. */
import type { Message, SnapshotMetadata } from '../gen/raftpb.ts';
import type { Cluster } from '../membership/cluster.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { encodeLegacyStore } from './legacy-store.ts';
import type { PeerTransport } from './peer-transport.ts';
import type { SnapshotSource } from './snapshot-source.ts';

export interface SnapshotDispatchParts {
  readonly snapshots: SnapshotSource;
  /** Of what is applied now. */
  readonly metadata: () => SnapshotMetadata;
  readonly cluster: Cluster;
  readonly transport: PeerTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  /** No snapshot goes to this member. */
  readonly failed: (id: bigint) => void;
}

export class SnapshotDispatch {
  readonly #parts: SnapshotDispatchParts;
  #isStopped = false;

  constructor(parts: SnapshotDispatchParts) {
    this.#parts = parts;
  }

  /**
   * Completes a MsgSnap and sends it. Not in this turn: what is applied and what the database holds belong together only
   * when nothing is under way.
   */
  send(message: Message): void {
    this.#parts.clock.soon(() => {
      if (!this.#isStopped) void this.#make(message);
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #make(message: Message): Promise<void> {
    const { snapshots, cluster, transport, logger, failed } = this.#parts;
    try {
      // All three are of the moment before the first pause.
      const metadata = this.#parts.metadata();
      const data = encodeLegacyStore(cluster);
      const snapshot = await snapshots.open();
      if (this.#isStopped) return snapshot.close();
      const { sizeBytes } = snapshot;
      const source = { sizeBytes, chunks: () => snapshot.chunks(), done: () => snapshot.close() };
      transport.sendSnapshot({ ...message, snapshot: { data, metadata } }, source);
    } catch (error) {
      logger.error('failed to make a snapshot for a member', { to: message.to.toString(16), error: String(error) });
      if (!this.#isStopped) failed(message.to);
    }
  }
}
