/**
 * Drives the Raft core: hands it proposals, messages and ticks, and carries out what each Ready asks for. Writes to the log go
 * on while later Readys are taken, so that what queues up during one sync shares the next.
 */
import { assert } from '../base/assert.ts';
import { EtcdError, etcdError, Code } from '../base/etcd-error.ts';
import { MessageType, type ConfChange, type ConfState, type Message } from '../gen/raftpb.ts';
import type { Clock } from '../ports/clock.ts';
import { isSoleVoter } from '../raft/configuration.ts';
import { payloadBytes } from '../raft/raft-log.ts';
import type { Raft } from '../raft/raft.ts';
import { NONE, type ProposalOutcome, type RaftStatus, type Ready, type SoftState } from '../raft/types.ts';
import type { ApplyLoop } from './apply-loop.ts';
import { CommitPace } from './commit-pace.ts';
import type { DurableLog } from './durable-log.ts';
import { Outbox } from './outbox.ts';
import type { Proposals } from './proposals.ts';
import { ReadRounds } from './read-rounds.ts';
import type { RequestIds } from './request-ids.ts';
import { Succession } from './succession.ts';

export interface RaftNodeParts {
  readonly raft: Raft;
  readonly log: DurableLog;
  readonly clock: Clock;
  readonly proposals: Proposals;
  readonly requestIds: RequestIds;
  /** How long one tick lasts (heartbeat-interval). */
  readonly tickMs: number;
  /** How long a linearizable read may take. */
  readonly readTimeoutMs: number;
  /** To other members. None is a MsgSnap. */
  readonly send: (messages: readonly Message[]) => void;
  /** The member that `message` is for lacks entries that the log here does not hold any more. */
  readonly sendSnapshot: (message: Message) => void;
  readonly onSoftState: (state: SoftState) => void;
  /** The log cannot be written any more: nothing may be acknowledged from here on. */
  readonly onLogError: (error: Error) => void;
}

type Proposal =
  | { readonly id: bigint; readonly data: Uint8Array; readonly ownTerm: number | undefined }
  | { readonly id: bigint; readonly change: ConfChange };

/** Messages with proposals of other members that wait for a new leader, and their bytes. */
const HELD_MAX = 4096;
const HELD_BYTES_MAX = 64 * 1024 ** 2;
/** The proposal was dropped for a reason that passes: it is made again until its time is up. */
const PASSING: ReadonlySet<ProposalOutcome> = new Set(['no-leader', 'transferring', 'conf-change-pending']);

export class RaftNode {
  readonly #parts: RaftNodeParts;
  readonly #outbox: Outbox;
  readonly #reads: ReadRounds;
  readonly #succession: Succession;
  readonly #commitPace: CommitPace;
  #applyLoop: ApplyLoop | undefined;
  #queued: Proposal[] = [];
  /** Proposals of other members that came in while leadership is handed over: Raft would drop them. */
  #held: Message[] = [];
  #heldBytes = 0;
  #scheduled = false;
  #pumping = false;
  #stopped = false;
  #cancelTick: (() => void) | undefined;
  /** The last one that was known. */
  #lastLeader = NONE;
  #leaderChanges = 0;
  #lateHeartbeats = 0;
  #lastTickMs = 0;
  #leaderSinceMs = 0;

  constructor(parts: RaftNodeParts) {
    this.#parts = parts;
    this.#outbox = new Outbox((messages) => this.#send(messages));
    this.#succession = new Succession({ raft: parts.raft, clock: parts.clock, onChange: () => this.#pump() });
    this.#commitPace = new CommitPace({ raft: parts.raft, clock: parts.clock, onChange: () => this.#pump() });
    this.#reads = new ReadRounds({
      clock: parts.clock,
      requestIds: parts.requestIds,
      ask: (context) => void parts.raft.readIndex(context),
      whenApplied: (index, done) => this.#loop.whenApplied(index, done),
      timeoutMs: parts.readTimeoutMs,
    });
  }

  get term(): number {
    return this.#parts.raft.term;
  }

  get leader(): bigint {
    return this.#parts.raft.leader;
  }

  get isLeader(): boolean {
    return this.#parts.raft.role === 'leader';
  }

  get isSoleVoter(): boolean {
    const { raft } = this.#parts;
    return isSoleVoter(raft.configuration, raft.id);
  }

  get commitIndex(): number {
    return this.#parts.raft.committed;
  }

  /** Monotonic time at which the leader that is known, or was known last, came to be known. */
  get leaderSinceMs(): number {
    return this.#leaderSinceMs;
  }

  /** How often a leader came to be known that was not known just before. */
  get leaderChanges(): number {
    return this.#leaderChanges;
  }

  /** How often this member, as the leader of others, sent heartbeats a whole interval too late. */
  get lateHeartbeats(): number {
    return this.#lateHeartbeats;
  }

  /** Rounds of linearizable reads, see ReadRounds. */
  get readTotals(): { readonly slow: number; readonly failed: number } {
    return this.#reads.totals;
  }

  /** Whether the log has this entry, or has it behind it. */
  holds(index: number, term: number): boolean {
    const { raft } = this.#parts;
    return index <= raft.committed || raft.termAt(index) === term;
  }

  status(): RaftStatus {
    return this.#parts.raft.status();
  }

  start(applyLoop: ApplyLoop): void {
    this.#applyLoop = applyLoop;
    this.#lastTickMs = this.#parts.clock.monotonicMs();
    this.#armTick();
    this.#pump();
  }

  /** Stands for election at once. */
  campaign(): void {
    this.#parts.raft.campaign();
    this.#pump();
  }

  /** Lets so much of the first election timeout pass at once. */
  skipTicks(count: number): void {
    for (let i = 0; i < count; i++) this.#parts.raft.tick();
    this.#pump();
  }

  transferLeader(target: bigint): void {
    this.#parts.raft.transferLeader(target);
    this.#pump();
  }

  /** A message from another member; dropped before the start. Several that come in during one turn of the event loop are answered together. */
  step(message: Message): void {
    if (this.#stopped || this.#applyLoop === undefined) return;
    const { raft } = this.#parts;
    if (message.type === MessageType.MsgProp && raft.isTransferring && this.#hasRoomToHold()) this.#hold(message);
    else raft.step(message);
    this.#schedule();
  }

  #hasRoomToHold(): boolean {
    return this.#held.length < HELD_MAX && this.#heldBytes < HELD_BYTES_MAX;
  }

  #hold(message: Message): void {
    this.#held.push(message);
    this.#heldBytes += payloadBytes(message.entries);
  }

  reportUnreachable(id: bigint): void {
    this.#parts.raft.reportUnreachable(id);
  }

  /** The process of this member has ended. */
  reportGone(id: bigint): void {
    if (!this.#stopped) this.#succession.gone(id);
  }

  reportSnapshot(id: bigint, ok: boolean): void {
    this.#parts.raft.reportSnapshot(id, ok);
    this.#schedule();
  }

  /**
   * Queues a proposal; all that come in during one turn of the event loop go to the log together. With `ownTerm` it is made
   * only while this member leads that term, and fails with NotLeader otherwise: an entry of a term can commit only if no
   * later one had begun, so what a leader knows of its own term holds for the entry.
   */
  propose(id: bigint, data: Uint8Array, ownTerm?: number): void {
    this.#queued.push({ id, data, ownTerm });
    this.#schedule();
  }

  /** Likewise for a change of the members; `change.id` is the proposal's id. */
  proposeConfChange(change: ConfChange): void {
    this.#queued.push({ id: change.id, change });
    this.#schedule();
  }

  applyConfChange(change: ConfChange): ConfState {
    return this.#parts.raft.applyConfChange(change);
  }

  /** Told by the apply loop: Raft may offer more. */
  applied(index: number): void {
    this.#parts.raft.applied(index);
    if (!this.#pumping) this.#schedule();
  }

  /**
   * Resolves when this member has applied all that was committed when it was called; undefined when it has already, and is
   * certain to lead (the only voter). Rejects with Timeout, or with LeaderChanged where a new leader came to be meanwhile.
   */
  linearizable(): Promise<void> | undefined {
    const index = this.#parts.raft.readIndexNow();
    if (index !== undefined && this.#loop.appliedIndex >= index) return undefined;
    if (this.#stopped) return Promise.reject(etcdError('Stopped'));
    const read = this.#reads.add();
    this.#schedule();
    return read;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTick?.();
    this.#reads.stop();
    this.#succession.stop();
    this.#commitPace.stop();
  }

  get #loop(): ApplyLoop {
    assert(this.#applyLoop !== undefined, 'raft node not started');
    return this.#applyLoop;
  }

  #armTick(): void {
    const { clock, raft, proposals, tickMs } = this.#parts;
    this.#cancelTick = clock.after(tickMs, () => {
      if (this.#stopped) return;
      raft.tick();
      const nowMs = clock.monotonicMs();
      if (this.isLeader && !this.isSoleVoter && nowMs - this.#lastTickMs > 2 * tickMs) this.#lateHeartbeats++;
      this.#lastTickMs = nowMs;
      proposals.expire(nowMs);
      this.#queued = this.#queued.filter(({ id }) => proposals.has(id));
      this.#reads.tick(nowMs);
      this.#armTick();
      this.#pump();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#parts.clock.soon(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** Takes Readys until there is nothing to do, from the start on. Reentrant calls return: the outer one goes on. */
  #pump(): void {
    if (this.#pumping || this.#stopped || this.#applyLoop === undefined) return;
    this.#pumping = true;
    try {
      this.#handOver();
      while (this.#parts.raft.hasReady()) this.#process(this.#parts.raft.ready());
    } finally {
      this.#pumping = false;
    }
  }

  #handOver(): void {
    this.#reads.begin();
    const { raft, proposals } = this.#parts;
    if (raft.leader === NONE || raft.isTransferring) return;
    for (const message of this.#held.splice(0)) raft.step(message);
    this.#heldBytes = 0;
    if (this.#queued.length === 0) return;
    const queued = this.#queued;
    this.#queued = [];
    for (const proposal of queued) {
      if (!proposals.has(proposal.id)) continue;
      if ('data' in proposal && !this.#isOwnTerm(proposal.ownTerm)) {
        proposals.fail(proposal.id, etcdError('NotLeader'));
        continue;
      }
      const outcome = 'data' in proposal ? raft.propose([proposal.data]) : raft.proposeConfChange(proposal.change);
      if (outcome === 'accepted' || outcome === 'forwarded') continue;
      // As many as there are proposals under way, which is limited.
      if (PASSING.has(outcome)) this.#queued.push(proposal);
      else proposals.fail(proposal.id, droppedError(outcome));
    }
  }

  #isOwnTerm(term: number | undefined): boolean {
    return term === undefined || (this.isLeader && this.term === term);
  }

  #process(ready: Ready): void {
    assert(ready.snapshot === undefined, 'a snapshot from the leader was let through', { sequence: ready.sequence });
    if (ready.softState !== undefined) this.#noteSoftState(ready.softState);
    this.#send(ready.messages);
    this.#write(ready);
    for (const { index, context } of ready.readStates) this.#reads.answered(index, context);
    if (this.isLeader) this.#commitPace.note(ready.entries.length > 0, ready.committedEntries.length > 0);
    if (ready.committedEntries.length > 0) this.#loop.push(ready.committedEntries);
  }

  #write(ready: Ready): void {
    const { log, raft } = this.#parts;
    const { hardState, entries, mustSync, messagesAfterAppend, sequence } = ready;
    if (!mustSync) {
      if (hardState !== undefined) log.append(hardState, entries, false, (error) => this.#wrote(error));
      this.#outbox.follow(messagesAfterAppend);
      return;
    }
    const release = this.#outbox.hold(messagesAfterAppend);
    log.append(hardState, entries, true, (error) => {
      if (error === undefined) {
        raft.appended(sequence);
        release();
      }
      this.#wrote(error);
    });
  }

  #wrote(error: Error | undefined): void {
    if (error === undefined) this.#pump();
    else this.#parts.onLogError(error);
  }

  #send(messages: readonly Message[]): void {
    if (messages.length === 0 || this.#stopped) return;
    const { send, sendSnapshot } = this.#parts;
    const snapshots = messages.filter(({ type }) => type === MessageType.MsgSnap);
    send(snapshots.length === 0 ? messages : messages.filter(({ type }) => type !== MessageType.MsgSnap));
    for (const message of snapshots) sendSnapshot(message);
  }

  #noteSoftState(state: SoftState): void {
    if (state.leader !== NONE && state.leader !== this.#lastLeader) {
      this.#leaderSinceMs = this.#parts.clock.monotonicMs();
      this.#leaderChanges++;
      this.#reads.leaderChanged();
    }
    // A leader that was lost and comes back is a new one.
    this.#lastLeader = state.leader;
    this.#parts.onSoftState(state);
  }
}

function droppedError(outcome: ProposalOutcome): EtcdError {
  if (outcome === 'too-much-uncommitted') return etcdError('TooManyRequests');
  return new EtcdError(Code.Unknown, 'raft proposal dropped');
}
