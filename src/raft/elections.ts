/** Elections (paper §5.2, §5.4.1; pre-vote: dissertation §9.6; leader stickiness: §4.2.3; check-quorum: §6.2). */
import { EMPTY, equalBytes } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';
import { EntryType, MessageType, type Message } from '../gen/raftpb.ts';
import { isConfChangeEntry } from './conf-change.ts';
import { newMessage } from './messages.ts';
import type { RaftState } from './raft-state.ts';
import { NONE } from './types.ts';

/** Marks a vote request that the leader itself asked for, which leader stickiness must let through. */
const CAMPAIGN_TRANSFER = utf8Encode('CampaignTransfer');

export type CampaignKind = 'timeout' | 'transfer';

/** Starts an election unless this member leads, may not be elected, or would do so under an outdated configuration. */
export function campaign(state: RaftState, kind: CampaignKind): boolean {
  if (state.role === 'leader') return false;
  if (!state.promotable) {
    state.logger.warn('cannot campaign: not a voter, or waiting for a snapshot', { id: state.id });
    return false;
  }
  if (state.log.committedUnapplied().some(isConfChangeEntry)) {
    state.logger.warn('cannot campaign: a committed configuration change is not applied yet', {
      applied: state.log.applied,
      committed: state.log.committed,
    });
    return false;
  }
  // A transfer is wanted by the leader, so there is nothing to find out first.
  if (state.limits.preVote && kind === 'timeout') startPreVote(state);
  else startVote(state, kind);
  return true;
}

function startPreVote(state: RaftState): void {
  state.becomePreCandidate();
  if (state.tracker.recordVote(state.id, true) === 'won') startVote(state, 'timeout');
  else requestVotes(state, MessageType.MsgPreVote, state.term + 1, EMPTY);
}

function startVote(state: RaftState, kind: CampaignKind): void {
  state.becomeCandidate();
  if (state.tracker.recordVote(state.id, true) === 'won') lead(state);
  else requestVotes(state, MessageType.MsgVote, state.term, kind === 'transfer' ? CAMPAIGN_TRANSFER : EMPTY);
}

function requestVotes(state: RaftState, type: number, term: number, context: Uint8Array): void {
  for (const id of state.tracker.progress.keys()) {
    if (id === state.id || !state.tracker.isVoter(id)) continue;
    const message = newMessage(type, id);
    message.term = term;
    message.index = state.log.lastIndex;
    message.logTerm = state.log.lastTerm;
    message.context = context;
    state.send(message);
  }
}

/** The empty entry lets the leader commit what earlier terms left behind, and learn the commit index (paper §8). */
function lead(state: RaftState): void {
  state.becomeLeader();
  state.appendAsLeader([{ type: EntryType.EntryNormal, data: EMPTY }]);
}

/** A vote from an old term never gets here; one from a later term has moved this member to that term already. */
export function onVoteRequest(state: RaftState, message: Message): void {
  const preVote = message.type === MessageType.MsgPreVote;
  const free =
    state.vote === message.from ||
    (state.vote === NONE && state.leader === NONE) ||
    (preVote && message.term > state.term);
  const granted = free && state.log.isUpToDate(message.index, message.logTerm);
  const response = newMessage(preVote ? MessageType.MsgPreVoteResp : MessageType.MsgVoteResp, message.from);
  // A granted pre-vote is for the term asked about; a refusal tells the candidate where this member is.
  response.term = granted ? message.term : state.term;
  response.reject = !granted;
  if (!granted) tellCommit(state, response);
  state.send(response);
  if (granted && !preVote) {
    state.electionElapsed = 0;
    state.vote = message.from;
  }
}

/** Whether a vote request must be ignored because this member hears from a live leader. */
export function sticksToLeader(state: RaftState, message: Message): boolean {
  if (message.type !== MessageType.MsgVote && message.type !== MessageType.MsgPreVote) return false;
  if (equalBytes(message.context, CAMPAIGN_TRANSFER)) return false;
  return state.limits.checkQuorum && state.leader !== NONE && state.electionElapsed < state.limits.electionTicks;
}

/**
 * A refusal says what is committed. A candidate may need votes by a configuration that it does not know to be outdated,
 * from members that have moved on and will not elect it: with this it moves on too. Others leave these fields unset and
 * ignore them.
 */
function tellCommit({ log }: RaftState, response: Message): void {
  response.commit = log.committed;
  response.logTerm = log.termAt(log.committed) ?? 0;
}

/** What another member knows to be committed is committed, and so is everything before it in a log that holds it. */
function learnCommit({ log }: RaftState, { commit, logTerm }: Message): void {
  if (logTerm > 0 && log.holds(commit, logTerm)) log.commitTo(commit);
}

export function onVoteResponse(state: RaftState, message: Message): void {
  if (message.reject) learnCommit(state, message);
  if (state.role === 'follower') return;
  const awaited = state.role === 'pre-candidate' ? MessageType.MsgPreVoteResp : MessageType.MsgVoteResp;
  if (message.type !== awaited) return;
  const result = state.tracker.recordVote(message.from, !message.reject);
  if (result === 'lost') state.becomeFollower(state.term, NONE);
  else if (result === 'won' && state.role === 'pre-candidate') startVote(state, 'timeout');
  else if (result === 'won') lead(state);
}
