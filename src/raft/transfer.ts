/** Handing leadership over (dissertation §3.10): bring the target's log up to date, then tell it to campaign at once. */
import { MessageType } from '../gen/raftpb.ts';
import { newMessage } from './messages.ts';
import type { RaftState } from './raft-state.ts';
import { NONE } from './types.ts';

/** Proposals are dropped from here until the transfer succeeds or an election timeout has passed. */
export function startTransfer(state: RaftState, target: bigint): void {
  const progress = state.tracker.progress.get(target);
  if (progress === undefined || !state.tracker.isVoter(target)) {
    state.logger.warn('cannot transfer leadership to a member that is no voter', { target });
    return;
  }
  if (state.leadTransferee === target) return;
  state.leadTransferee = NONE;
  if (target === state.id) return;
  state.logger.info('transferring leadership', { term: state.term, target });
  state.electionElapsed = 0;
  state.leadTransferee = target;
  if (progress.match === state.log.lastIndex) sendTimeoutNow(state, target);
  else state.appendsDue = true;
}

export function sendTimeoutNow(state: RaftState, target: bigint): void {
  state.send(newMessage(MessageType.MsgTimeoutNow, target));
}

/**
 * A leader that is no longer a voter stays until one of the voters certainly knows that this is committed, then hands
 * over to it (§4.2.2). Leaving earlier could end the group: members act on a configuration once it is committed, and
 * whoever does not know that yet may need votes from members that are gone.
 *
 * Only a heartbeat sent when the voter's log was complete carries the whole commit index, and its answer shows by the
 * round in its context that it arrived.
 */
export function depart(state: RaftState): void {
  if (state.departing) return;
  state.logger.info('no longer a voter: will hand over the leadership', { id: state.id, term: state.term });
  state.departing = true;
  state.leadTransferee = NONE;
  for (const progress of state.tracker.progress.values()) progress.commitRound = 0;
}

export function finishDeparture(state: RaftState, to: bigint): void {
  const round = state.tracker.progress.get(to)?.commitRound ?? 0;
  if (!state.departing || !state.tracker.isVoter(to)) return;
  if (round === 0 || state.readOnly.answeredRound(to) < round) return;
  sendTimeoutNow(state, to);
  state.becomeFollower(state.term, NONE);
}
