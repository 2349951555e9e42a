/** How transcripts show entries, messages, Readys and states: only what is not zero, always in the same order. */
import { getUint64BE } from '../../../src/base/bytes.ts';
import { ConfChangeType, MessageType } from '../../../src/gen/raftpb.ts';
import { decodeAnyConfChange, type AnyConfChange } from '../../../src/raft/conf-change.ts';
import type { ConfState, Entry, Message, RaftStatus, Ready } from '../../../src/raft/types.ts';

/** `index/term "data"`. */
export function entryText(entry: Entry): string {
  const change = decodeAnyConfChange(entry);
  const what = change === undefined ? JSON.stringify(new TextDecoder().decode(entry.data)) : confChangeText(change);
  return entry.index === 0 ? what : `${entry.index}/${entry.term} ${what}`;
}

export function confChangeText(change: AnyConfChange): string {
  const signs: Record<number, string> = {
    [ConfChangeType.ConfChangeAddNode]: '+',
    [ConfChangeType.ConfChangeAddLearnerNode]: '~',
    [ConfChangeType.ConfChangeRemoveNode]: '-',
    [ConfChangeType.ConfChangeUpdateNode]: '=',
  };
  if (!('changes' in change)) return `v1(${signs[change.type]}${change.nodeId})`;
  const changes = change.changes.map(({ type, nodeId }) => `${signs[type]}${nodeId}`).join(' ');
  const transition = ['', 'implicit ', 'explicit '][change.transition] ?? '?';
  return changes === '' ? 'v2(leave)' : `v2(${transition}${changes})`;
}

export function confStateText(state: ConfState): string {
  const parts = [`voters=${state.voters.join(',')}`];
  if (state.votersOutgoing.length > 0) parts.push(`outgoing=${state.votersOutgoing.join(',')}`);
  if (state.learners.length > 0) parts.push(`learners=${state.learners.join(',')}`);
  if (state.learnersNext.length > 0) parts.push(`learners-next=${state.learnersNext.join(',')}`);
  if (state.autoLeave) parts.push('auto-leave');
  return parts.join(' ');
}

export function messageText(message: Message): string {
  const { type, from, to, term, logTerm, index, commit, entries, snapshot, reject, rejectHint, context } = message;
  const parts = [`${from}->${to} ${nameOf(type)}`];
  if (term > 0) parts.push(`term=${term}`);
  const refusesVote = reject && type !== MessageType.MsgAppResp;
  if (index > 0 || (logTerm > 0 && !refusesVote))
    parts.push(logTerm > 0 && !reject ? `at=${index}/${logTerm}` : `index=${index}`);
  if (commit > 0) parts.push(refusesVote ? `commit=${commit}/${logTerm}` : `commit=${commit}`);
  if (reject) parts.push(type === MessageType.MsgAppResp ? `reject hint=${rejectHint}/${logTerm}` : 'reject');
  if (entries.length > 0) parts.push(`[${entries.map(entryText).join(', ')}]`);
  if (snapshot?.metadata?.confState !== undefined) {
    const { metadata } = snapshot;
    parts.push(`snapshot=${metadata.index}/${metadata.term} (${confStateText(metadata.confState ?? EMPTY_CONF)})`);
  }
  if (context.length > 0) parts.push(`context=${contextText(context)}`);
  return parts.join(' ');
}

const EMPTY_CONF: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

function nameOf(type: number): string {
  return Object.entries(MessageType).find(([, value]) => value === type)?.[0] ?? `type ${type}`;
}

function contextText(context: Uint8Array): string {
  return context.length === 8 ? `round ${getUint64BE(context, 0)}` : new TextDecoder().decode(context);
}

export function readyText(id: bigint, ready: Ready): string {
  const { softState, hardState, snapshot, entries, messages, messagesAfterAppend } = ready;
  const parts = [`${id} ready #${ready.sequence}`];
  if (softState !== undefined) parts.push(`${softState.role} leader=${softState.leader}`);
  if (hardState !== undefined) parts.push(`term=${hardState.term} vote=${hardState.vote} commit=${hardState.commit}`);
  if (ready.mustSync) parts.push('sync');
  const lines = [parts.join(' | ')];
  if (snapshot?.metadata !== undefined) lines.push(`  snapshot ${snapshot.metadata.index}/${snapshot.metadata.term}`);
  if (entries.length > 0) lines.push(`  append ${entries.map(entryText).join(', ')}`);
  for (const message of messages) lines.push(`  send ${messageText(message)}`);
  for (const message of messagesAfterAppend) lines.push(`  then ${messageText(message)}`);
  return lines.join('\n');
}

export function statusText(status: RaftStatus): string {
  const { id, role, term, vote, leader, committed, applied, durable, firstIndex, lastIndex } = status;
  const lines = [
    `${id} ${role} term=${term} vote=${vote} leader=${leader} log=${firstIndex}..${lastIndex} durable=${durable} ` +
      `committed=${committed} applied=${applied} (${confStateText(status.confState)})` +
      (status.leadTransferee === 0n ? '' : ` transferring to ${status.leadTransferee}`),
  ];
  for (const [member, p] of [...status.progress].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const flags = [
      p.isLearner ? ' learner' : '',
      p.recentActive ? ' active' : '',
      p.paused ? ' paused' : '',
      p.inflightMessages > 0 ? ` inflight=${p.inflightMessages}` : '',
      p.pendingSnapshot > 0 ? ` snapshot=${p.pendingSnapshot}` : '',
    ];
    lines.push(`  ${member}: ${p.state} match=${p.match} next=${p.next}${flags.join('')}`);
  }
  return lines.join('\n');
}
