/** Linearizable reads without a log entry (dissertation §6.4). */
import { EntryType, MessageType, type Message } from '../gen/raftpb.ts';
import { isSoleVoter } from './configuration.ts';
import { newMessage } from './messages.ts';
import type { PendingRead } from './read-only.ts';
import type { RaftState } from './raft-state.ts';
import { NONE } from './types.ts';

/** Starts a read for `from`. False if it is dropped: no leader is known, or too many reads wait. */
export function requestRead(state: RaftState, from: bigint, context: Uint8Array): boolean {
  if (state.role === 'leader') return readAsLeader(state, from, context);
  if (state.leader === NONE) return false;
  const message = newMessage(MessageType.MsgReadIndex, state.leader);
  message.from = from;
  message.entries = [{ type: EntryType.EntryNormal, term: 0, index: 0, data: context }];
  state.send(message);
  return true;
}

function readAsLeader(state: RaftState, from: bigint, context: Uint8Array): boolean {
  if (state.readOnly.size + state.earlyReads.length >= state.limits.pendingReadsMax) return false;
  const read: PendingRead = { from, context, index: state.log.committed };
  // Until then the commit index may be behind what an earlier leader committed and acknowledged.
  if (!state.committedInTerm) state.earlyReads.push(read);
  else confirm(state, read);
  return true;
}

/** What a read must see, if this member can tell by itself. */
export function readIndexAlone(state: RaftState): number | undefined {
  const alone = state.role === 'leader' && isSoleVoter(state.tracker.configuration, state.id);
  return alone && state.committedInTerm ? state.log.committed : undefined;
}

/** Once the first entry of the term is committed. */
export function serveEarlyReads(state: RaftState): void {
  if (state.earlyReads.length === 0 || !state.committedInTerm) return;
  const reads = state.earlyReads;
  state.earlyReads = [];
  for (const { from, context } of reads) confirm(state, { from, context, index: state.log.committed });
}

function confirm(state: RaftState, read: PendingRead): void {
  if (isSoleVoter(state.tracker.configuration, state.id)) answer(state, read);
  else state.readOnly.add(read);
}

export function startRound(state: RaftState): void {
  state.readOnly.begin(state.id);
  serveConfirmedReads(state);
}

export function onReadRoundAnswer(state: RaftState, message: Message): void {
  if (message.context.length === 0) return;
  state.readOnly.answer(message.from, message.context);
  serveConfirmedReads(state);
}

/** Also when the configuration changed: a smaller quorum may have answered already. */
export function serveConfirmedReads(state: RaftState): void {
  if (state.readOnly.size === 0) return;
  const round = state.tracker.quorumIndex((id) => state.readOnly.answeredRound(id));
  for (const read of state.readOnly.take(round)) answer(state, read);
}

function answer(state: RaftState, { from, context, index }: PendingRead): void {
  if (from === state.id || from === NONE) {
    state.readStates.push({ index, context });
    return;
  }
  const message = newMessage(MessageType.MsgReadIndexResp, from);
  message.index = index;
  message.entries = [{ type: EntryType.EntryNormal, term: 0, index: 0, data: context }];
  state.send(message);
}

/** The leader's answer to a read this member forwarded. */
export function onReadResponse(state: RaftState, message: Message): void {
  const entry = message.entries[0];
  if (entry === undefined || message.entries.length !== 1) {
    state.logger.warn('malformed read index response', { from: message.from, entries: message.entries.length });
    return;
  }
  state.readStates.push({ index: message.index, context: entry.data });
}
