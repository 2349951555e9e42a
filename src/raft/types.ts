/** The shapes that go in and out of the Raft core. Wire types (Entry, Message, ...) are those of src/gen/raftpb.ts. */
import type { Random } from '../base/random.ts';
import type { ConfState, Entry, HardState, Message, Snapshot } from '../gen/raftpb.ts';
import type { Logger } from '../ports/logger.ts';

export type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeV2,
  ConfState,
  Entry,
  HardState,
  Message,
  Snapshot,
  SnapshotMetadata,
} from '../gen/raftpb.ts';

/** No member: no leader is known, no vote was given, no transfer is under way. */
export const NONE = 0n;

/** A learner is a follower that no configuration counts as a voter. */
export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** Identifies one entry of one log: two logs that hold it agree on everything before it (log matching). */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/** What a member found in its storage when it started. All of it is durable. */
export interface InitialState {
  readonly hardState: HardState;
  /** The configuration as of `applied`. */
  readonly confState: ConfState;
  /** Stands for everything before `entries`; index 0, term 0 for a log that was never compacted. */
  readonly snapshot: LogPosition;
  /** The log after `snapshot`, without gaps. */
  readonly entries: readonly Entry[];
  /** The last entry whose effect the state machine holds; not below `snapshot.index`. */
  readonly applied: number;
}

export interface RaftOptions {
  /** This member's id; not 0. */
  readonly id: bigint;
  /** A follower that heard nothing campaigns after [electionTicks, 2 * electionTicks) ticks. */
  readonly electionTicks: number;
  /** A leader sends heartbeats every so many ticks; less than electionTicks. */
  readonly heartbeatTicks: number;
  readonly random: Random;
  /** Ask whether an election could be won before disturbing the term (dissertation §9.6). */
  readonly preVote: boolean;
  /** A leader that no quorum answered for an election timeout steps down; followers of a live leader ignore votes (§6.2, §4.2.3). */
  readonly checkQuorum: boolean;
  /** Entries of one MsgApp; one entry is always allowed. */
  readonly maxSizePerMessageBytes: number;
  /** MsgApps sent to one follower and not yet answered. */
  readonly inflightMessagesMax: number;
  /** Their payload; 0 for no limit. */
  readonly inflightBytesMax: number;
  /** Payload of the leader's uncommitted entries beyond which proposals are dropped; 0 for no limit. */
  readonly uncommittedBytesMax: number;
  /** Entries of one Ready.committedEntries; one entry is always allowed. Default: maxSizePerMessageBytes. */
  readonly committedBytesPerReadyMax?: number | undefined;
  /** Entries offered for apply and not yet applied, over all Readys. Default: 16 * committedBytesPerReadyMax. */
  readonly applyingBytesMax?: number | undefined;
  /** Linearizable reads waiting in the leader; more are refused. Default: 65,536. */
  readonly pendingReadsMax?: number | undefined;
  readonly initial: InitialState;
  readonly logger?: Logger | undefined;
}

/** The part of the state that is not persisted. */
export interface SoftState {
  /** NONE when no leader is known. */
  readonly leader: bigint;
  readonly role: Role;
}

/** Once `applied >= index`, the read that was asked for with `context` can be served linearizably. */
export interface ReadState {
  readonly index: number;
  readonly context: Uint8Array;
}

/**
 * What the core wants done since the Ready before. The caller
 *
 * 1. sends `messages` at once;
 * 2. writes `snapshot`, `entries` and `hardState`, in this order, after the writes of all earlier Readys; syncs if
 *    `mustSync`, then calls `appended(sequence)`. Writes may be queued: the next Ready can be taken before they end, and
 *    one call of appended() covers all Readys up to that sequence;
 * 3. sends `messagesAfterAppend` when this Ready's write and all earlier ones are durable (a Ready that has nothing to
 *    write waits for the earlier ones only);
 * 4. installs `snapshot` in the state machine once it is durable, then calls `snapshotInstalled(index)`;
 * 5. applies `committedEntries` in order, passes configuration changes to `applyConfChange`, and then calls
 *    `applied(index)`.
 *
 * A write replaces whatever the log held from its first index on.
 *
 * A MsgSnap among the messages carries no data: the caller makes a snapshot of the state machine, fills in its data and
 * metadata (Raft.snapshotMetadata(), of that moment), sends it, and says how that went with reportSnapshot().
 */
export interface Ready {
  /** Counts Readys from 1. */
  readonly sequence: number;
  /** Set when the leader or the role changed. */
  readonly softState: SoftState | undefined;
  /** Set when it changed. */
  readonly hardState: HardState | undefined;
  /** From the leader, to replace the whole log and the state machine. Its metadata is set. */
  readonly snapshot: Snapshot | undefined;
  /** To persist; each entry is offered once, unless another entry took its place. */
  readonly entries: readonly Entry[];
  /**
   * False when only the commit index changed, and covers no further change of the members: losing that costs nothing.
   * appended() is then not needed.
   */
  readonly mustSync: boolean;
  readonly messages: readonly Message[];
  readonly messagesAfterAppend: readonly Message[];
  /** To apply; durable here, each offered once. */
  readonly committedEntries: readonly Entry[];
  readonly readStates: readonly ReadState[];
}

/**
 * What became of a proposal. `accepted`: in this leader's log. `forwarded`: sent to the leader, fate unknown.
 * All else: dropped, and will never be committed.
 */
export type ProposalOutcome =
  | 'accepted'
  | 'forwarded'
  /** No leader is known. */
  | 'no-leader'
  /** Leadership is being handed over. */
  | 'transferring'
  /** This leader was removed or made a learner, and is about to hand over. */
  | 'not-a-voter'
  /** uncommittedBytesMax is reached. */
  | 'too-much-uncommitted'
  /** An earlier configuration change is not applied yet, or a joint configuration has to be left first. */
  | 'conf-change-pending'
  /** The configuration change cannot be applied to the current configuration. */
  | 'conf-change-invalid';

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** What the leader knows of one member. */
export interface ProgressStatus {
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  readonly isLearner: boolean;
  readonly recentActive: boolean;
  readonly paused: boolean;
  readonly inflightMessages: number;
  /** The index of the snapshot under way, or 0. */
  readonly pendingSnapshot: number;
}

export interface RaftStatus {
  readonly id: bigint;
  readonly term: number;
  readonly vote: bigint;
  readonly leader: bigint;
  readonly role: Role;
  /** NONE unless leadership is being handed over. */
  readonly leadTransferee: bigint;
  readonly committed: number;
  readonly applied: number;
  readonly durable: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly confState: ConfState;
  /** Empty unless leader. */
  readonly progress: ReadonlyMap<bigint, ProgressStatus>;
}
