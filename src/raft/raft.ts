import { assert } from '../base/assert.ts';
import {
  EntryType,
  MessageType,
  type ConfState,
  type HardState,
  type Message,
  type SnapshotMetadata,
} from '../gen/raftpb.ts';
import { encodeAnyConfChange, type AnyConfChange } from './conf-change.ts';
import { confStateOf, type Configuration } from './configuration.ts';
import { campaign, onVoteRequest, onVoteResponse, sticksToLeader } from './elections.ts';
import { onAppend, onHeartbeat, onSnapshot, onSnapshotInstalled } from './following.ts';
import { isForwardedRequest, isLocalMessage, isPeerResponse, newMessage } from './messages.ts';
import { onForwardedProposal, propose, proposeConfChange } from './proposals.ts';
import { RaftState } from './raft-state.ts';
import { onReadResponse, onReadRoundAnswer, readIndexAlone, requestRead } from './reads.ts';
import { autoLeave, reconfigure } from './reconfiguration.ts';
import {
  countOwnAppend,
  onAppendResponse,
  onHeartbeatResponse,
  onSnapshotReport,
  onUnreachable,
  sendDueAppends,
  sendHeldCommit,
  sendDueReadRound,
  sendHeartbeats,
} from './replication.ts';
import { finishDeparture, startTransfer } from './transfer.ts';
import {
  NONE,
  type ProgressStatus,
  type ProposalOutcome,
  type RaftOptions,
  type RaftStatus,
  type Ready,
  type Role,
  type SoftState,
} from './types.ts';

/**
 * One member of a Raft group: a state machine without a clock, disk or network. Time comes in through tick(), messages
 * through step(), requests through propose() and its like; what is to be done about them comes out of ready(), in the
 * terms stated there. The rules are those of the Raft dissertation, in etcd's message vocabulary (§9.3), so that etcd
 * members can be peers.
 *
 * A sole voter needs nobody: campaign() makes it the leader at once, and what is proposed commits as soon as it is
 * durable here.
 */
export class Raft {
  readonly #state: RaftState;
  #offeredHardState: HardState;
  #offeredSoftState: SoftState;
  #sequence = 0;

  constructor(options: RaftOptions) {
    this.#state = new RaftState(options);
    this.#offeredHardState = options.initial.hardState;
    this.#offeredSoftState = { leader: NONE, role: 'follower' };
  }

  get id(): bigint {
    return this.#state.id;
  }

  get term(): number {
    return this.#state.term;
  }

  /** NONE when no leader is known. */
  get leader(): bigint {
    return this.#state.leader;
  }

  get role(): Role {
    return this.#state.role;
  }

  /** Leadership is being handed over: until that is done or given up, proposals are dropped. */
  get isTransferring(): boolean {
    return this.#state.leadTransferee !== NONE;
  }

  get committed(): number {
    return this.#state.log.committed;
  }

  /**
   * Whether a leader may keep a new commit index to itself until the next entries (or heartbeats) carry it, which saves a
   * message and its answer. The caller bounds for how long, with tellCommit(). Not kept from a member that forwarded one
   * of the entries: its client waits.
   */
  get holdsCommits(): boolean {
    return this.#state.holdsCommits;
  }

  set holdsCommits(value: boolean) {
    this.#state.holdsCommits = value;
  }

  /** The commit index that some members have not been told of because of holdsCommits; 0 if there is none. */
  get commitHeld(): number {
    return this.#state.commitHeld;
  }

  /** Tells everybody now. */
  tellCommit(): void {
    if (this.#state.role === 'leader') sendHeldCommit(this.#state);
  }

  get appliedIndex(): number {
    return this.#state.log.applied;
  }

  get firstIndex(): number {
    return this.#state.log.firstIndex;
  }

  get lastIndex(): number {
    return this.#state.log.lastIndex;
  }

  /** What the log takes in memory, about: what compactLog() can give back. */
  get logBytes(): number {
    return this.#state.log.memoryBytes;
  }

  get configuration(): Configuration {
    return this.#state.tracker.configuration;
  }

  /** The term of the entry at `index`; undefined if it is compacted away or not there yet. */
  termAt(index: number): number | undefined {
    return this.#state.log.termAt(index);
  }

  /** One unit of time: electionTicks and heartbeatTicks count these. */
  tick(): void {
    if (this.#state.role === 'leader') this.#tickLeader();
    else this.#tickFollower();
  }

  /**
   * Starts an election now. False if this member leads already, is no voter, or has still to apply a committed
   * configuration change or to install a snapshot.
   */
  campaign(): boolean {
    return campaign(this.#state, 'timeout');
  }

  /** Takes in a message from another member. What does not concern the current state is ignored, as Raft demands. */
  step(message: Message): void {
    const state = this.#state;
    if (isLocalMessage(message.type)) return;
    if (isPeerResponse(message.type) && !state.tracker.isMember(message.from)) return;
    if (!this.#admitTerm(message)) return;
    if (message.type === MessageType.MsgVote || message.type === MessageType.MsgPreVote) onVoteRequest(state, message);
    else if (state.role === 'leader') this.#stepLeader(message);
    else this.#stepFollower(message);
  }

  /** Proposes entries, all or none of them. */
  propose(datas: readonly Uint8Array[]): ProposalOutcome {
    assert(datas.length > 0, 'an empty proposal');
    return propose(
      this.#state,
      datas.map((data) => ({ type: EntryType.EntryNormal, data })),
    );
  }

  proposeConfChange(change: AnyConfChange): ProposalOutcome {
    return proposeConfChange(this.#state, change, encodeAnyConfChange(change));
  }

  /**
   * Puts a committed change into force; call it when applying its entry, before applied(). With nodeId 0 the change is
   * void (refused while applying). Throws ConfChangeError if the change cannot follow the current configuration.
   */
  applyConfChange(change: AnyConfChange): ConfState {
    return reconfigure(this.#state, change);
  }

  /**
   * Starts a linearizable read; Ready.readStates answers it under the same `context`, whose bytes are not copied. No
   * answer may come (leader lost, message lost): ask again with a new context. False if it was dropped right away.
   */
  readIndex(context: Uint8Array): boolean {
    return requestRead(this.#state, this.#state.id, context);
  }

  /**
   * The index a linearizable read has to wait for, where no other member needs to be asked: this member leads, is the
   * only voter, and has committed in its term. Undefined otherwise: use readIndex().
   */
  readIndexNow(): number | undefined {
    return readIndexAlone(this.#state);
  }

  /** Hands leadership to `target`; on a follower, asks the leader to. Given up after an election timeout. */
  transferLeader(target: bigint): void {
    const state = this.#state;
    if (state.role === 'leader') startTransfer(state, target);
    else if (state.leader !== NONE) {
      const message = newMessage(MessageType.MsgTransferLeader, state.leader);
      message.from = target;
      state.send(message);
    }
  }

  /** A follower stops sticking to its leader: it will vote for another at once. Nothing else changes. */
  forgetLeader(): void {
    if (this.#state.role === 'follower') this.#state.leader = NONE;
  }

  /** The transport lost messages to `id`, or its connection. */
  reportUnreachable(id: bigint): void {
    if (this.#state.role === 'leader') onUnreachable(this.#state, id);
  }

  /** The end of sending the snapshot a MsgSnap asked for. Without it, the member gets nothing more. */
  reportSnapshot(id: bigint, ok: boolean): void {
    if (this.#state.role === 'leader') onSnapshotReport(this.#state, id, ok);
  }

  hasReady(): boolean {
    const state = this.#state;
    this.#flush();
    return (
      state.messages.length > 0 ||
      state.messagesAfterAppend.length > 0 ||
      state.log.hasUnpersisted ||
      state.unofferedSnapshot !== undefined ||
      state.log.hasCommitted(state.limits.applyingBytesMax) ||
      state.readStates.length > 0 ||
      this.#hardStateChanged() ||
      this.#softStateChanged()
    );
  }

  /** What to do next; see Ready. Each thing is handed out once. */
  ready(): Ready {
    const state = this.#state;
    this.#flush();
    const sequence = ++this.#sequence;
    const snapshot = state.unofferedSnapshot;
    const entries = state.log.takeUnpersisted();
    const bindingChanged = state.term !== this.#offeredHardState.term || state.vote !== this.#offeredHardState.vote;
    const changeCommitted = state.log.committedChange > state.durability.commitStarted;
    const mustSync = entries.length > 0 || snapshot !== undefined || bindingChanged || changeCommitted;
    if (mustSync) {
      const firstIndex = snapshot?.metadata?.index ?? entries[0]?.index ?? 0;
      state.durability.started(sequence, firstIndex, { term: state.term, commit: state.log.committed });
    }
    const ready: Ready = {
      sequence,
      softState: this.#takeSoftState(),
      hardState: this.#takeHardState(),
      snapshot,
      entries,
      mustSync,
      messages: state.messages,
      messagesAfterAppend: state.messagesAfterAppend,
      committedEntries: state.log.takeCommitted(state.limits.committedBytesPerReadyMax, state.limits.applyingBytesMax),
      readStates: state.readStates,
    };
    state.unofferedSnapshot = undefined;
    state.messages = [];
    state.messagesAfterAppend = [];
    state.readStates = [];
    return ready;
  }

  /** What the Readys up to `sequence` had to be written is durable. May lag behind and skip Readys. */
  appended(sequence: number): void {
    assert(sequence <= this.#sequence, 'no such Ready', { sequence, last: this.#sequence });
    this.#state.durability.acknowledged(sequence);
    if (this.#state.role === 'leader') countOwnAppend(this.#state);
  }

  /** The state machine holds the effect of everything up to `index`. */
  applied(index: number): void {
    this.#state.log.setApplied(index);
    autoLeave(this.#state);
  }

  /** The state machine holds Ready.snapshot at `index`, after it was made durable and acknowledged with appended(). */
  snapshotInstalled(index: number): void {
    onSnapshotInstalled(this.#state, index);
  }

  /** Forgets the entries up to `index` (applied ones only). A follower that lacks them will need a snapshot. */
  compactLog(index: number): void {
    this.#state.log.compactTo(index);
  }

  /**
   * Describes a snapshot of the state machine as it is now; for a snapshot to keep, and to put into a MsgSnap with its
   * data. Between applyConfChange() and the applied() that belongs to it, the two do not fit together.
   */
  snapshotMetadata(): SnapshotMetadata & { confState: ConfState } {
    return this.#state.snapshotMetadata();
  }

  confState(): ConfState {
    return confStateOf(this.#state.tracker.configuration);
  }

  status(): RaftStatus {
    const { log, tracker, id, term, vote, leader, role, leadTransferee } = this.#state;
    const progress = new Map<bigint, ProgressStatus>();
    for (const [member, p] of role === 'leader' ? tracker.progress : []) {
      progress.set(member, {
        match: p.match,
        next: p.next,
        state: p.state,
        isLearner: !tracker.isVoter(member),
        recentActive: p.recentActive,
        paused: p.paused,
        inflightMessages: p.inflights.count,
        pendingSnapshot: p.pendingSnapshot,
      });
    }
    return {
      id,
      term,
      vote,
      leader,
      role,
      leadTransferee,
      committed: log.committed,
      applied: log.applied,
      durable: log.durable,
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      confState: this.confState(),
      progress,
    };
  }

  #tickLeader(): void {
    const state = this.#state;
    state.heartbeatElapsed++;
    state.electionElapsed++;
    if (state.electionElapsed >= state.limits.electionTicks) {
      state.electionElapsed = 0;
      if (state.limits.checkQuorum && !state.tracker.takeQuorumActive(state.id)) {
        state.logger.warn('stepped down: no quorum was heard from', { id: state.id, term: state.term });
        state.becomeFollower(state.term, NONE);
        return;
      }
      state.leadTransferee = NONE;
    }
    if (state.heartbeatElapsed >= state.limits.heartbeatTicks) {
      state.heartbeatElapsed = 0;
      sendHeartbeats(state);
    }
  }

  #tickFollower(): void {
    const state = this.#state;
    state.electionElapsed++;
    if (state.promotable && state.electionElapsed >= state.randomizedElectionTicks) {
      state.electionElapsed = 0;
      campaign(state, 'timeout');
    }
  }

  /** Moves to a later term, answers or drops what is of an earlier one (paper §5.1). False if the message ends here. */
  #admitTerm(message: Message): boolean {
    const state = this.#state;
    const { type, term, from } = message;
    if (term === state.term) return true;
    if (term === 0) return isForwardedRequest(type) || type === MessageType.MsgTransferLeader;
    if (term < state.term) {
      this.#answerOldTerm(message);
      return false;
    }
    if (sticksToLeader(state, message)) {
      state.logger.debug('ignored a vote request: the leader is alive', { from, term, leader: state.leader });
      return false;
    }
    const asksOnly = type === MessageType.MsgPreVote || (type === MessageType.MsgPreVoteResp && !message.reject);
    if (asksOnly) return true;
    const fromLeader = type === MessageType.MsgApp || type === MessageType.MsgHeartbeat || type === MessageType.MsgSnap;
    state.becomeFollower(term, fromLeader ? from : NONE);
    return true;
  }

  /**
   * A leader cut off for a while must learn of the later term even though, with pre-vote or check-quorum, nobody would
   * disturb it with a vote request; and a pre-candidate behind in terms must not wait for an answer forever.
   */
  #answerOldTerm(message: Message): void {
    const state = this.#state;
    const { type, from } = message;
    if (type === MessageType.MsgApp || type === MessageType.MsgHeartbeat) {
      if (state.limits.checkQuorum || state.limits.preVote) state.send(newMessage(MessageType.MsgAppResp, from));
    } else if (type === MessageType.MsgPreVote) {
      const response = newMessage(MessageType.MsgPreVoteResp, from);
      response.reject = true;
      state.send(response);
    }
  }

  #stepLeader(message: Message): void {
    const state = this.#state;
    switch (message.type) {
      case MessageType.MsgAppResp:
        return onAppendResponse(state, message);
      case MessageType.MsgHeartbeatResp:
        onHeartbeatResponse(state, message);
        onReadRoundAnswer(state, message);
        return finishDeparture(state, message.from);
      case MessageType.MsgProp:
        return onForwardedProposal(state, message);
      case MessageType.MsgReadIndex:
        return this.#onReadRequest(message);
      case MessageType.MsgTransferLeader:
        return startTransfer(state, message.from);
      default:
        // Another leader's message of this term would break election safety; the rest is late.
        return;
    }
  }

  #stepFollower(message: Message): void {
    const state = this.#state;
    switch (message.type) {
      case MessageType.MsgApp:
        this.#follow(message);
        return onAppend(state, message);
      case MessageType.MsgHeartbeat:
        this.#follow(message);
        return onHeartbeat(state, message);
      case MessageType.MsgSnap:
        this.#follow(message);
        return onSnapshot(state, message);
      case MessageType.MsgVoteResp:
      case MessageType.MsgPreVoteResp:
        return onVoteResponse(state, message);
      case MessageType.MsgProp:
        return onForwardedProposal(state, message);
      case MessageType.MsgReadIndex:
        return this.#onReadRequest(message);
      case MessageType.MsgReadIndexResp:
        return onReadResponse(state, message);
      case MessageType.MsgTransferLeader:
        return this.transferLeader(message.from);
      case MessageType.MsgTimeoutNow:
        if (state.role === 'follower') campaign(state, 'transfer');
        return;
      default:
        return;
    }
  }

  #onReadRequest(message: Message): void {
    const entry = message.entries[0];
    if (entry !== undefined) requestRead(this.#state, message.from, entry.data);
  }

  /** `message.from` leads this term. */
  #follow(message: Message): void {
    const state = this.#state;
    if (state.role !== 'follower') state.becomeFollower(state.term, message.from);
    state.electionElapsed = 0;
    state.leader = message.from;
  }

  #flush(): void {
    if (this.#state.role !== 'leader') return;
    sendDueAppends(this.#state);
    sendDueReadRound(this.#state);
  }

  #hardStateChanged(): boolean {
    const { term, vote, commit } = this.#offeredHardState;
    const state = this.#state;
    return state.term !== term || state.vote !== vote || state.log.committed !== commit;
  }

  #takeHardState(): HardState | undefined {
    if (!this.#hardStateChanged()) return undefined;
    const { term, vote, log } = this.#state;
    this.#offeredHardState = { term, vote, commit: log.committed };
    return this.#offeredHardState;
  }

  #softStateChanged(): boolean {
    return this.#state.leader !== this.#offeredSoftState.leader || this.#state.role !== this.#offeredSoftState.role;
  }

  #takeSoftState(): SoftState | undefined {
    if (!this.#softStateChanged()) return undefined;
    this.#offeredSoftState = { leader: this.#state.leader, role: this.#state.role };
    return this.#offeredSoftState;
  }
}
