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
