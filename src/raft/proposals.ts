/** Taking in proposals (paper §5.3) and, for configuration changes, one at a time (dissertation §4.1). */
import { EMPTY } from '../base/bytes.ts';
import { WireError } from '../base/wire.ts';
import { EntryType, MessageType, type Message } from '../gen/raftpb.ts';
import {
  ConfChangeError,
  applyConfChange,
  decodeAnyConfChange,
  isConfChangeEntry,
  isLeaveJoint,
  type AnyConfChange,
} from './conf-change.ts';
import { isJoint } from './configuration.ts';
import { newMessage } from './messages.ts';
import type { RaftState } from './raft-state.ts';
import { NONE, type ProposalOutcome } from './types.ts';

export interface Payload {
  readonly type: number;
  readonly data: Uint8Array;
}

/** `payloads` are accepted all together or not at all. */
export function propose(state: RaftState, payloads: readonly Payload[]): ProposalOutcome {
  if (state.role !== 'leader') return forward(state, payloads);
  if (state.departing) return 'not-a-voter';
  if (state.leadTransferee !== NONE) return 'transferring';
  return state.appendAsLeader(payloads) ? 'accepted' : 'too-much-uncommitted';
}

export function proposeConfChange(state: RaftState, change: AnyConfChange, payload: Payload): ProposalOutcome {
  if (state.role === 'leader') {
    const objection = objectionTo(state, change);
    if (objection !== undefined) return objection;
  }
  const outcome = propose(state, [payload]);
  if (outcome === 'accepted') state.pendingConfIndex = state.log.lastIndex;
  return outcome;
}

/** What a follower forwarded. A configuration change that cannot be taken now leaves an empty entry in its place. */
export function onForwardedProposal(state: RaftState, message: Message): void {
  if (state.role !== 'leader') {
    if (state.leader !== NONE) forward(state, message.entries);
    return;
  }
  let pendingConfIndex = state.pendingConfIndex;
  const payloads = message.entries.map((entry, i): Payload => {
    if (!isConfChangeEntry(entry)) return { type: entry.type, data: entry.data };
    const change = readConfChange(entry);
    if (change === undefined || pendingConfIndex > state.log.applied || objectionTo(state, change) !== undefined) {
      state.logger.info('ignored a configuration change', { from: message.from, pendingConfIndex });
      return { type: EntryType.EntryNormal, data: EMPTY };
    }
    pendingConfIndex = state.log.lastIndex + i + 1;
    return { type: entry.type, data: entry.data };
  });
  if (payloads.length === 0 || propose(state, payloads) !== 'accepted') return;
  state.pendingConfIndex = pendingConfIndex;
  const progress = state.tracker.progress.get(message.from);
  if (progress !== undefined) progress.awaited = state.log.lastIndex;
}

/** undefined for what no member could apply. */
function readConfChange(entry: Payload): AnyConfChange | undefined {
  try {
    return decodeAnyConfChange(entry);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function objectionTo(state: RaftState, change: AnyConfChange): ProposalOutcome | undefined {
  const { configuration } = state.tracker;
  if (state.pendingConfIndex > state.log.applied) return 'conf-change-pending';
  if (isJoint(configuration) !== isLeaveJoint(change)) {
    return isJoint(configuration) ? 'conf-change-pending' : 'conf-change-invalid';
  }
  try {
    applyConfChange(configuration, change);
    return undefined;
  } catch (error) {
    if (error instanceof ConfChangeError) return 'conf-change-invalid';
    throw error;
  }
}

function forward(state: RaftState, payloads: readonly Payload[]): ProposalOutcome {
  if (state.leader === NONE) return 'no-leader';
  const message = newMessage(MessageType.MsgProp, state.leader);
  message.entries = payloads.map(({ type, data }) => ({ type, term: 0, index: 0, data }));
  state.send(message);
  return 'forwarded';
}
