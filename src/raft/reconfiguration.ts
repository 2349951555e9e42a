/** Configuration changes taking effect: when their entry is applied (dissertation §4). */
import type { ConfState } from '../gen/raftpb.ts';
import { LEAVE_JOINT, applyConfChange, encodeAnyConfChange, type AnyConfChange } from './conf-change.ts';
import { confStateOf, isJoint } from './configuration.ts';
import { proposeConfChange } from './proposals.ts';
import type { RaftState } from './raft-state.ts';
import { advanceCommit } from './replication.ts';
import { serveConfirmedReads } from './reads.ts';
import { depart } from './transfer.ts';
import { NONE } from './types.ts';

export function reconfigure(state: RaftState, change: AnyConfChange): ConfState {
  const { tracker } = state;
  const configuration = applyConfChange(tracker.configuration, change);
  tracker.setConfiguration(configuration, state.log.lastIndex);
  const confState = confStateOf(configuration);
  state.logger.info('configuration changed', { ...confState });
  if (state.role === 'leader') adjustLeadership(state);
  return confState;
}

function adjustLeadership(state: RaftState): void {
  const { tracker } = state;
  if (tracker.isVoter(state.id)) state.departing = false;
  else depart(state);
  if (state.leadTransferee !== NONE && !tracker.isVoter(state.leadTransferee)) state.leadTransferee = NONE;
  // A smaller quorum may hold more; newcomers are to be probed without waiting for the next proposal.
  advanceCommit(state);
  serveConfirmedReads(state);
  state.appendsDue = true;
}

/** Leaves a joint configuration as soon as entering it is applied, if it is of the kind that leaves by itself. */
export function autoLeave(state: RaftState): void {
  const { configuration } = state.tracker;
  if (state.role !== 'leader' || !configuration.autoLeave || !isJoint(configuration)) return;
  if (state.log.applied < state.pendingConfIndex) return;
  proposeConfChange(state, LEAVE_JOINT, encodeAnyConfChange(LEAVE_JOINT));
}
