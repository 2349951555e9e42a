/** The membership as a client asks for it (etcd-behaviour §2.9). */
import { EMPTY } from '../base/bytes.ts';
import { EtcdError, etcdError } from '../base/etcd-error.ts';
import { ConfChangeType } from '../gen/raftpb.ts';
import type {
  MemberAddRequest,
  MemberAddResponseInit,
  MemberInit,
  MemberListResponseInit,
  MemberUpdateRequest,
} from '../gen/rpc.ts';
import { memberId, type Sha1 } from '../membership/ids.ts';
import { encodeMember, encodePromotion, type Member } from '../membership/member.ts';
import { checkPeerUrls } from '../membership/peer-urls.ts';
import { checkAddition, checkPromotion, checkRemoval } from '../membership/reconfiguration.ts';
import type { Caller } from './caller.ts';
import type { ServerCore } from './core.ts';

/** How long a member must have been heard from to count as active. */
const HEALTH_INTERVAL_MS = 5000;
/** A learner may become a voter once it has so much of the leader's log. */
const READY_FRACTION = 0.9;
const RETRY_MS = 50;
const NOT_LEADER = etcdError('NotLeader').message;

export class ClusterApi {
  readonly #core: ServerCore;
  readonly #sha1: Sha1;
  /** Told how each promotion ended that this member decided on: why it failed, or undefined. */
  onPromotion: ((failure: string | undefined) => void) | undefined;

  constructor(core: ServerCore, sha1: Sha1) {
    this.#core = core;
    this.#sha1 = sha1;
  }

  /** Its header has revision 0, as everything about members. */
  async list(caller: Caller, linearizable: boolean): Promise<MemberListResponseInit> {
    if (linearizable) await this.#core.linearizable();
    await this.#core.parts.authenticator.requireUser(caller);
    return this.#members();
  }

  /** This and the other changes are for root. */
  async add(caller: Caller, request: MemberAddRequest): Promise<MemberAddResponseInit> {
    const peerURLs = checkPeerUrls(request.peerURLs);
    await this.#core.parts.authenticator.requireAdmin(caller);
    const { cluster, clock, limits } = this.#core.parts;
    const { isLearner } = request;
    const id = memberId(this.#sha1, peerURLs, '', Math.floor(clock.wallMs() / 1000));
    const member: Member = { id, name: '', peerURLs, clientURLs: [], isLearner };
    if (limits.strictReconfigCheck) checkAddition(cluster, isLearner, (other) => this.#isActive(other));
    cluster.checkChange({ kind: 'add', member }, limits.learnersMax);
    const type = isLearner ? ConfChangeType.ConfChangeAddLearnerNode : ConfChangeType.ConfChangeAddNode;
    await this.#core.proposeConfChange({ type, nodeId: id, context: encodeMember(member) });
    return { ...this.#members(), member: memberMessage(member) };
  }

  async remove(caller: Caller, id: bigint): Promise<MemberListResponseInit> {
    await this.#core.parts.authenticator.requireAdmin(caller);
    this.#require(id);
    const { cluster, limits } = this.#core.parts;
    if (limits.strictReconfigCheck) {
      checkRemoval(cluster, id, {
        isActive: (other) => this.#isActive(other),
        isConnected: (other) => this.#isActive(other, 0),
      });
    }
    await this.#core.proposeConfChange({ type: ConfChangeType.ConfChangeRemoveNode, nodeId: id, context: EMPTY });
    return this.#members();
  }

  async update(caller: Caller, request: MemberUpdateRequest): Promise<MemberListResponseInit> {
    const peerURLs = checkPeerUrls(request.peerURLs);
    await this.#core.parts.authenticator.requireAdmin(caller);
    this.#require(request.ID);
    const member: Member = { id: request.ID, name: '', peerURLs, clientURLs: [], isLearner: false };
    const type = ConfChangeType.ConfChangeUpdateNode;
    await this.#core.proposeConfChange({ type, nodeId: member.id, context: encodeMember(member) });
    return this.#members();
  }

  /** Only the leader knows how far the learner is: another member asks it. */
  async promote(caller: Caller, id: bigint): Promise<MemberListResponseInit> {
    await this.#core.parts.authenticator.requireAdmin(caller);
    const { node, cluster, calls } = this.#core.parts;
    const deadlineMs = this.#core.requestDeadlineMs();
    for (;;) {
      if (node.isLeader) {
        await this.promoteAsLeader(id);
        return this.#members();
      }
      const leader = cluster.member(node.leader);
      try {
        if (leader !== undefined) {
          const members = await calls.promoteMember(leader.peerURLs, id, caller.token);
          return { header: this.#core.header(0), members: members.map(memberMessage) };
        }
      } catch (error) {
        if (error instanceof EtcdError) throw error;
      }
      await this.#core.pause(RETRY_MS, deadlineMs);
    }
  }

  /** Throws NotLeader where another member has to be asked. */
  async promoteAsLeader(id: bigint): Promise<void> {
    try {
      await this.#promote(id);
    } catch (error) {
      if (error instanceof EtcdError && error.message !== NOT_LEADER) this.onPromotion?.(error.message);
      throw error;
    }
    this.onPromotion?.(undefined);
  }

  async #promote(id: bigint): Promise<void> {
    const { node, cluster, limits } = this.#core.parts;
    if (!this.#require(id).isLearner) throw etcdError('MemberNotLearner');
    if (!node.isLeader) throw etcdError('NotLeader');
    const { progress, lastIndex } = node.status();
    const match = progress.get(id)?.match ?? 0;
    if (match < lastIndex * READY_FRACTION) throw etcdError('LearnerNotReady');
    if (limits.strictReconfigCheck) checkPromotion(cluster);
    const type = ConfChangeType.ConfChangeAddNode;
    await this.#core.proposeConfChange({ type, nodeId: id, context: encodePromotion(id) });
  }

  #isActive(id: bigint, forMs = HEALTH_INTERVAL_MS): boolean {
    const { memberId: self, transport, clock } = this.#core.parts;
    if (id === self) return true;
    const sinceMs = transport.activeSince(id);
    return sinceMs !== undefined && clock.monotonicMs() - sinceMs >= forMs;
  }

  #require(id: bigint): Member {
    const member = this.#core.parts.cluster.member(id);
    if (member === undefined) throw etcdError('MemberNotFound');
    return member;
  }

  #members(): { header: MemberListResponseInit['header']; members: MemberInit[] } {
    return { header: this.#core.header(0), members: this.#core.parts.cluster.members().map(memberMessage) };
  }
}

function memberMessage(member: Member): MemberInit {
  return {
    ID: member.id,
    name: member.name,
    peerURLs: [...member.peerURLs],
    clientURLs: [...member.clientURLs],
    isLearner: member.isLearner,
  };
}
