import { EntryType, type Entry, type HardState } from '../../gen/raftpb.ts';
import type { Snapshot as SnapshotMark } from '../../gen/walpb.ts';

/** Where the kept entries begin. `term` is undefined when no record read so far tells it. */
export interface LogStart {
  readonly index: number;
  readonly term: number | undefined;
}

/** Of the entries that nobody needs for certain, how much is kept. */
export interface KeptWindow {
  /** Entries up to this index may go, the oldest first. It is committed. */
  readonly through: number;
  /** Of the data of all entries that are kept. */
  readonly bytesMax: number;
}

/**
 * Puts the log together from its records, in the order in which they were written:
 * - an entry replaces the one with the same index and everything after it;
 * - a snapshot mark counts once the commit index has reached it (before that, the member may have crashed between writing
 *   the mark and taking over the snapshot);
 * - a mark that is not on the path of the log (a snapshot sent by the leader) replaces the log.
 *
 * Keeps only entries after the start, which is either given or moves up with each mark that counts.
 */
export class LogAssembler {
  readonly marks: SnapshotMark[] = [];
  hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  entries: Entry[] = [];

  /** Whether the start moves up with each mark that counts. */
  readonly #startMoves: boolean;
  /** The start is only where the first file happens to begin, until a mark counts: entries may still replace older ones. */
  #startProvisional: boolean;
  #start: LogStart;
  /** Index of the log's last entry, kept or not, or of the snapshot that replaced it. */
  #last: number;
  /** Marks that the commit index has not reached, in the order in which they were read. */
  #pending: SnapshotMark[] = [];
  readonly #window: KeptWindow | undefined;
  /** Of the entries' data, about. */
  #bytes = 0;

  /**
   * `from`: the given start; undefined: the newest mark that counts. `firstIndex`: from the name of the first file that is
   * read; the log before it went up to the index before, and is not read.
   */
  constructor(from: number | undefined, firstIndex: number, window?: KeptWindow) {
    this.#window = window;
    this.#startMoves = from === undefined;
    this.#startProvisional = from === undefined;
    this.#last = Math.max(firstIndex - 1, 0);
    const index = from ?? this.#last;
    this.#start = { index, term: index === 0 ? 0 : undefined };
  }

  get start(): LogStart {
    return this.#start;
  }

  /** Whether the start is one that a restart can begin from: given, or a mark. */
  get hasStart(): boolean {
    return !this.#startProvisional;
  }

  get lastIndex(): number {
    return this.#last;
  }

  /** Whether addEntry would keep an entry with this index. */
  keeps(index: number): boolean {
    return index > this.#start.index || this.#startProvisional;
  }

  /** Takes an entry that keeps() refused; its data is not needed. Returns what is wrong, if anything. */
  skipEntry(entry: Entry): string | undefined {
    const problem = this.#follow(entry);
    if (problem !== undefined) return problem;
    const { index, term } = entry;
    if (index === this.#start.index) this.#start = { index, term };
    this.#keepFrom(this.entries.length);
    return undefined;
  }

  /** Returns what is wrong, if anything. */
  addEntry(entry: Entry): string | undefined {
    const problem = this.#follow(entry);
    if (problem !== undefined) return problem;
    if (entry.index <= this.#start.index) this.#start = { index: entry.index - 1, term: undefined };
    const at = entry.index - this.#start.index - 1;
    if (at > this.entries.length) {
      return `entry ${entry.index} follows entry ${this.#start.index + this.entries.length}`;
    }
    if (at < this.entries.length) for (const { data } of this.entries.splice(at)) this.#bytes -= data.length;
    this.entries.push(entry);
    this.#bytes += entry.data.length;
    this.#trim();
    return undefined;
  }

  /** Returns what is wrong, if anything. */
  setState(state: HardState): string | undefined {
    const { term, commit } = this.hardState;
    if (state.term < term || state.commit < commit) {
      return `hard state with term ${state.term}, commit index ${state.commit} after term ${term}, commit index ${commit}`;
    }
    this.hardState = state;
    const reached = this.#pending.filter((mark) => mark.index <= state.commit);
    if (reached.length === 0) return undefined;
    this.#pending = this.#pending.filter((mark) => mark.index > state.commit);
    for (const mark of reached) this.#accept(mark);
    return undefined;
  }

  addMark(mark: SnapshotMark): void {
    if (mark.index <= this.hardState.commit) this.#accept(mark);
    else this.#pending.push(mark);
  }

  /**
   * Moves the log's end to the entry. A record's type is not covered by its checksum: what one that was changed would make
   * of a hard state or of a mark is told by numbers that no entry has.
   */
  #follow({ type, term, index }: Entry): string | undefined {
    if (index === 0 || type > EntryType.EntryConfChangeV2 || !Number.isSafeInteger(term)) {
      return `no entry has index ${index}, term ${term} and type ${type}`;
    }
    if (index <= this.hardState.commit) return `entry ${index} comes after commit index ${this.hardState.commit}`;
    // An entry that follows a mark, but not the entry that the log has there, shows that the mark has replaced the log.
    const replacing = this.#pending.findLast((mark) => mark.index === index - 1);
    if (replacing !== undefined && !this.#isOnPath(replacing)) {
      this.#pending = this.#pending.filter((mark) => mark !== replacing);
      this.#accept(replacing);
    }
    if (index > this.#last + 1) return `entry ${index} follows entry ${this.#last}`;
    this.#last = index;
    return undefined;
  }

  #accept(mark: SnapshotMark): void {
    this.marks.push(mark);
    if (!this.#isOnPath(mark)) this.#replaceBy(mark);
    else if (this.#startMoves) this.#dropThrough(mark);
  }

  /** What lies before the start is not kept, and taken to be right: it was committed. */
  #isOnPath(mark: SnapshotMark): boolean {
    if (mark.index > this.#last) return false;
    const term = this.#termAt(mark.index);
    return term === undefined || term === mark.term;
  }

  #replaceBy(mark: SnapshotMark): void {
    this.#last = mark.index;
    if (mark.index < this.#start.index) return;
    this.#keepFrom(this.entries.length);
    this.#start = { index: mark.index, term: mark.term };
    this.#startProvisional = false;
  }

  #dropThrough(mark: SnapshotMark): void {
    const count = mark.index - this.#start.index;
    if (count < 0) return;
    this.#keepFrom(count);
    this.#start = { index: mark.index, term: mark.term };
    this.#startProvisional = false;
  }

  #trim(): void {
    if (this.#window === undefined || this.#bytes <= this.#window.bytesMax) return;
    const { through, bytesMax } = this.#window;
    let bytes = this.#bytes;
    let count = 0;
    let last: Entry | undefined;
    for (const entry of this.entries) {
      if (bytes <= bytesMax || entry.index > through) break;
      bytes -= entry.data.length;
      count++;
      last = entry;
    }
    if (last === undefined) return;
    this.#keepFrom(count);
    this.#start = { index: last.index, term: last.term };
  }

  /** Lets go of the first `count` entries. */
  #keepFrom(count: number): void {
    if (count === 0) return;
    for (const { data } of this.entries.splice(0, count)) this.#bytes -= data.length;
  }

  #termAt(index: number): number | undefined {
    const start = this.#start;
    return index === start.index ? start.term : this.entries[index - start.index - 1]?.term;
  }
}
