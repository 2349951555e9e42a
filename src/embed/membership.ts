/** Carries out changes of the members when their entries are applied: in Raft, in the database, and towards the peers. */
import { EtcdError } from '../base/etcd-error.ts';
import { ConfChangeType, type ConfChange, type ConfState } from '../gen/raftpb.ts';
import type { Cluster, MemberChange } from '../membership/cluster.ts';
import { decodeMember, type Member } from '../membership/member.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { PeerTransport } from '../server/peer-transport.ts';

export interface MembershipParts {
  readonly memberId: bigint;
  readonly cluster: Cluster;
  readonly learnersMax: number;
  readonly transport: PeerTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly applyToRaft: (change: ConfChange) => ConfState;
  readonly isLeader: () => boolean;
  /** How long this member stays at most after it was removed, so that a leader can hand over. */
  readonly leaveMs: number;
  readonly onRemoved: () => void;
  readonly initial: ConfState;
  /** Members that the database may know nothing of yet. */
  readonly contacts: readonly Member[];
}

/** For answers to leave, and for the others to learn that the removal is committed. */
const LEAVE_LOOK_MS = 1000;
/** How long a removed member is still answered: if it leads, it needs to know who can take over. */
const FAREWELL_MS = 1000;

export class Membership {
  readonly #parts: MembershipParts;
  #confState: ConfState;
  #cancelLeaving: (() => void) | undefined;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#confState = parts.initial;
    // The flags may be older than what the cluster was told since.
    const self = parts.cluster.member(parts.memberId);
    if (self !== undefined) parts.transport.updateSelf(self.peerURLs);
    for (const member of [...parts.contacts, ...parts.cluster.members()]) this.#addPeer(member);
  }

  /** Of what is applied. */
  get confState(): ConfState {
    return this.#confState;
  }

  /** Returns why the change is refused; then it changes nothing, on any member. */
  apply(conf: ConfChange): EtcdError | undefined {
    const { cluster, learnersMax, applyToRaft } = this.#parts;
    const change = changeOf(conf);
    try {
      cluster.checkChange(change, learnersMax);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      this.#confState = applyToRaft({ ...conf, nodeId: 0n });
      return error;
    }
    this.#confState = applyToRaft(conf);
    this.#carryOut(change);
    return undefined;
  }

  /** This member was removed: the process ends, once a leader has had the time to hand over. */
  leave(): void {
    if (this.#cancelLeaving !== undefined) return;
    const { clock, logger, leaveMs } = this.#parts;
    logger.warn('this member was removed from the cluster');
    this.#awaitLeaving(clock.monotonicMs() + leaveMs);
  }

  stop(): void {
    this.#cancelLeaving?.();
    this.#cancelLeaving ??= () => {};
  }

  #awaitLeaving(untilMs: number): void {
    const { clock, isLeader, onRemoved } = this.#parts;
    this.#cancelLeaving = clock.after(LEAVE_LOOK_MS, () => {
      if (isLeader() && clock.monotonicMs() < untilMs) this.#awaitLeaving(untilMs);
      else onRemoved();
    });
  }

  #carryOut({ kind, member }: MemberChange): void {
    const { cluster, transport, memberId, clock, logger } = this.#parts;
    const id = member.id.toString(16);
    switch (kind) {
      case 'add':
        cluster.add(member);
        this.#addPeer(member);
        logger.info('added member', { id, 'peer-urls': member.peerURLs, learner: member.isLearner });
        return;
      case 'promote':
        cluster.promote(member.id);
        logger.info('promoted member', { id });
        return;
      case 'update':
        cluster.updatePeerURLs(member.id, member.peerURLs);
        if (member.id === memberId) transport.updateSelf(member.peerURLs);
        else transport.updatePeer(member.id, member.peerURLs);
        logger.info('updated member', { id, 'peer-urls': member.peerURLs });
        return;
      case 'remove':
        cluster.remove(member.id);
        logger.info('removed member', { id });
        if (member.id === memberId) this.leave();
        else clock.after(FAREWELL_MS, () => transport.removePeer(member.id));
    }
  }

  #addPeer({ id, peerURLs }: Member): void {
    const { transport, memberId } = this.#parts;
    if (id !== memberId) transport.addPeer(id, peerURLs);
  }
}

function changeOf(conf: ConfChange): MemberChange {
  if (conf.type === ConfChangeType.ConfChangeRemoveNode) {
    const member = { id: conf.nodeId, name: '', peerURLs: [], clientURLs: [], isLearner: false };
    return { kind: 'remove', member };
  }
  const { isPromote, ...member } = decodeMember(conf.context);
  if (isPromote) return { kind: 'promote', member };
  return { kind: conf.type === ConfChangeType.ConfChangeUpdateNode ? 'update' : 'add', member };
}
