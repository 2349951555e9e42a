/** A follower's side: entries, heartbeats and snapshots from the leader (paper §5.3, §7). */
import { MessageType, type Message, type Snapshot } from '../gen/raftpb.ts';
import { configurationFrom, members } from './configuration.ts';
import { newMessage } from './messages.ts';
import type { RaftState } from './raft-state.ts';

export function onAppend(state: RaftState, message: Message): void {
  const { log } = state;
  const { index, logTerm, entries } = message;
  // What is committed here matches the leader's log: no need to look, and nothing to take over before it.
  if (index < log.committed) return accept(state, message.from, log.committed);
  const last = log.merge({ index, term: logTerm }, entries);
  if (last === undefined) return reject(state, message);
  log.commitTo(Math.min(message.commit, last));
  accept(state, message.from, last);
}

function accept(state: RaftState, leader: bigint, index: number): void {
  const response = newMessage(MessageType.MsgAppResp, leader);
  response.index = index;
  state.send(response);
}

/**
 * Says where the logs may agree: the leader's entry before the gap has term logTerm, so none of this log's entries of a
 * later term can be in the leader's log up to there.
 */
function reject(state: RaftState, message: Message): void {
  const hint = state.log.highestNotAbove(Math.min(message.index, state.log.lastIndex), message.logTerm);
  const response = newMessage(MessageType.MsgAppResp, message.from);
  response.index = message.index;
  response.reject = true;
  response.rejectHint = hint.index;
  response.logTerm = hint.term ?? 0;
  state.send(response);
}

export function onHeartbeat(state: RaftState, message: Message): void {
  state.log.commitTo(message.commit);
  const response = newMessage(MessageType.MsgHeartbeatResp, message.from);
  response.context = message.context;
  state.send(response);
}

export function onSnapshot(state: RaftState, message: Message): void {
  const { log } = state;
  const restored = message.snapshot !== undefined && restore(state, message.snapshot);
  accept(state, message.from, restored ? log.lastIndex : log.committed);
}

/** False if the snapshot brings nothing new, or is not meant for this member. */
function restore(state: RaftState, snapshot: Snapshot): boolean {
  const { log } = state;
  const { metadata } = snapshot;
  if (metadata?.confState === undefined || metadata.index <= log.committed) return false;
  const position = { index: metadata.index, term: metadata.term };
  const configuration = configurationFrom(metadata.confState);
  if (!members(configuration).has(state.id)) {
    state.logger.warn('ignored a snapshot whose configuration lacks this member', position);
    return false;
  }
  if (log.holds(position.index, position.term)) {
    // The log has it all already; only the news of the commit was missing.
    log.commitTo(position.index);
    return false;
  }
  state.logger.info('restoring a snapshot', { ...position, lastIndex: log.lastIndex, committed: log.committed });
  log.restore(position);
  state.unofferedSnapshot = snapshot;
  state.awaitedConfiguration = configuration;
  return true;
}

/** The state machine holds the snapshot at `index`. Only now, as entries from before it may have been applied until now. */
export function onSnapshotInstalled(state: RaftState, index: number): void {
  state.log.snapshotInstalled(index);
  if (state.log.awaitsSnapshot || state.awaitedConfiguration === undefined) return;
  state.tracker.setConfiguration(state.awaitedConfiguration, state.log.lastIndex);
  state.awaitedConfiguration = undefined;
}
