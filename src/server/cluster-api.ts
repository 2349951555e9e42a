/** The membership as a client asks for it. */
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import type { MemberAddRequest, MemberInit, MemberListResponseInit, MemberUpdateRequest } from '../gen/rpc.ts';
import { memberId, type Sha1 } from '../membership/ids.ts';
import type { Member } from '../membership/member.ts';
import { checkPeerUrls } from '../membership/peer-urls.ts';
import type { ServerCore } from './core.ts';

export class ClusterApi {
  readonly #core: ServerCore;
  readonly #sha1: Sha1;

  constructor(core: ServerCore, sha1: Sha1) {
    this.#core = core;
    this.#sha1 = sha1;
  }

  /** Its header has revision 0, as everything about members. */
  list(linearizable: boolean): MemberListResponseInit | Promise<MemberListResponseInit> {
    const waiting = linearizable ? this.#core.linearizable() : undefined;
    return waiting === undefined ? this.#members() : waiting.then(() => this.#members());
  }

  /** Checks what etcd checks; the change itself comes with replication. */
  add(request: MemberAddRequest): never {
    const peerURLs = checkPeerUrls(request.peerURLs);
    const { cluster, clock } = this.#core.parts;
    const id = memberId(this.#sha1, peerURLs, '', Math.floor(clock.wallMs() / 1000));
    cluster.checkAdd({ id, name: '', peerURLs, clientURLs: [], isLearner: request.isLearner });
    return notSupportedYet();
  }

  remove(id: bigint): never {
    this.#require(id);
    // The only member: what is left would be no cluster.
    throw etcdError('MemberNotEnoughStarted');
  }

  update(request: MemberUpdateRequest): never {
    checkPeerUrls(request.peerURLs);
    this.#require(request.ID);
    return notSupportedYet();
  }

  promote(id: bigint): never {
    if (!this.#require(id).isLearner) throw etcdError('MemberNotLearner');
    return notSupportedYet();
  }

  #require(id: bigint): Member {
    const member = this.#core.parts.cluster.member(id);
    if (member === undefined) throw etcdError('MemberNotFound');
    return member;
  }

  #members(): MemberListResponseInit {
    return { header: this.#core.header(0), members: this.#core.parts.cluster.members().map(memberMessage) };
  }
}

function notSupportedYet(): never {
  throw new EtcdError(Code.Unimplemented, 'quorate: membership changes are not supported yet');
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
