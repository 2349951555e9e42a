/** How a cluster begins: the ids of its members, and the entries that every member's log starts with. */
import type { Entry, HardState } from '../gen/raftpb.ts';
import { ConfChangeType, encodeConfChange, EntryType } from '../gen/raftpb.ts';
import { clusterId, memberId, type Sha1 } from '../membership/ids.ts';
import { encodeMember, type Member } from '../membership/member.ts';

/** One `name=url,url` group of --initial-cluster. */
export interface InitialMember {
  readonly name: string;
  readonly peerURLs: readonly string[];
}

export interface Bootstrap {
  readonly clusterId: bigint;
  /** Ascending by id; without client URLs, which members publish once they run. */
  readonly members: readonly Member[];
  readonly self: Member;
  /** One conf change per member, indexes from 1, term 1: the same on every member. */
  readonly entries: readonly Entry[];
  /** All of them are committed from the start. */
  readonly hardState: HardState;
}

/** `selfName` must be among the members. */
export function bootstrap(
  sha1: Sha1,
  initialMembers: readonly InitialMember[],
  token: string,
  selfName: string,
): Bootstrap {
  const named = initialMembers.map(({ name, peerURLs }) => ({ name, member: newMember(sha1, name, peerURLs, token) }));
  const members = named.map(({ member }) => member).sort((a, b) => (a.id < b.id ? -1 : 1));
  const self = named.find(({ name }) => name === selfName)?.member;
  if (self === undefined) throw new Error(`member ${selfName} is not in the initial cluster`);
  const entries = members.map((member, at) => ({
    type: EntryType.EntryConfChange,
    term: 1,
    index: at + 1,
    data: encodeConfChange({
      id: 0n,
      type: ConfChangeType.ConfChangeAddNode,
      nodeId: member.id,
      context: encodeMember(member),
    }),
  }));
  return {
    clusterId: clusterId(
      sha1,
      members.map(({ id }) => id),
    ),
    members,
    self,
    entries,
    hardState: { term: 1, vote: 0n, commit: entries.length },
  };
}

function newMember(sha1: Sha1, name: string, peerURLs: readonly string[], token: string): Member {
  const sorted = [...peerURLs].sort();
  return { id: memberId(sha1, sorted, token), name, peerURLs: sorted, clientURLs: [], isLearner: false };
}
