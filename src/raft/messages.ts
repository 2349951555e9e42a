/** Building messages: every message has all fields, so that all share one object layout. */
import { EMPTY } from '../base/bytes.ts';
import { MessageType, type Entry, type Message } from '../gen/raftpb.ts';

const NO_ENTRIES: Entry[] = [];
const NO_RESPONSES: Message[] = [];

/** A message of `type` to `to`; the other fields are zero until set. The sender fills in from and term. */
export function newMessage(type: number, to: bigint): Message {
  return {
    type,
    to,
    from: 0n,
    term: 0,
    logTerm: 0,
    index: 0,
    entries: NO_ENTRIES,
    commit: 0,
    snapshot: undefined,
    reject: false,
    rejectHint: 0,
    context: EMPTY,
    vote: 0n,
    responses: NO_RESPONSES,
  };
}

/** What a member tells itself (a tick, a report of its transport): never accepted from the network. */
export function isLocalMessage(type: number): boolean {
  switch (type) {
    case MessageType.MsgHup:
    case MessageType.MsgBeat:
    case MessageType.MsgUnreachable:
    case MessageType.MsgSnapStatus:
    case MessageType.MsgCheckQuorum:
    case MessageType.MsgStorageAppend:
    case MessageType.MsgStorageAppendResp:
    case MessageType.MsgStorageApply:
    case MessageType.MsgStorageApplyResp:
    case MessageType.MsgForgetLeader:
      return true;
    default:
      return false;
  }
}

/** Answers that only matter when they come from a member of the configuration. */
export function isPeerResponse(type: number): boolean {
  switch (type) {
    case MessageType.MsgAppResp:
    case MessageType.MsgVoteResp:
    case MessageType.MsgPreVoteResp:
    case MessageType.MsgHeartbeatResp:
      return true;
    default:
      return false;
  }
}

/** Requests that a member passes on to the leader as they are; they carry no term. */
export function isForwardedRequest(type: number): boolean {
  return type === MessageType.MsgProp || type === MessageType.MsgReadIndex;
}
