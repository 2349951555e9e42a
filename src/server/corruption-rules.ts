/** What the hashes of members say about each other (etcd-behaviour §9.5, §2.11). Ids of members stand for whom to suspect. */
import type { CompactionHash, HashKv } from '../mvcc/hash-kv.ts';

/** What a member answered when it was asked for its hash at a revision. */
export interface PeerHash {
  readonly id: bigint;
  /** undefined where it did not answer, or has not (or no longer) that revision. */
  readonly answer: (CompactionHash & { /** Its current one. */ readonly revision: number }) | undefined;
}

/** The alarm of nobody in particular: it is known that somebody is corrupt, and not who. */
export const SOMEBODY = 0n;

/** Members whose hash at the same revision, of the same history, is another one. */
export function differing(own: CompactionHash, peers: readonly PeerHash[]): bigint[] {
  return peers
    .filter(({ answer }) => answer?.compactRevision === own.compactRevision && !agree(own, answer.hash))
    .map(({ id }) => id);
}

function agree({ hash, twin }: CompactionHash, other: number): boolean {
  return other === hash || other === twin;
}

/**
 * On the leader: `before` was hashed before the peers were asked for the same revision, `after` later than all that was
 * committed when they answered. The first member that cannot be right; undefined if there is none.
 */
export function suspectOf(self: bigint, before: HashKv, after: HashKv, peers: readonly PeerHash[]): bigint | undefined {
  const isSameHistory = before.hashRevision === after.hashRevision && before.compactRevision === after.compactRevision;
  if (isSameHistory && before.hash !== after.hash) return self;
  const different = new Set(differing(before, peers));
  return peers.find(({ id, answer }) => {
    if (answer === undefined) return false;
    // Nobody can have applied what the leader has not.
    const isAhead = answer.revision > after.revision || answer.compactRevision > after.compactRevision;
    return isAhead || different.has(id);
  })?.id;
}

export interface CompactionVerdict {
  /** Whose alarm to raise; SOMEBODY where no hash has a majority. */
  readonly corrupt: readonly bigint[];
  /** Every member answered with the same history: earlier compactions need not be looked at. */
  readonly isConclusive: boolean;
}

/** On the leader: the hash that each member made when it compacted. Most members are right. */
export function compactionVerdict(self: bigint, own: CompactionHash, peers: readonly PeerHash[]): CompactionVerdict {
  const idsByHash = new Map([[own.hash, [self]]]);
  let answered = 0;
  for (const { id, answer } of peers) {
    if (answer?.compactRevision !== own.compactRevision) continue;
    answered++;
    const hash = agree(own, answer.hash) ? own.hash : answer.hash;
    const ids = idsByHash.get(hash);
    if (ids === undefined) idsByHash.set(hash, [id]);
    else ids.push(id);
  }
  if (idsByHash.size === 1) return { corrupt: [], isConclusive: answered === peers.length };
  const quorum = Math.floor((peers.length + 1) / 2) + 1;
  const groups = [...idsByHash.values()];
  const most = groups.find((ids) => ids.length >= quorum);
  const corrupt = most === undefined ? [SOMEBODY] : groups.filter((ids) => ids !== most).flat();
  return { corrupt, isConclusive: true };
}
