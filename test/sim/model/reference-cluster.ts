/** Who belongs to the cluster after each entry of the log, by the rules of etcd's membership, slowly and simply. */
import { type EtcdError, etcdError } from '../../../src/base/etcd-error.ts';
import { ConfChangeType, type ConfChange } from '../../../src/gen/raftpb.ts';
import { decodeMember } from '../../../src/membership/member.ts';

export interface ReferenceMembership {
  readonly id: bigint;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

export interface MembershipChange {
  readonly kind: 'add' | 'promote' | 'update' | 'remove';
  readonly id: bigint;
  readonly isLearner: boolean;
  readonly peerURLs: readonly string[];
}

interface Snapshot {
  /** From this index of the log on. */
  readonly from: number;
  readonly members: readonly ReferenceMembership[];
}

const LEARNERS_MAX = 1;

export class ReferenceCluster {
  #members: readonly ReferenceMembership[] = [];
  readonly #removed = new Set<bigint>();
  readonly #history: Snapshot[] = [{ from: 0, members: [] }];

  /** Ascending by id. */
  get members(): readonly ReferenceMembership[] {
    return this.#members;
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  membersAt(index: number): readonly ReferenceMembership[] {
    return this.#history.findLast(({ from }) => from <= index)?.members ?? [];
  }

  /** Ids of those who vote at that index. */
  votersAt(index: number): readonly bigint[] {
    return this.membersAt(index)
      .filter(({ isLearner }) => !isLearner)
      .map(({ id }) => id);
  }

  /** Throws what the proposer is told where the change is refused. */
  change(conf: ConfChange, index: number): MembershipChange {
    const change = changeOf(conf);
    const refusal = this.#refusalOf(change);
    if (refusal !== undefined) throw refusal;
    const { id, kind, isLearner, peerURLs } = change;
    const others = this.#members.filter((member) => member.id !== id);
    const before = this.#members.find((member) => member.id === id);
    if (kind === 'remove') this.#removed.add(id);
    if (kind === 'remove' || before === undefined) {
      this.#set(
        kind === 'remove' ? others : [...others, { id, name: nameIn(conf), peerURLs, clientURLs: [], isLearner }],
        index,
      );
    } else {
      const changed = kind === 'promote' ? { ...before, isLearner: false } : { ...before, peerURLs };
      this.#set([...others, changed], index);
    }
    return change;
  }

  /** What a member tells of itself. */
  publish(id: bigint, name: string, clientURLs: readonly string[], index: number): void {
    this.#set(
      this.#members.map((member) => (member.id === id ? { ...member, name, clientURLs } : member)),
      index,
    );
  }

  #refusalOf({ kind, id, isLearner, peerURLs }: MembershipChange): EtcdError | undefined {
    const member = this.#members.find((one) => one.id === id);
    const urlsTaken = this.#members.some((one) => one.id !== id && one.peerURLs.some((url) => peerURLs.includes(url)));
    if (this.#removed.has(id)) return etcdError('MemberNotFound');
    if (kind === 'add') {
      if (member !== undefined) return etcdError('MemberExist');
      if (urlsTaken) return etcdError('PeerURLExist');
      const learners = this.#members.filter((one) => one.isLearner).length;
      return isLearner && learners >= LEARNERS_MAX ? etcdError('TooManyLearners') : undefined;
    }
    if (member === undefined) return etcdError('MemberNotFound');
    if (kind === 'promote' && !member.isLearner) return etcdError('MemberNotLearner');
    return kind === 'update' && urlsTaken ? etcdError('PeerURLExist') : undefined;
  }

  #set(members: readonly ReferenceMembership[], index: number): void {
    this.#members = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    this.#history.push({ from: index, members: this.#members });
  }
}

export function changeOf(conf: ConfChange): MembershipChange {
  const id = conf.nodeId;
  if (conf.type === ConfChangeType.ConfChangeRemoveNode) return { kind: 'remove', id, isLearner: false, peerURLs: [] };
  const { isPromote, isLearner, peerURLs } = decodeMember(conf.context);
  const isUpdate = conf.type === ConfChangeType.ConfChangeUpdateNode;
  return { kind: isPromote ? 'promote' : isUpdate ? 'update' : 'add', id, isLearner, peerURLs };
}

function nameIn(conf: ConfChange): string {
  return decodeMember(conf.context).name;
}

export function membershipText(members: readonly ReferenceMembership[]): string {
  return members
    .map(({ id, name, peerURLs, clientURLs, isLearner }) => {
      return `${id.toString(16)}=${name}@${peerURLs.join('+')}/${clientURLs.join('+')}${isLearner ? '/learner' : ''}`;
    })
    .join(' ');
}
