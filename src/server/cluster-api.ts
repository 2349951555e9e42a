/** The membership as a client asks for it. */
import { Code, EtcdError } from '../base/etcd-error.ts';
import type { MemberInit, MemberListResponseInit } from '../gen/rpc.ts';
import type { Member } from '../membership/member.ts';
import type { ServerCore } from './core.ts';

export class ClusterApi {
  readonly #core: ServerCore;

  constructor(core: ServerCore) {
    this.#core = core;
  }

  /** Its header has revision 0, as everything about members. */
  list(linearizable: boolean): MemberListResponseInit | Promise<MemberListResponseInit> {
    const waiting = linearizable ? this.#core.linearizable() : undefined;
    return waiting === undefined ? this.#members() : waiting.then(() => this.#members());
  }

  /** Membership changes come with replication. */
  refuse(): never {
    throw new EtcdError(Code.Unimplemented, 'quorate: membership changes are not supported yet');
  }

  #members(): MemberListResponseInit {
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
