/** What an etcd's database says of its cluster, made to agree with its log. */
import { utf8Encode } from '../base/utf8.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { ConfState, Entry } from '../gen/raftpb.ts';
import type { Snapshot as SnapshotMark } from '../gen/walpb.ts';
import { idText, type Cluster } from '../membership/cluster.ts';
import { encodeMember } from '../membership/member.ts';
import { WriteBatch, type Backend } from '../mvcc/backend.ts';
import { WriteBuffer } from '../mvcc/write-buffer.ts';
import type { Logger } from '../ports/logger.ts';
import { encodeConfState } from '../server/conf-state.ts';
import { membersAfter } from '../server/forced-cluster.ts';
import { DatabaseError } from '../storage/bbolt/database-reader.ts';
import { commit } from '../storage/bbolt/fill-database.ts';
import { readStateMachines } from './state-machines.ts';

export interface AdoptParts {
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** The log's newest up to where the database ends; undefined where the log begins with the cluster. */
  readonly mark: SnapshotMark | undefined;
  /** The conf changes in the log from there up to where the database ends. */
  readonly changes: readonly Entry[];
}

/**
 * Throws DatabaseError where a row of the database cannot be. The members come from the log: what is restored of a snapshot still
 * has the voters of the cluster it was taken from, and etcd 3.5 may keep learners that were promoted, and members that are gone.
 */
export async function adoptRows(backend: Backend, parts: AdoptParts): Promise<void> {
  const buffer = new WriteBuffer(backend);
  const batch = new WriteBatch();
  try {
    const { cluster } = machinesOf(buffer, parts.config);
    const confState = confStateOf(cluster, parts);
    batch.put('meta', utf8Encode('confState'), encodeConfState(confState));
    correctMembers(cluster, confState, batch, parts.logger);
  } finally {
    buffer.close();
  }
  await commit(backend, batch);
}

function machinesOf(buffer: WriteBuffer, config: ServerConfig): { cluster: Cluster } {
  try {
    return readStateMachines(buffer, config);
  } catch (error) {
    throw new DatabaseError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function confStateOf(cluster: Cluster, { mark, changes }: AdoptParts): ConfState {
  const known = mark === undefined || mark.index === 0 ? NOBODY : mark.confState;
  // Up to 3.4 a mark says nothing of the members.
  const base = known ?? {
    ...NOBODY,
    voters: cluster.voters().map(({ id }) => id),
    learners: cluster.members().flatMap(({ id, isLearner }) => (isLearner ? [id] : [])),
  };
  if (known === undefined) return base;
  const { voters, learners } = membersAfter(base, changes);
  return { ...base, voters: [...voters].sort(ascending), learners: [...learners].sort(ascending) };
}

function correctMembers(cluster: Cluster, { voters, learners }: ConfState, batch: WriteBatch, logger: Logger): void {
  for (const member of cluster.members()) {
    const isLearner = learners.includes(member.id);
    const key = utf8Encode(idText(member.id));
    if (!isLearner && !voters.includes(member.id)) {
      logger.warn("a member in etcd's database is none of the log's: left out", { member: idText(member.id) });
      batch.delete('members', key);
    } else if (isLearner !== member.isLearner) {
      logger.warn("a member in etcd's database is a learner no longer", { member: idText(member.id) });
      batch.put('members', key, encodeMember({ ...member, isLearner }));
    }
  }
}

const NOBODY: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
