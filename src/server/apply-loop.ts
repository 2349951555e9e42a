/** Applies committed entries in order, in slices, and answers whoever proposed them. */
import { assert } from '../base/assert.ts';
import { etcdError, type EtcdError } from '../base/etcd-error.ts';
import { Queue } from '../base/queue.ts';
import { WireError } from '../base/wire.ts';
import type { AnyResponse, ApplyResult } from '../apply/applier.ts';
import type { EntryOrigin } from '../apply/auth-command.ts';
import { commandOf, entryId, type Command } from '../apply/command.ts';
import { legacyCommandOf } from '../apply/legacy-command.ts';
import { decodeInternalRaftRequest } from '../gen/raft-internal.ts';
import { EntryType, type Entry } from '../gen/raftpb.ts';
import type { Clock } from '../ports/clock.ts';
import type { Proposals } from './proposals.ts';

/** How long applying may hold the loop before others get a turn. */
const SLICE_MS = 5;
/** Entries between two looks at the clock. */
const ENTRIES_PER_LOOK = 32;

export interface ApplyLoopParts {
  readonly clock: Clock;
  readonly proposals: Proposals;
  readonly apply: (command: Command, nowMs: number, index: number, origin: EntryOrigin | undefined) => ApplyResult;
  readonly applyConfChange: (entry: Entry) => ConfChangeOutcome;
  /** The empty entry was applied that the leader of `term` began it with. */
  readonly onTermBegun: (term: number) => void;
  /** After a run of entries: the log may forget up to here, the flusher has work. */
  readonly onApplied: (index: number) => void;
  /** Applying has to wait, because the write buffer is full. */
  readonly isBlocked: () => boolean;
  /** Calls back when the NOSPACE alarm is set. */
  readonly raiseNoSpace: () => Promise<void>;
  readonly applySeconds: (command: Command, seconds: number, success: boolean) => void;
  /** Sees every entry just before it is applied. */
  readonly onEntry?: ((entry: Entry) => void) | undefined;
}

/** What became of a change of the members: refused where there is an error. */
export interface ConfChangeOutcome {
  /** Of the proposal. */
  readonly id: bigint;
  readonly error: EtcdError | undefined;
}

interface IndexWaiter {
  readonly index: number;
  readonly done: () => void;
}

const COMPACTED = etcdError('Compacted').message;

export class ApplyLoop {
  readonly #parts: ApplyLoopParts;
  readonly #entries = new Queue<Entry>();
  /** In the order of their indexes. */
  readonly #waiters = new Queue<IndexWaiter>();
  #appliedIndex: number;
  #appliedTerm: number;
  #scheduled = false;
  #isStopped = false;

  constructor(parts: ApplyLoopParts, appliedIndex: number, appliedTerm: number) {
    this.#parts = parts;
    this.#appliedIndex = appliedIndex;
    this.#appliedTerm = appliedTerm;
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get appliedTerm(): number {
    return this.#appliedTerm;
  }

  get backlog(): number {
    return this.#entries.size;
  }

  /** Takes committed entries, which follow those given before, and applies what fits into a slice. */
  push(entries: readonly Entry[]): void {
    for (const entry of entries) this.#entries.push(entry);
    if (!this.#scheduled) this.#slice();
  }

  /** Goes on after isBlocked has become false. */
  resume(): void {
    if (!this.#scheduled) this.#slice();
  }

  /** Applies nothing any more; the next start goes on where this one ends. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Calls `done` once everything up to `index` is applied; at once if it is. Indexes must come in ascending order. */
  whenApplied(index: number, done: () => void): void {
    if (index <= this.#appliedIndex) done();
    else this.#waiters.push({ index, done });
  }

  #slice(): void {
    const { clock, isBlocked, onApplied } = this.#parts;
    if (this.#entries.size === 0 || this.#isStopped || isBlocked()) return;
    const startMs = clock.monotonicMs();
    let nowMs = startMs;
    for (let done = 1; this.#entries.size > 0; done++) {
      this.#applyEntry(this.#entries.shift() as Entry, nowMs);
      if (done % ENTRIES_PER_LOOK !== 0) continue;
      nowMs = clock.monotonicMs();
      if (nowMs - startMs >= SLICE_MS || isBlocked()) break;
    }
    onApplied(this.#appliedIndex);
    this.#wakeWaiters();
    if (this.#entries.size === 0 || isBlocked()) return;
    this.#scheduled = true;
    clock.soon(() => {
      this.#scheduled = false;
      this.#slice();
    });
  }

  #wakeWaiters(): void {
    for (;;) {
      const waiter = this.#waiters.peek();
      if (waiter === undefined || waiter.index > this.#appliedIndex) return;
      this.#waiters.shift();
      waiter.done();
    }
  }

  #applyEntry(entry: Entry, nowMs: number): void {
    assert(entry.index === this.#appliedIndex + 1, 'a gap in the committed log', {
      applied: this.#appliedIndex,
      entry: entry.index,
    });
    this.#parts.onEntry?.(entry);
    if (entry.type !== EntryType.EntryNormal) this.#applyConfChange(entry);
    else if (entry.data.length > 0) this.#applyNormal(entry, nowMs);
    this.#appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    if (entry.type === EntryType.EntryNormal && entry.data.length === 0) this.#parts.onTermBegun(entry.term);
  }

  #applyConfChange(entry: Entry): void {
    const { id, error } = this.#parts.applyConfChange(entry);
    this.#parts.proposals.settle(id, undefined, error);
  }

  #applyNormal(entry: Entry, nowMs: number): void {
    const { clock, proposals } = this.#parts;
    const decoded = decodeRequest(entry.data);
    if (decoded === undefined) {
      const command = legacyCommandOf(entry.data);
      if (command !== undefined) this.#parts.apply(command, nowMs, entry.index, undefined);
      return;
    }
    const id = entryId(decoded);
    const command = proposals.commandOf(id, entry.data) ?? commandOf(decoded);
    const startMs = clock.monotonicMs();
    const { response, error, raisesNoSpace } = this.#parts.apply(command, nowMs, entry.index, decoded.header);
    const endMs = clock.monotonicMs();
    this.#parts.applySeconds(command, (endMs - startMs) / 1000, isApplied(error));
    if (raisesNoSpace) this.#settleAfterAlarm(id, response, error);
    else proposals.settle(id, response, error, endMs);
  }

  /** The client learns that the space is used up only when the alarm keeps the next one out. */
  #settleAfterAlarm(id: bigint, response: AnyResponse | undefined, error: EtcdError | undefined): void {
    const { proposals, raiseNoSpace } = this.#parts;
    void raiseNoSpace().finally(() => proposals.settle(id, response, error));
  }
}

/** undefined for the bare requests of etcd's first API, which members up to 3.5 still put into the log. */
function decodeRequest(data: Uint8Array): ReturnType<typeof decodeInternalRaftRequest> | undefined {
  try {
    return decodeInternalRaftRequest(data);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** A compaction that came too late has nothing left to do: that is no failure to apply. */
function isApplied(error: EtcdError | undefined): boolean {
  return error === undefined || error.message === COMPACTED;
}
