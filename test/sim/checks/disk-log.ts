/** One member's log as it has been told to the disk, and how much of it the disk has acknowledged. */
import type { MemberState } from '../../../src/embed/member-state.ts';
import { EntryType, type Entry, type HardState } from '../../../src/gen/raftpb.ts';
import { require } from '../world/violation.ts';

interface Write {
  /** It replaces all that was from there on; Infinity: no entries. */
  readonly firstIndex: number;
}

export class DiskLog {
  /** What is at `start` or before is not here any more. */
  readonly #start: number;
  readonly #startTerm: number;
  /** Of the entries after `start`. */
  readonly #terms: number[] = [];
  #confChanges: number[] = [];
  #underWay: Write[] = [];
  #term: number;
  /** Durable votes, by term. */
  readonly #votes = new Map<number, bigint>();

  /** What a process found on its disk. */
  constructor({ logStart, entries, hardState }: Pick<MemberState, 'logStart' | 'entries' | 'hardState'>) {
    this.#start = logStart.index;
    this.#startTerm = logStart.term;
    this.#push(entries);
    this.#term = hardState.term;
    if (hardState.vote !== 0n) this.#votes.set(hardState.term, hardState.vote);
  }

  get lastIndex(): number {
    return this.#start + this.#terms.length;
  }

  /** Everything up to here survives a crash. */
  get durableIndex(): number {
    return Math.min(this.lastIndex, ...this.#underWay.map(({ firstIndex }) => firstIndex - 1));
  }

  termAt(index: number): number | undefined {
    return index === this.#start ? this.#startTerm : this.#terms[index - this.#start - 1];
  }

  holds(index: number, term: number): boolean {
    return index <= this.#start || (index <= this.durableIndex && this.termAt(index) === term);
  }

  /** It cannot vote for another one in that term, whatever happens. */
  hasVoted(term: number, candidate: bigint): boolean {
    return this.#term > term || this.#votes.get(term) === candidate;
  }

  /** The last change of the members before an index; 0 if there is none. */
  lastConfChangeBefore(index: number): number {
    return this.#confChanges.findLast((at) => at < index) ?? 0;
  }

  /** The returned function tells that it is durable. */
  append(hardState: HardState | undefined, entries: readonly Entry[]): () => void {
    const write = { firstIndex: entries[0]?.index ?? Infinity };
    this.#underWay.push(write);
    if (entries.length > 0) {
      this.#terms.length = write.firstIndex - this.#start - 1;
      this.#confChanges = this.#confChanges.filter((index) => index < write.firstIndex);
      this.#push(entries);
    }
    return () => {
      this.#underWay = this.#underWay.filter((other) => other !== write);
      if (hardState === undefined) return;
      this.#term = hardState.term;
      if (hardState.vote !== 0n) this.#votes.set(hardState.term, hardState.vote);
    };
  }

  /** What was durable here must be in what the next process finds. */
  requireKept(name: string, next: DiskLog): void {
    // A snapshot from the leader that this log is in conflict with takes the place of all of it.
    const known = this.termAt(next.#start);
    const end = known === undefined || known === next.#startTerm ? this.durableIndex : 0;
    for (let index = Math.max(this.#start, next.#start) + 1; index <= end; index++) {
      const [was, is] = [this.termAt(index), next.termAt(index)];
      require(was === is, 'durable entry lost', () =>
        `${name} finds entry ${index} of term ${is}, it was of term ${was}`);
    }
    require(next.#term >= this.#term, 'durable term lost', () => `${name} finds term ${next.#term} of ${this.#term}`);
    const [was, is] = [this.#votes.get(next.#term), next.#votes.get(next.#term)];
    require(was === undefined || was === is, 'durable vote lost', () => `${name} finds vote ${is}, it was ${was}`);
  }

  #push(entries: readonly Entry[]): void {
    for (const { index, term, type } of entries) {
      this.#terms.push(term);
      if (type !== EntryType.EntryNormal) this.#confChanges.push(index);
    }
  }
}
