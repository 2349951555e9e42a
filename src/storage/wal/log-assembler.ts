import type { Entry, HardState } from '../../gen/raftpb.ts';
import type { Snapshot as SnapshotMark } from '../../gen/walpb.ts';

/** Where the kept entries begin. `term` is undefined when no record read so far tells it. */
export interface LogStart {
  readonly index: number;
  readonly term: number | undefined;
}

interface PendingMark {
  readonly mark: SnapshotMark;
  /** Whether the entry right after the mark was read later than the mark. */
  followed: boolean;
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

  /** The given start; undefined: the newest mark that counts. */
  readonly #from: number | undefined;
  #start: LogStart | undefined;
  /** Index of the log's last entry, kept or not, or of the snapshot that replaced it; undefined before any. */
  #last: number | undefined;
  #pending: PendingMark[] = [];

  constructor(from: number | undefined) {
    this.#from = from;
    if (from !== undefined) this.#start = { index: from, term: from === 0 ? 0 : undefined };
  }

  get start(): LogStart {
    return this.#start ?? { index: 0, term: 0 };
  }

  get lastIndex(): number {
    return this.#last ?? 0;
  }

  /** Whether addEntry would keep an entry with this index. */
  keeps(index: number): boolean {
    return this.#start === undefined || index > this.#start.index;
  }

  /** Takes an entry that keeps() refused; its data is not needed. Returns what is wrong, if anything. */
  skipEntry(index: number, term: number): string | undefined {
    const problem = this.#follow(index);
    if (problem !== undefined) return problem;
    if (index === this.start.index) this.#start = { index, term };
    this.entries = [];
    return undefined;
  }

  /** Returns what is wrong, if anything. */
  addEntry(entry: Entry): string | undefined {
    const problem = this.#follow(entry.index);
    if (problem !== undefined) return problem;
    this.#start ??= { index: entry.index - 1, term: undefined };
    const at = entry.index - this.#start.index - 1;
    if (at > this.entries.length) {
      return `entry ${entry.index} follows entry ${this.#start.index + this.entries.length}`;
    }
    if (at < this.entries.length) this.entries.length = at;
    this.entries.push(entry);
    return undefined;
  }

  setState(state: HardState): void {
    this.hardState = state;
    while (this.#pending.length > 0) {
      const next = this.#pending[0] as PendingMark;
      if (next.mark.index > state.commit) break;
      this.#pending.shift();
      this.#accept(next);
    }
  }

  addMark(mark: SnapshotMark): void {
    const pending: PendingMark = { mark, followed: false };
    if (mark.index <= this.hardState.commit) this.#accept(pending);
    else this.#pending.push(pending);
  }

  /** Moves the log's end to `index`; a gap is only right after a mark that replaced the log. */
  #follow(index: number): string | undefined {
    for (const pending of this.#pending) if (index === pending.mark.index + 1) pending.followed = true;
    if (index === 0) return 'entry with index 0';
    if (this.#last !== undefined && index > this.#last + 1) {
      const replacing = this.#pending.find((pending) => pending.mark.index === index - 1);
      if (replacing === undefined) return `entry ${index} follows entry ${this.#last}`;
      this.#replaceBy(replacing.mark);
    }
    this.#last = index;
    return undefined;
  }

  #accept({ mark, followed }: PendingMark): void {
    this.marks.push(mark);
    const start = this.#start;
    if (start !== undefined && mark.index < start.index) return;
    const term = this.#termAt(mark.index);
    const onPath = term === mark.term || (term === undefined && start?.index === mark.index);
    if (!onPath && !followed) this.#replaceBy(mark);
    else if (this.#from === undefined || !onPath) this.#dropThrough(mark);
    if (this.#last === undefined || this.#last < mark.index) this.#last = mark.index;
  }

  #replaceBy(mark: SnapshotMark): void {
    if (this.#start !== undefined && mark.index < this.#start.index) return;
    this.entries = [];
    this.#start = { index: mark.index, term: mark.term };
    this.#last = mark.index;
  }

  #dropThrough(mark: SnapshotMark): void {
    const count = mark.index - (this.#start?.index ?? mark.index);
    if (count > 0) this.entries = this.entries.slice(count);
    this.#start = { index: mark.index, term: mark.term };
  }

  #termAt(index: number): number | undefined {
    const start = this.#start;
    if (start === undefined) return undefined;
    return index === start.index ? start.term : this.entries[index - start.index - 1]?.term;
  }
}
