/**
 * What Raft promises (paper, figure 3), held against every member's log from its first write on: log matching, leader
 * completeness, commits by a quorum of those that vote, and that nothing is promised to another member that is not durable.
 */
import { equalBytes } from '../../../src/base/bytes.ts';
import { EntryType, MessageType, type Entry, type Message } from '../../../src/gen/raftpb.ts';
import type { Raft } from '../../../src/raft/raft.ts';
import type { ReferenceCluster } from '../model/reference-cluster.ts';
import type { SimNode, SimProcess } from '../world/sim-node.ts';
import { require } from '../world/violation.ts';
import { DiskLog } from './disk-log.ts';

interface Known {
  readonly type: number;
  readonly data: Uint8Array;
  readonly termBefore: number | undefined;
}

/** What is known of a process. */
interface Followed {
  readonly raft: Raft;
  readonly disk: DiskLog;
  /** Up to where its commits are checked. */
  committed: number;
  /** What it had applied after the event before. */
  applied: number;
  /** Of the last leadership that was checked. */
  ledTerm: number;
}

export class RaftLogs {
  readonly #cluster: ReferenceCluster;
  /** Every entry that was ever in a log, by index and term. */
  readonly #entries = new Map<string, Known>();
  /** The term of the committed entry at each index. */
  readonly #committed: number[] = [0];
  /** The term in which it was committed. */
  readonly #committedIn: number[] = [0];
  readonly #disks = new Map<SimNode, DiskLog>();
  readonly #diskOfMember = new Map<bigint, DiskLog>();
  readonly #followed = new Map<SimProcess, Followed>();
  /** Whom a member has voted for, by member and term. */
  readonly #votes = new Map<string, bigint>();

  constructor(cluster: ReferenceCluster) {
    this.#cluster = cluster;
  }

  /** The process has opened its log; from here on its writes are followed. */
  opened(process: SimProcess): void {
    const member = process.member as NonNullable<SimProcess['member']>;
    const { raft, state } = member;
    const before = this.#disks.get(process.node);
    const disk = new DiskLog(state);
    before?.requireKept(process.name, disk);
    this.#disks.set(process.node, disk);
    this.#diskOfMember.set(state.memberId, disk);
    let termBefore: number | undefined = state.logStart.term;
    for (const entry of state.entries) {
      this.#match(process.name, entry, termBefore);
      termBefore = entry.term;
    }
    const followed = { raft, disk, committed: state.logStart.index, applied: raft.appliedIndex, ledTerm: 0 };
    this.#followed.set(process, followed);
    this.#followCommit(process, followed, false);
    const { log } = state;
    const append = log.append.bind(log);
    log.append = (hardState, entries, mustSync, done) => {
      const full = entries as readonly Entry[];
      this.#appends(process, followed, full);
      const durable = mustSync ? disk.append(hardState, full) : undefined;
      append(hardState, entries, mustSync, (error) => {
        if (error === undefined) durable?.();
        done(error);
      });
    };
  }

  closed(process: SimProcess): void {
    this.#followed.delete(process);
  }

  afterEvent(process: SimProcess): void {
    const followed = this.#followed.get(process);
    if (followed === undefined) return;
    const { raft } = followed;
    if (raft.role === 'leader' && followed.ledTerm !== raft.term) {
      followed.ledTerm = raft.term;
      this.#checkElection(process, raft);
      this.#checkLeader(
        process,
        raft,
        this.#committedIn.findLastIndex((term) => term < raft.term),
      );
    }
    if (raft.committed > followed.committed) this.#followCommit(process, followed, true);
    followed.applied = raft.appliedIndex;
  }

  /** A message leaves the process. */
  sent(process: SimProcess, message: Message): void {
    const followed = this.#followed.get(process);
    if (followed === undefined) return;
    const { raft, disk } = followed;
    const { type, reject, term, index, to, from } = message;
    if (type === MessageType.MsgVote) this.#voted(process, from, term, from);
    if (type === MessageType.MsgVoteResp && !reject) {
      this.#voted(process, from, term, to);
      require(disk.hasVoted(term, to), 'vote not durable', () => `${process.name} votes for ${to} in term ${term}`);
    }
    if (type === MessageType.MsgAppResp && !reject && term === raft.term) {
      require(index <= disk.durableIndex, 'acknowledged, not durable', () => {
        return `${process.name} acknowledges ${index}, and is durable up to ${disk.durableIndex}`;
      });
    }
  }

  #voted({ name }: SimProcess, voter: bigint, term: number, candidate: bigint): void {
    const known = this.#votes.get(`${voter}/${term}`);
    require(known === undefined || known === candidate, 'voted twice', () => {
      return `${name} votes for ${candidate} in term ${term}, and has voted for ${known}`;
    });
    this.#votes.set(`${voter}/${term}`, candidate);
  }

  #appends(process: SimProcess, { raft, disk }: Followed, entries: readonly Entry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    const { name } = process;
    require(first.index <= disk.lastIndex + 1, 'gap in a log', () =>
      `${name} writes entry ${first.index} after ${disk.lastIndex}`);
    for (let index = first.index; index <= disk.lastIndex; index++) {
      const lost = disk.termAt(index);
      const isLost = this.#committed[index] === lost && entries[index - first.index]?.term !== lost;
      require(lost === undefined || !isLost, 'committed entry cut off', () => `${name} replaces entry ${index}`);
    }
    let termBefore = disk.termAt(first.index - 1);
    let lastChange = disk.lastConfChangeBefore(first.index);
    for (const entry of entries) {
      this.#match(name, entry, termBefore);
      termBefore = entry.term;
      if (entry.type === EntryType.EntryNormal) continue;
      const isOwn = raft.role === 'leader' && entry.term === raft.term;
      const before = lastChange;
      require(!isOwn || before <= raft.appliedIndex, 'two changes of the members at once', () => {
        return `${name} proposes one at ${entry.index}, and that at ${before} is not applied`;
      });
      lastChange = entry.index;
    }
  }

  /** Two logs with an entry of the same index and term are the same up to there. */
  #match(name: string, { index, term, type, data }: Entry, termBefore: number | undefined): void {
    const key = `${index}/${term}`;
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { type, data: data.slice(), termBefore });
      return;
    }
    const isSame = known.type === type && equalBytes(known.data, data);
    const fits = known.termBefore === undefined || termBefore === undefined || known.termBefore === termBefore;
    require(isSame && fits, 'log matching', () => `${name} has another entry ${index} of term ${term}, or before it`);
  }

  #checkElection({ name }: SimProcess, { id, term, configuration }: Raft): void {
    const voters = [...configuration.voters];
    const votes = voters.filter((voter) => voter === id || this.#votes.get(`${voter}/${term}`) === id);
    require(configuration.voters.has(id) && 2 * votes.length > voters.length, 'elected without a quorum', () => {
      return `${name} leads in term ${term} with the votes of ${votes.join()} of ${voters.join()}`;
    });
  }

  /** Leader completeness: it has all that was committed in earlier terms. */
  #checkLeader({ name }: SimProcess, raft: Raft, last: number): void {
    require(raft.lastIndex >= last, 'leader completeness', () =>
      `${name} leads with entries up to ${raft.lastIndex}, committed is ${last}`);
    for (let index = raft.firstIndex; index <= last; index++) {
      const committed = this.#committed[index];
      require(committed === undefined || raft.termAt(index) === committed, 'leader completeness', () => {
        return `${name} leads in term ${raft.term} with entry ${index} of term ${raft.termAt(index)}, not ${committed}`;
      });
    }
  }

  #followCommit(process: SimProcess, followed: Followed, byQuorum: boolean): void {
    const { raft, disk } = followed;
    const before = this.#committed.length;
    for (let index = followed.committed + 1; index <= raft.committed; index++) {
      const term = raft.termAt(index) ?? disk.termAt(index);
      // What has come in and was not handed to the log yet is looked at later.
      if (index > disk.lastIndex || term !== disk.termAt(index)) return;
      followed.committed = index;
      const known = this.#committed[index];
      if (term === undefined || known === term) continue;
      require(known === undefined, 'committed twice', () =>
        `${process.name} commits entry ${index} of term ${term}, it was of term ${known}`);
      this.#committed[index] = term;
      this.#committedIn[index] = raft.term;
      if (byQuorum) this.#checkQuorum(process, followed, index, term);
      for (const [other, { raft: leader }] of this.#followed) {
        if (leader.role === 'leader' && leader.term > raft.term && other.alive) this.#checkLeader(other, leader, index);
      }
    }
    const last = this.#committed.length - 1;
    // §5.4.2: what earlier terms left behind is committed by an entry of the leader's own.
    const isOwn = last < before || raft.role !== 'leader' || this.#committed[last] === raft.term;
    require(isOwn || !byQuorum, 'committed by counting', () =>
      `${process.name} commits entry ${last} of term ${this.#committed[last]} in term ${raft.term}`);
  }

  /** By any of the configurations that may have been in force: changes of the members count from when they are applied. */
  #checkQuorum({ name }: SimProcess, { applied }: Followed, index: number, term: number): void {
    const holds = (id: bigint): boolean => this.#diskOfMember.get(id)?.holds(index, term) === true;
    const byQuorum = (at: number): boolean => {
      const voters = this.#cluster.votersAt(at);
      return 2 * voters.filter(holds).length > voters.length;
    };
    let at = Math.min(applied, index - 1);
    while (at < index - 1 && !byQuorum(at)) at++;
    require(byQuorum(at), 'committed without a quorum', () => `${name} commits entry ${index} of term ${term}`);
  }
}
