/**
 * Drives the Raft core: hands it proposals and ticks, and carries out what each Ready asks for. Writes to the log go on while
 * later Readys are taken, so that what queues up during one sync shares the next.
 */
import { assert } from '../base/assert.ts';
import { EtcdError, etcdError, Code } from '../base/etcd-error.ts';
import type { ConfChange, ConfState } from '../gen/raftpb.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Raft } from '../raft/raft.ts';
import type { Ready, SoftState } from '../raft/types.ts';
import type { ApplyLoop } from './apply-loop.ts';
import type { DurableLog } from './durable-log.ts';
import type { Proposals } from './proposals.ts';

export interface RaftNodeParts {
  readonly raft: Raft;
  readonly log: DurableLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly proposals: Proposals;
  /** How long one tick lasts (heartbeat-interval). */
  readonly tickMs: number;
  readonly onSoftState: (state: SoftState) => void;
  /** The log cannot be written any more: nothing may be acknowledged from here on. */
  readonly onLogError: (error: Error) => void;
}

interface Proposal {
  readonly id: bigint;
  readonly data: Uint8Array;
}

interface Reader {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly deadlineMs: number;
}

/** As etcd: 5 s and twice the election timeout, taken at its default. */
const READ_TIMEOUT_MS = 7000;
/** Readers under way; beyond, new ones are refused. */
const READERS_MAX = 65_536;

export class RaftNode {
  readonly #parts: RaftNodeParts;
  #applyLoop: ApplyLoop | undefined;
  #queued: Proposal[] = [];
  #scheduled = false;
  #pumping = false;
  #stopped = false;
  #cancelTick: (() => void) | undefined;
  /** Reads that share one round of the read index, by the round's context. */
  readonly #rounds = new Map<number, Reader[]>();
  #nextReaders: Reader[] = [];
  #round = 0;

  constructor(parts: RaftNodeParts) {
    this.#parts = parts;
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

  get commitIndex(): number {
    return this.#parts.raft.committed;
  }

  start(applyLoop: ApplyLoop): void {
    this.#applyLoop = applyLoop;
    this.#armTick();
    this.#pump();
  }

  /** Stands for election at once. */
  campaign(): void {
    this.#parts.raft.campaign();
    this.#pump();
  }

  /** Queues a proposal; all that come in during one turn of the event loop go to the log together. */
  propose(id: bigint, data: Uint8Array): void {
    this.#queued.push({ id, data });
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
   * certain to lead (the only voter). Rejects with Timeout, or with LeaderChanged where leadership was lost meanwhile.
   */
  linearizable(): Promise<void> | undefined {
    const { raft, clock } = this.#parts;
    const applyLoop = this.#loop;
    const index = raft.readIndexNow();
    if (index !== undefined && applyLoop.appliedIndex >= index) return undefined;
    return new Promise((resolve, reject) => {
      if (this.#nextReaders.length >= READERS_MAX) {
        reject(etcdError('TooManyRequests'));
        return;
      }
      this.#nextReaders.push({ resolve, reject, deadlineMs: clock.monotonicMs() + READ_TIMEOUT_MS });
      this.#schedule();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTick?.();
    this.#failReaders(() => true, 'Stopped');
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
      proposals.expire(nowMs);
      this.#failReaders((reader) => reader.deadlineMs <= nowMs, 'Timeout');
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

  /** Takes Readys until there is nothing to do. Reentrant calls return: the outer one goes on. */
  #pump(): void {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    try {
      this.#handOver();
      while (this.#parts.raft.hasReady()) this.#process(this.#parts.raft.ready());
    } finally {
      this.#pumping = false;
    }
  }

  #handOver(): void {
    const { raft, proposals } = this.#parts;
    if (this.#nextReaders.length > 0) this.#startReadRound();
    if (this.#queued.length === 0) return;
    const queued = this.#queued;
    this.#queued = [];
    for (const { id, data } of queued) {
      const outcome = raft.propose([data]);
      if (outcome === 'accepted' || outcome === 'forwarded') continue;
      proposals.fail(id, droppedError(outcome));
    }
  }

  #process(ready: Ready): void {
    const { log, raft } = this.#parts;
    assert(ready.snapshot === undefined, 'a single member got a snapshot', { sequence: ready.sequence });
    if (ready.softState !== undefined) this.#parts.onSoftState(ready.softState);
    if (ready.entries.length > 0 || ready.hardState !== undefined) {
      log.append(ready.hardState, ready.entries, ready.mustSync, (error) => {
        if (error !== undefined) {
          this.#parts.onLogError(error);
          return;
        }
        if (ready.mustSync) raft.appended(ready.sequence);
        this.#pump();
      });
    }
    for (const { index, context } of ready.readStates) this.#serveRound(index, context);
    if (ready.committedEntries.length > 0) this.#loop.push(ready.committedEntries);
  }

  #startReadRound(): void {
    const readers = this.#nextReaders;
    this.#nextReaders = [];
    const round = ++this.#round;
    const context = new Uint8Array(8);
    new DataView(context.buffer).setBigUint64(0, BigInt(round));
    this.#rounds.set(round, readers);
    this.#parts.raft.readIndex(context);
  }

  #serveRound(index: number, context: Uint8Array): void {
    const round = Number(new DataView(context.buffer, context.byteOffset, 8).getBigUint64(0));
    const readers = this.#rounds.get(round);
    if (readers === undefined) return;
    this.#rounds.delete(round);
    this.#loop.whenApplied(index, () => {
      for (const reader of readers) reader.resolve();
    });
  }

  #failReaders(which: (reader: Reader) => boolean, why: 'Timeout' | 'Stopped'): void {
    const fail = (readers: Reader[]): Reader[] => {
      for (const reader of readers) if (which(reader)) reader.reject(etcdError(why));
      return readers.filter((reader) => !which(reader));
    };
    this.#nextReaders = fail(this.#nextReaders);
    for (const [round, readers] of this.#rounds) {
      const left = fail(readers);
      if (left.length === 0) this.#rounds.delete(round);
      else this.#rounds.set(round, left);
    }
  }
}

function droppedError(outcome: string): EtcdError {
  if (outcome === 'no-leader') return etcdError('NoLeader');
  if (outcome === 'too-much-uncommitted') return etcdError('TooManyRequests');
  return new EtcdError(Code.Unknown, 'raft proposal dropped');
}
