import { assert, must } from '../base/assert.ts';
import type { Entry } from '../gen/raftpb.ts';
import { isConfChangeEntry } from './conf-change.ts';
import type { InitialState, LogPosition } from './types.ts';

/** Type, term, index and the two length prefixes of an encoded entry take at most this much in practice. */
const ENTRY_OVERHEAD_BYTES = 24;

/** What an entry takes in memory beside its payload: measured, with Node 24. */
const ENTRY_MEMORY_BYTES = 400;

/** What an entry adds to a message, near enough for limits. */
export function entrySize(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/**
 * The log as a window in memory: everything after `snapshot`, which stands for the rest.
 *
 * Invariants:
 *   snapshot.index <= committed <= lastIndex
 *   applied <= offeredToApply <= committed, and offeredToApply <= durable
 *   durable <= offeredToPersist <= lastIndex
 *   snapshot.index <= applied, except while a snapshot from the leader waits to be installed
 */
export class RaftLog {
  #snapshot: LogPosition;
  /** #entries[i].index === #snapshot.index + 1 + i, terms never decrease. */
  #entries: Entry[];
  #bytes = 0;
  #committed: number;
  /** A commit index that is known after a crash, if no higher one is. */
  #durableCommit: number;
  /** The last change of the members that came to be committed while this log is in memory; 0 if none did. */
  #committedChange = 0;
  #applied: number;
  #offeredToApply: number;
  #offeredToPersist: number;
  #durable: number;
  /** Payload offered for apply and not applied. */
  #applyingBytes = 0;
  /** Whether the window starts with a snapshot that the state machine does not have yet. */
  #awaitsSnapshot = false;

  constructor(initial: InitialState) {
    const { snapshot, entries, hardState, applied } = initial;
    this.#snapshot = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
    this.#committed = snapshot.index;
    this.#applied = applied;
    this.#offeredToApply = applied;
    this.#offeredToPersist = snapshot.index;
    this.#durable = snapshot.index;
    this.#push(entries);
    this.#offeredToPersist = this.lastIndex;
    this.#durable = this.lastIndex;
    // The hard state's commit index is not synced by itself, so a snapshot or the state machine can be ahead of it.
    this.#committed = Math.max(hardState.commit, snapshot.index, applied);
    this.#durableCommit = this.#committed;
    assert(this.#committed <= this.lastIndex, 'the log ends before the commit index', {
      commit: this.#committed,
      lastIndex: this.lastIndex,
    });
    assert(snapshot.index <= applied, 'the state machine is behind the log', { applied, snapshot: snapshot.index });
  }

  get snapshot(): LogPosition {
    return this.#snapshot;
  }

  /** The first index in the window, whether or not there is an entry. */
  get firstIndex(): number {
    return this.#snapshot.index + 1;
  }

  get lastIndex(): number {
    return this.#snapshot.index + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#snapshot.term;
  }

  get committed(): number {
    return this.#committed;
  }

  get committedChange(): number {
    return this.#committedChange;
  }

  /**
   * A change of the members is committed, and it might not be known after a crash that it is. Until then nobody acts on it,
   * here or elsewhere: a member that was removed goes away, and its vote may be what it takes to find out once more.
   */
  get hidesChange(): boolean {
    return this.#committedChange > this.#durableCommit;
  }

  get applied(): number {
    return this.#applied;
  }

  /** Everything up to here is on stable storage. */
  get durable(): number {
    return this.#durable;
  }

  get offeredToPersist(): number {
    return this.#offeredToPersist;
  }

  get awaitsSnapshot(): boolean {
    return this.#awaitsSnapshot;
  }

  /** Payload of the window. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What the window takes in memory, about. */
  get memoryBytes(): number {
    return this.#bytes + this.#entries.length * ENTRY_MEMORY_BYTES;
  }

  /** Undefined before the window (other than the snapshot's own index) and after the last entry. */
  termAt(index: number): number | undefined {
    if (index === this.#snapshot.index) return this.#snapshot.term;
    return this.#entries[index - this.firstIndex]?.term;
  }

  holds(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  /** Whether a log that ends at (index, term) has everything this one could have committed (paper §5.4.1). */
  isUpToDate(index: number, term: number): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);
  }

  /** Entries from `from` up to `to`, as many as fit in `bytesMax` but at least one. `from` is in the window. */
  slice(from: number, to: number, bytesMax: number): Entry[] {
    assert(from >= this.firstIndex && to <= this.lastIndex, 'slice outside of the log', {
      from,
      to,
      firstIndex: this.firstIndex,
      lastIndex: this.lastIndex,
    });
    const start = from - this.firstIndex;
    const stop = to + 1 - this.firstIndex;
    let size = 0;
    let end = start;
    while (end < stop) {
      size += entrySize(this.#entries[end] as Entry);
      if (size > bytesMax && end > start) break;
      end++;
    }
    return this.#entries.slice(start, end);
  }

  /** Adds a leader's own entries after the last one. */
  append(entries: readonly Entry[]): void {
    this.#push(entries);
  }

  /**
   * A follower's append (paper §5.3): if this log holds `previous`, takes over `entries`, dropping what conflicts with
   * them, and returns the index of the last entry now known to be the leader's. Undefined if it does not hold `previous`.
   */
  merge(previous: LogPosition, entries: readonly Entry[]): number | undefined {
    if (!this.holds(previous.index, previous.term)) return undefined;
    let known = 0;
    while (known < entries.length) {
      const entry = entries[known] as Entry;
      if (!this.holds(entry.index, entry.term)) break;
      known++;
    }
    if (known < entries.length) {
      const fresh = entries.slice(known);
      this.#truncateFrom(must(fresh[0], 'first entry').index);
      this.#push(fresh);
    }
    return previous.index + entries.length;
  }

  /**
   * The highest index up to `index` whose term is not above `term`: where two logs of which one holds (index, term) can
   * agree at best. The term is undefined when it lies before the window.
   */
  highestNotAbove(index: number, term: number): { index: number; term: number | undefined } {
    let at = Math.min(index, this.lastIndex);
    for (;;) {
      const own = this.termAt(at);
      if (own === undefined || own <= term) return { index: at, term: own };
      at--;
    }
  }

  commitTo(index: number): boolean {
    if (index <= this.#committed) return false;
    assert(index <= this.lastIndex, 'commit beyond the end of the log: was it truncated or lost?', {
      commit: index,
      lastIndex: this.lastIndex,
    });
    for (let at = this.#committed + 1; at <= index; at++) {
      if (isConfChangeEntry(must(this.#entries[at - this.firstIndex], 'committed entry'))) this.#committedChange = at;
    }
    this.#committed = index;
    return true;
  }

  /** Entries and snapshot not offered for persisting before. */
  takeUnpersisted(): Entry[] {
    const from = Math.max(this.#offeredToPersist, this.#snapshot.index) + 1;
    this.#offeredToPersist = this.lastIndex;
    return from > this.lastIndex ? [] : this.#entries.slice(from - this.firstIndex);
  }

  get hasUnpersisted(): boolean {
    return this.#offeredToPersist < this.lastIndex;
  }

  /** `index` is durable, given that what was offered after it may not be. */
  setDurable(index: number): void {
    if (index < this.#snapshot.index) return; // of a log that a snapshot is about to replace
    this.#durable = Math.min(index, this.#offeredToPersist);
  }

  setDurableCommit(index: number): void {
    this.#durableCommit = Math.max(this.#durableCommit, index);
  }

  /** The next entries to apply, in the limit of `bytesMax` for these and of `applyingBytesMax` for all not yet applied. */
  takeCommitted(bytesMax: number, applyingBytesMax: number): Entry[] {
    if (!this.hasCommitted(applyingBytesMax)) return [];
    const room = Math.max(1, Math.min(bytesMax, applyingBytesMax - this.#applyingBytes));
    const entries = this.slice(this.#offeredToApply + 1, this.#appliable(), room);
    this.#offeredToApply += entries.length;
    for (const entry of entries) this.#applyingBytes += entrySize(entry);
    return entries;
  }

  hasCommitted(applyingBytesMax: number): boolean {
    return this.#offeredToApply < this.#appliable() && this.#applyingBytes < applyingBytesMax;
  }

  /** Entries that are committed, and whose effect this member does not have yet. */
  committedUnapplied(): readonly Entry[] {
    const from = Math.max(this.#applied, this.#snapshot.index) + 1;
    return this.#entries.slice(from - this.firstIndex, this.#committed + 1 - this.firstIndex);
  }

  setApplied(index: number): void {
    assert(index >= this.#applied && index <= this.#offeredToApply, 'applied what was not offered', {
      index,
      applied: this.#applied,
      offered: this.#offeredToApply,
    });
    // While a snapshot waits to be installed, the entries being applied are gone from the window.
    for (let at = this.#applied + 1; at <= index && !this.#awaitsSnapshot; at++) {
      this.#applyingBytes -= entrySize(must(this.#entries[at - this.firstIndex], 'applied entry'));
    }
    this.#applied = index;
  }

  /** Drops the entries up to `index` from memory; they must be applied. Followers that need them get a snapshot. */
  compactTo(index: number): void {
    if (index <= this.#snapshot.index) return;
    assert(index <= this.#applied, 'compaction beyond the applied index', { index, applied: this.#applied });
    const term = must(this.termAt(index), 'term at the compaction index');
    const dropped = index - this.#snapshot.index;
    for (let i = 0; i < dropped; i++) this.#bytes -= (this.#entries[i] as Entry).data.length;
    this.#entries = this.#entries.slice(dropped);
    this.#snapshot = { index, term };
  }

  /** Starts over from a leader's snapshot. Nothing is applied until it is installed. */
  restore(snapshot: LogPosition): void {
    assert(snapshot.index > this.#committed, 'snapshot behind the commit index', {
      snapshot: snapshot.index,
      commit: this.#committed,
    });
    this.#snapshot = snapshot;
    this.#entries = [];
    this.#bytes = 0;
    this.#committed = snapshot.index;
    this.#offeredToPersist = snapshot.index - 1;
    this.#durable = Math.min(this.#durable, snapshot.index - 1);
    this.#awaitsSnapshot = true;
  }

  /** The state machine now holds the snapshot at `index`. */
  snapshotInstalled(index: number): void {
    assert(this.#awaitsSnapshot && index >= this.#applied && index <= this.#snapshot.index, 'no such snapshot', {
      index,
      applied: this.#applied,
      snapshot: this.#snapshot.index,
    });
    this.#applied = index;
    this.#offeredToApply = Math.max(this.#offeredToApply, index);
    if (index < this.#snapshot.index) return; // the leader has sent a newer one meanwhile
    assert(index <= this.#durable, 'snapshot installed before it was durable', { index, durable: this.#durable });
    this.#awaitsSnapshot = false;
    this.#applyingBytes = 0;
  }

  #appliable(): number {
    if (this.#awaitsSnapshot) return 0;
    return Math.min(this.#committed, this.#durable, this.hidesChange ? this.#durableCommit : Infinity);
  }

  #push(entries: readonly Entry[]): void {
    let index = this.lastIndex;
    let term = this.lastTerm;
    for (const entry of entries) {
      assert(entry.index === index + 1 && entry.term >= term, 'entry does not follow the log', {
        index: entry.index,
        term: entry.term,
        lastIndex: index,
        lastTerm: term,
      });
      this.#entries.push(entry);
      this.#bytes += entry.data.length;
      index = entry.index;
      term = entry.term;
    }
  }

  #truncateFrom(index: number): void {
    assert(index > this.#committed, 'a committed entry conflicts with the leader', {
      index,
      committed: this.#committed,
    });
    const kept = index - this.firstIndex;
    for (let i = kept; i < this.#entries.length; i++) this.#bytes -= (this.#entries[i] as Entry).data.length;
    this.#entries.length = Math.min(kept, this.#entries.length);
    this.#offeredToPersist = Math.min(this.#offeredToPersist, index - 1);
    this.#durable = Math.min(this.#durable, index - 1);
  }
}
