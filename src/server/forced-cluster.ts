/** One member's log becomes that of a cluster of its own (--force-new-cluster): when the others are lost for good. */
import { EMPTY } from '../base/bytes.ts';
import {
  ConfChangeType,
  decodeConfChange,
  encodeConfChange,
  EntryType,
  type ConfState,
  type Entry,
  type HardState,
} from '../gen/raftpb.ts';
import { encodeMember, encodePromotion, type Member } from '../membership/member.ts';

export interface ForcedClusterInput {
  readonly self: bigint;
  /** For the case that the log does not know this member any more. */
  readonly peerURLs: readonly string[];
  /** Of what is applied. */
  readonly confState: ConfState;
  readonly appliedIndex: number;
  readonly hardState: HardState;
  /** The log; it may begin before what is applied. */
  readonly entries: readonly Entry[];
}

export interface ForcedCluster {
  /** What was committed, and then `changes`. */
  readonly entries: readonly Entry[];
  /** This member comes in as a voter, if it is none, and the others go; each keeps its id. Committed, because it is decided here. */
  readonly changes: readonly Entry[];
  readonly hardState: HardState;
}

/** What was not committed is given up: nobody knows any more whether the others had it. */
export function forceNewCluster({ self, peerURLs, ...input }: ForcedClusterInput): ForcedCluster {
  const { confState, appliedIndex, hardState } = input;
  const committed = input.entries.filter(({ index }) => index <= hardState.commit);
  const { voters, learners } = membersAfter(
    confState,
    committed.filter(({ index }) => index > appliedIndex),
  );
  const changes: Entry[] = [];
  const change = (type: number, nodeId: bigint, context: Uint8Array): void => {
    const index = hardState.commit + changes.length + 1;
    const data = encodeConfChange({ id: 0n, type, nodeId, context });
    changes.push({ type: EntryType.EntryConfChange, term: hardState.term, index, data });
  };
  // First, because there is no cluster without a voter.
  if (learners.has(self)) change(ConfChangeType.ConfChangeAddNode, self, encodePromotion(self));
  else if (!voters.has(self)) change(ConfChangeType.ConfChangeAddNode, self, encodeMember(newcomer(self, peerURLs)));
  const others = [...voters, ...learners].filter((id) => id !== self).sort((a, b) => (a < b ? -1 : 1));
  for (const id of others) change(ConfChangeType.ConfChangeRemoveNode, id, EMPTY);
  return {
    entries: [...committed, ...changes],
    changes,
    hardState: { ...hardState, commit: hardState.commit + changes.length },
  };
}

/** Who belongs to the cluster after conf changes among these entries. */
export function membersAfter(
  { voters: firstVoters, learners: firstLearners }: ConfState,
  entries: readonly Pick<Entry, 'type' | 'data'>[],
): { voters: Set<bigint>; learners: Set<bigint> } {
  const voters = new Set(firstVoters);
  const learners = new Set(firstLearners);
  for (const { type, data } of entries) {
    if (type !== EntryType.EntryConfChange) continue;
    const { type: kind, nodeId } = decodeConfChange(data);
    if (kind === ConfChangeType.ConfChangeUpdateNode) continue;
    voters.delete(nodeId);
    learners.delete(nodeId);
    if (kind === ConfChangeType.ConfChangeAddNode) voters.add(nodeId);
    else if (kind === ConfChangeType.ConfChangeAddLearnerNode) learners.add(nodeId);
  }
  return { voters, learners };
}

function newcomer(id: bigint, peerURLs: readonly string[]): Member {
  return { id, name: '', peerURLs: [...peerURLs].sort(), clientURLs: [], isLearner: false };
}
