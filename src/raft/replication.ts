/** The leader's side of log replication (paper §5.3, §5.4.2; dissertation §10.2). */
import { EMPTY } from '../base/bytes.ts';
import { MessageType, type Entry, type Message } from '../gen/raftpb.ts';
import { newMessage } from './messages.ts';
import type { Progress } from './progress.ts';
import { payloadBytes } from './raft-log.ts';
import type { RaftState } from './raft-state.ts';
import { startRound, serveEarlyReads } from './reads.ts';
import { sendTimeoutNow } from './transfer.ts';

/** Queues what followers are missing and may be sent now. All that came together since the last Ready goes in one MsgApp. */
export function sendDueAppends(state: RaftState): void {
  if (!state.appendsDue) return;
  state.appendsDue = false;
  state.commitHeld = 0;
  for (const [id, progress] of state.tracker.progress) {
    if (id === state.id) continue;
    let sent = false;
    while (sendAppend(state, id, progress, false)) sent = true;
    if (sent || !progress.canLearnCommit(state.log.committed)) continue;
    if (state.holdsCommits && !state.departing && !progress.awaitsCommit) state.commitHeld = state.log.committed;
    else sendAppend(state, id, progress, true);
  }
}

/** Tells those that were not told of a commit yet because holdsCommits was set. */
export function sendHeldCommit(state: RaftState): void {
  state.commitHeld = 0;
  for (const [id, progress] of state.tracker.progress) {
    if (id !== state.id && progress.canLearnCommit(state.log.committed)) sendAppend(state, id, progress, true);
  }
}

/** One MsgApp, or a MsgSnap if the log no longer has what comes next. False if nothing was sent. */
function sendAppend(state: RaftState, id: bigint, progress: Progress, evenIfEmpty: boolean): boolean {
  if (progress.paused) return false;
  const { log } = state;
  const previous = progress.next - 1;
  const previousTerm = log.termAt(previous);
  if (previousTerm === undefined) return sendSnapshot(state, id, progress);
  let entries: Entry[] = [];
  if (progress.next <= log.lastIndex && !(progress.state === 'replicate' && progress.inflights.full)) {
    entries = log.slice(progress.next, log.lastIndex, state.limits.maxSizePerMessageBytes);
  }
  if (entries.length === 0 && !evenIfEmpty) return false;
  const message = newMessage(MessageType.MsgApp, id);
  message.index = previous;
  message.logTerm = previousTerm;
  message.entries = entries;
  message.commit = log.committed;
  progress.sent(entries.length, payloadBytes(entries), log.committed);
  state.send(message);
  return true;
}

/**
 * Asks the caller to send a snapshot: the message says from where on one is good enough and carries no data. Not to a
 * member that was not heard from lately: it would be made for nothing.
 */
function sendSnapshot(state: RaftState, id: bigint, progress: Progress): boolean {
  if (!progress.recentActive) return false;
  const metadata = state.snapshotMetadata();
  const { index } = metadata;
  const message = newMessage(MessageType.MsgSnap, id);
  message.snapshot = { data: EMPTY, metadata };
  progress.becomeSnapshot(index);
  state.logger.info('member needs a snapshot', { id, match: progress.match, index });
  state.send(message);
  return true;
}

export function sendHeartbeats(state: RaftState): void {
  if (state.departing) state.readOnly.begin(state.id);
  const context = state.readOnly.context(state.departing);
  for (const [id, progress] of state.tracker.progress) {
    if (id === state.id) continue;
    const message = newMessage(MessageType.MsgHeartbeat, id);
    // The member may lack later entries, so it must not be told to commit them.
    message.commit = Math.min(progress.match, state.log.committed);
    if (state.departing && progress.commitRound === 0 && progress.match === state.log.lastIndex) {
      progress.commitRound = state.readOnly.round;
    }
    message.context = context;
    state.send(message);
  }
}

/** Confirms the reads that came in since the last Ready with one round of heartbeats. */
export function sendDueReadRound(state: RaftState): void {
  if (!state.readOnly.due) return;
  startRound(state);
  sendHeartbeats(state);
}

/** Commits what a quorum holds, but counts only for entries of the own term (§5.4.2): that commits all before them. */
export function advanceCommit(state: RaftState): boolean {
  const { log, tracker } = state;
  const index = tracker.quorumMatch();
  if (!Number.isFinite(index) || index <= log.committed || !log.holds(index, state.term)) return false;
  state.uncommittedBytes -= payloadBytes(log.slice(log.committed + 1, index, Infinity));
  log.commitTo(index);
  state.appendsDue = true;
  serveEarlyReads(state);
  return true;
}

/** The leader's own log counts like a follower's: as far as it is durable (dissertation §10.2.1). */
export function countOwnAppend(state: RaftState): void {
  if (state.tracker.progress.get(state.id)?.update(state.log.durable) === true) advanceCommit(state);
}

export function onAppendResponse(state: RaftState, message: Message): void {
  const progress = state.tracker.progress.get(message.from);
  if (progress === undefined) return;
  progress.recentActive = true;
  if (message.reject) onReject(state, progress, message);
  else onAccept(state, progress, message);
}

function onReject(state: RaftState, progress: Progress, message: Message): void {
  // Everything the follower has after the hint is of a later term than logTerm; what this log has of later terms than
  // that up to the hint cannot match either. So whole terms are skipped at once.
  const hint =
    message.logTerm > 0 ? state.log.highestNotAbove(message.rejectHint, message.logTerm).index : message.rejectHint;
  if (!progress.stepBack(message.index, hint)) return;
  state.logger.debug('append rejected', { id: message.from, index: message.index, hint, next: progress.next });
  if (progress.state === 'replicate') progress.becomeProbe();
  sendAppend(state, message.from, progress, true);
}

function onAccept(state: RaftState, progress: Progress, message: Message): void {
  const advanced = progress.update(message.index);
  // A probe at what is already known to match is answered without advancing anything: it has done its work.
  if (!advanced && !(progress.state === 'probe' && message.index === progress.match)) return;
  if (progress.state === 'probe') progress.becomeReplicate();
  else if (progress.state === 'replicate') progress.inflights.freeTo(message.index);
  else if (progress.match + 1 >= state.log.firstIndex) progress.becomeReplicate();
  advanceCommit(state);
  state.appendsDue = true;
  if (message.from === state.leadTransferee && progress.match === state.log.lastIndex) {
    sendTimeoutNow(state, message.from);
  }
}

/**
 * Also lets a member out of a stall: if all messages in flight were lost, nothing but this would make it be sent
 * another, whose rejection then shows what it lacks.
 */
export function onHeartbeatResponse(state: RaftState, message: Message): void {
  const progress = state.tracker.progress.get(message.from);
  if (progress === undefined) return;
  progress.recentActive = true;
  progress.flowPaused = false;
  if (progress.match < state.log.lastIndex || progress.state === 'probe') {
    sendAppend(state, message.from, progress, true);
    state.appendsDue = true;
  }
}

/** Messages to `id` are being lost: stop pipelining into the void. */
export function onUnreachable(state: RaftState, id: bigint): void {
  const progress = state.tracker.progress.get(id);
  if (progress?.state === 'replicate') progress.becomeProbe();
}

/** The snapshot was sent or could not be; either way the next probe waits for a sign of the member. */
export function onSnapshotReport(state: RaftState, id: bigint, ok: boolean): void {
  const progress = state.tracker.progress.get(id);
  if (progress?.state !== 'snapshot') return;
  if (!ok) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  progress.flowPaused = true;
}
