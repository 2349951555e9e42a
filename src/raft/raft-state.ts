import { assert, must } from '../base/assert.ts';
import type { Random } from '../base/random.ts';
import {
  MessageType,
  type ConfState,
  type Entry,
  type Message,
  type Snapshot,
  type SnapshotMetadata,
} from '../gen/raftpb.ts';
import { silentLogger, type Logger } from '../ports/logger.ts';
import { confStateOf, configurationFrom, type Configuration } from './configuration.ts';
import { Durability } from './durability.ts';
import { isForwardedRequest } from './messages.ts';
import { RaftLog, payloadBytes } from './raft-log.ts';
import { ReadOnly, type PendingRead } from './read-only.ts';
import { Tracker } from './tracker.ts';
import { NONE, type RaftOptions, type ReadState, type Role } from './types.ts';

/** The options with their defaults filled in. */
export interface RaftLimits {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly maxSizePerMessageBytes: number;
  /** Infinity for no limit. */
  readonly uncommittedBytesMax: number;
  readonly committedBytesPerReadyMax: number;
  readonly applyingBytesMax: number;
  readonly pendingReadsMax: number;
}

/**
 * The state all parts of the algorithm work on. What they share of transitions and sending lives here; the rules live in
 * elections.ts, replication.ts, following.ts, proposals.ts, reads.ts, transfer.ts and reconfiguration.ts.
 */
export class RaftState {
  readonly id: bigint;
  readonly limits: RaftLimits;
  readonly logger: Logger;
  readonly log: RaftLog;
  readonly durability: Durability;
  readonly tracker: Tracker;
  readonly #random: Random;

  /** Never decreases. */
  term: number;
  /** Whom this member voted for in `term`. Changes only together with the term, or from NONE. */
  vote: bigint;
  leader: bigint = NONE;
  role: Role = 'follower';

  /** Follower and candidate: ticks since the leader or a granted candidate was heard. Leader: since the last quorum check. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** In [electionTicks, 2 * electionTicks), drawn anew at each change of role or term. */
  randomizedElectionTicks = 0;

  /** Leader: the member that is to take over. */
  leadTransferee: bigint = NONE;
  /** Leader: it is no voter any more, takes no proposals and is about to hand over. */
  departing = false;
  /** Leader: no configuration change is proposed until this index is applied. May be higher than that of any change. */
  pendingConfIndex = 0;
  /** Leader: payload of its entries after the commit index. */
  uncommittedBytes = 0;
  /** Leader: there may be entries or a commit index that followers were not sent; ready() sends them. */
  appendsDue = false;

  /** Leader: see Raft.holdsCommits. */
  holdsCommits = false;
  /** Leader: the commit index that some members were not told of for that reason; 0 if there is none. */
  commitHeld = 0;

  /** Leader: reads that wait for a quorum to confirm the leadership. */
  readonly readOnly = new ReadOnly();
  /** Leader: reads that came before an entry of this term was committed. */
  earlyReads: PendingRead[] = [];

  /** A leader's snapshot that no Ready has offered yet. */
  unofferedSnapshot: Snapshot | undefined;
  /** The configuration of the snapshot that waits to be installed. */
  awaitedConfiguration: Configuration | undefined;
  readStates: ReadState[] = [];
  messages: Message[] = [];
  messagesAfterAppend: Message[] = [];

  constructor(options: RaftOptions) {
    const { initial, inflightMessagesMax, inflightBytesMax } = options;
    checkOptions(options);
    this.id = options.id;
    this.limits = limitsOf(options);
    this.logger = options.logger ?? silentLogger;
    this.#random = options.random;
    this.log = new RaftLog(initial);
    // A crash can keep the first entries of a term and lose the hard state written after them.
    const { term, vote } = initial.hardState;
    this.term = Math.max(term, this.log.lastTerm);
    this.vote = term === this.term ? vote : NONE;
    this.durability = new Durability(this.log, term, initial.hardState.commit);
    this.tracker = new Tracker(configurationFrom(initial.confState), this.log.lastIndex, {
      inflightMessagesMax,
      inflightBytesMax,
    });
    this.drawElectionTimeout();
  }

  /** May be elected: a voter whose state machine is in place. */
  get promotable(): boolean {
    return this.tracker.isVoter(this.id) && !this.log.awaitsSnapshot;
  }

  /** An entry of this term is committed, so the commit index covers everything earlier leaders committed (paper §8). */
  get committedInTerm(): boolean {
    return this.log.termAt(this.log.committed) === this.term;
  }

  /** Describes a snapshot of the state machine as it is now. */
  snapshotMetadata(): SnapshotMetadata & { confState: ConfState } {
    const index = this.log.applied;
    const term = must(this.log.termAt(index), 'term at the applied index');
    return { index, term, confState: confStateOf(this.tracker.configuration) };
  }

  becomeFollower(term: number, leader: bigint): void {
    const before = this.role;
    const entered = term > this.term;
    this.#startRole('follower', term);
    this.leader = leader;
    if (before !== 'follower' || entered) {
      this.logger.info('became follower', { id: this.id, term, leader, before });
    }
  }

  /** Asks for pre-votes: neither the term nor the vote changes. */
  becomePreCandidate(): void {
    assert(this.role !== 'leader', 'a leader cannot ask for pre-votes', { term: this.term });
    this.role = 'pre-candidate';
    this.leader = NONE;
    this.tracker.clearVotes();
    this.logger.info('became pre-candidate', { id: this.id, term: this.term });
  }

  becomeCandidate(): void {
    assert(this.role !== 'leader', 'a leader cannot become candidate', { term: this.term });
    this.#startRole('candidate', this.term + 1);
    this.vote = this.id;
    this.logger.info('became candidate', { id: this.id, term: this.term });
  }

  /** The caller goes on to append the entry that starts the term. */
  becomeLeader(): void {
    assert(this.role !== 'follower', 'a follower cannot become leader', { term: this.term });
    this.#startRole('leader', this.term);
    this.leader = this.id;
    const self = this.tracker.progress.get(this.id);
    if (self !== undefined) {
      self.update(this.log.durable);
      self.becomeReplicate();
      self.recentActive = true;
    }
    // The tail may hold a configuration change of an earlier leader; waiting for all of it is simpler than looking.
    this.pendingConfIndex = this.log.lastIndex;
    const { committed, lastIndex } = this.log;
    this.uncommittedBytes =
      lastIndex > committed ? payloadBytes(this.log.slice(committed + 1, lastIndex, Infinity)) : 0;
    this.logger.info('became leader', { id: this.id, term: this.term });
  }

  /**
   * Queues `message`. What promises something about this member's storage (a vote, an accepted entry, a leader's own
   * term) waits until it is durable; all else goes at once.
   */
  send(message: Message): void {
    if (message.from === NONE) message.from = this.id;
    if (message.term === 0 && !isForwardedRequest(message.type)) message.term = this.term;
    if (this.#promisesStorage(message)) this.messagesAfterAppend.push(message);
    else this.messages.push(message);
  }

  /** Adds entries to a leader's log; index and term are set here. False if that would exceed uncommittedBytesMax. */
  appendAsLeader(payloads: readonly { type: number; data: Uint8Array }[]): boolean {
    let bytes = 0;
    for (const { data } of payloads) bytes += data.length;
    const { uncommittedBytesMax } = this.limits;
    // One proposal of any size gets through an empty pipeline, and empty entries always do: the algorithm needs them.
    if (bytes > 0 && this.uncommittedBytes > 0 && this.uncommittedBytes + bytes > uncommittedBytesMax) return false;
    this.uncommittedBytes += bytes;
    let index = this.log.lastIndex;
    const entries: Entry[] = payloads.map(({ type, data }) => ({ type, term: this.term, index: ++index, data }));
    this.log.append(entries);
    this.appendsDue = true;
    return true;
  }

  drawElectionTimeout(): void {
    this.randomizedElectionTicks = this.limits.electionTicks + this.#random.below(this.limits.electionTicks);
  }

  #startRole(role: Role, term: number): void {
    assert(term >= this.term, 'the term would go back', { from: this.term, to: term });
    if (term !== this.term) {
      this.term = term;
      this.vote = NONE;
    }
    this.role = role;
    this.leader = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.drawElectionTimeout();
    this.leadTransferee = NONE;
    this.departing = false;
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.appendsDue = false;
    this.commitHeld = 0;
    this.readOnly.clear();
    this.earlyReads = [];
    this.tracker.reset(this.log.lastIndex);
  }

  /**
   * A granted vote and an accepted entry must survive a crash; a refusal promises nothing. A vote request states where
   * the log ends and follows a vote for oneself; if a crash undid either, the votes it brings could elect a member that
   * lacks committed entries. A leader's messages use its term, which must not be given out twice.
   * What tells of a commit has to wait where that commit is to be kept to oneself (RaftLog.hidesChange).
   */
  #promisesStorage(message: Message): boolean {
    if (this.log.hidesChange) return true;
    switch (message.type) {
      case MessageType.MsgAppResp:
      case MessageType.MsgVoteResp:
        return !message.reject;
      case MessageType.MsgVote:
        return true;
      default:
        return this.role === 'leader' && this.durability.term < this.term;
    }
  }
}

function limitsOf(options: RaftOptions): RaftLimits {
  const committedBytesPerReadyMax = options.committedBytesPerReadyMax ?? options.maxSizePerMessageBytes;
  return {
    electionTicks: options.electionTicks,
    heartbeatTicks: options.heartbeatTicks,
    preVote: options.preVote,
    checkQuorum: options.checkQuorum,
    maxSizePerMessageBytes: options.maxSizePerMessageBytes,
    uncommittedBytesMax: options.uncommittedBytesMax > 0 ? options.uncommittedBytesMax : Infinity,
    committedBytesPerReadyMax,
    applyingBytesMax: options.applyingBytesMax ?? 16 * committedBytesPerReadyMax,
    pendingReadsMax: options.pendingReadsMax ?? 65_536,
  };
}

function checkOptions(options: RaftOptions): void {
  const { id, electionTicks, heartbeatTicks, inflightMessagesMax } = options;
  assert(id !== NONE, 'a member needs an id other than 0');
  assert(heartbeatTicks > 0 && electionTicks > heartbeatTicks, 'electionTicks must exceed heartbeatTicks', {
    electionTicks,
    heartbeatTicks,
  });
  assert(inflightMessagesMax > 0, 'inflightMessagesMax must be positive', { inflightMessagesMax });
}
