/** Configuration changes as pure functions from one Configuration to the next (dissertation §4). */
import { EMPTY } from '../base/bytes.ts';
import {
  ConfChangeTransition,
  ConfChangeType,
  EntryType,
  decodeConfChange,
  decodeConfChangeV2,
  encodeConfChange,
  encodeConfChangeV2,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeV2,
} from '../gen/raftpb.ts';
import { checkConfiguration, isJoint, type Configuration } from './configuration.ts';

/** The change cannot follow the current configuration. */
export class ConfChangeError extends Error {
  override readonly name = 'ConfChangeError';
}

export type AnyConfChange = ConfChange | ConfChangeV2;

/** Leaves a joint configuration. Encodes to nothing. */
export const LEAVE_JOINT: ConfChangeV2 = {
  transition: ConfChangeTransition.ConfChangeTransitionAuto,
  changes: [],
  context: EMPTY,
};

/** The entry that carries `change`. V1 stays V1: older members know nothing else. */
export function encodeAnyConfChange(change: AnyConfChange): { type: number; data: Uint8Array } {
  return 'changes' in change
    ? { type: EntryType.EntryConfChangeV2, data: encodeConfChangeV2(change) }
    : { type: EntryType.EntryConfChange, data: encodeConfChange(change) };
}

/** The change an entry carries; undefined for a normal entry. */
export function decodeAnyConfChange(entry: { type: number; data: Uint8Array }): AnyConfChange | undefined {
  if (entry.type === EntryType.EntryConfChange) return decodeConfChange(entry.data);
  if (entry.type === EntryType.EntryConfChangeV2) return decodeConfChangeV2(entry.data);
  return undefined;
}

export function isConfChangeEntry(entry: { type: number }): boolean {
  return entry.type === EntryType.EntryConfChange || entry.type === EntryType.EntryConfChangeV2;
}

function asV2(change: AnyConfChange): ConfChangeV2 {
  if ('changes' in change) return change;
  return {
    transition: ConfChangeTransition.ConfChangeTransitionAuto,
    changes: [{ type: change.type, nodeId: change.nodeId }],
    context: change.context,
  };
}

export function isLeaveJoint(change: AnyConfChange): boolean {
  const v2 = asV2(change);
  return v2.transition === ConfChangeTransition.ConfChangeTransitionAuto && v2.changes.length === 0;
}

/** The configuration after `change`. Throws ConfChangeError if it cannot follow `from`. */
export function applyConfChange(from: Configuration, change: AnyConfChange): Configuration {
  const v2 = asV2(change);
  const to = isLeaveJoint(v2) ? leaveJoint(from) : needsJoint(v2) ? enterJoint(from, v2) : changeOne(from, v2.changes);
  checkConfiguration(to);
  return to;
}

function needsJoint(change: ConfChangeV2): boolean {
  return change.transition !== ConfChangeTransition.ConfChangeTransitionAuto || change.changes.length > 1;
}

function enterJoint(from: Configuration, change: ConfChangeV2): Configuration {
  if (isJoint(from)) throw new ConfChangeError('the configuration is joint already');
  if (from.voters.size === 0) throw new ConfChangeError('a configuration without voters cannot become joint');
  const draft = new Draft(from);
  for (const id of from.voters) draft.votersOutgoing.add(id);
  draft.apply(change.changes);
  return draft.finish(change.transition !== ConfChangeTransition.ConfChangeTransitionJointExplicit);
}

function leaveJoint(from: Configuration): Configuration {
  if (!isJoint(from)) throw new ConfChangeError('the configuration is not joint');
  return {
    voters: from.voters,
    votersOutgoing: new Set(),
    learners: new Set([...from.learners, ...from.learnersNext]),
    learnersNext: new Set(),
    autoLeave: false,
  };
}

/** Without a joint step the majorities before and after must overlap, so only one voter may differ (§4.1). */
function changeOne(from: Configuration, changes: readonly ConfChangeSingle[]): Configuration {
  if (isJoint(from)) throw new ConfChangeError('the joint configuration has to be left first');
  const draft = new Draft(from);
  draft.apply(changes);
  const moved = countMissing(from.voters, draft.voters) + countMissing(draft.voters, from.voters);
  if (moved > 1) throw new ConfChangeError(`${moved} voters changed without a joint configuration`);
  return draft.finish(false);
}

function countMissing(ids: ReadonlySet<bigint>, from: ReadonlySet<bigint>): number {
  let count = 0;
  for (const id of ids) if (!from.has(id)) count++;
  return count;
}

/** A configuration being changed. */
class Draft {
  readonly voters: Set<bigint>;
  readonly votersOutgoing: Set<bigint>;
  readonly learners: Set<bigint>;
  readonly learnersNext: Set<bigint>;

  constructor(from: Configuration) {
    this.voters = new Set(from.voters);
    this.votersOutgoing = new Set(from.votersOutgoing);
    this.learners = new Set(from.learners);
    this.learnersNext = new Set(from.learnersNext);
  }

  /** Id 0 stands for a change that was refused while being applied: it changes nothing. */
  apply(changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      if (nodeId === 0n) continue;
      if (type === ConfChangeType.ConfChangeAddNode) this.#addVoter(nodeId);
      else if (type === ConfChangeType.ConfChangeAddLearnerNode) this.#addLearner(nodeId);
      else if (type === ConfChangeType.ConfChangeRemoveNode) this.#remove(nodeId);
      else if (type !== ConfChangeType.ConfChangeUpdateNode) throw new ConfChangeError(`unknown change type ${type}`);
    }
    if (this.voters.size === 0) throw new ConfChangeError('no voter would be left');
  }

  finish(autoLeave: boolean): Configuration {
    const { voters, votersOutgoing, learners, learnersNext } = this;
    return { voters, votersOutgoing, learners, learnersNext, autoLeave };
  }

  #addVoter(id: bigint): void {
    this.#remove(id);
    this.voters.add(id);
  }

  /** A voter of the outgoing half goes on voting there, so it becomes a learner only on leaving. */
  #addLearner(id: bigint): void {
    this.#remove(id);
    if (this.votersOutgoing.has(id)) this.learnersNext.add(id);
    else this.learners.add(id);
  }

  #remove(id: bigint): void {
    this.voters.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
  }
}
