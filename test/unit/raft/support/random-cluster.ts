/**
 * A cluster under a random schedule: messages are delayed, reordered, duplicated and lost, disks lag, members crash and
 * lose what was not synced. Checks Raft's safety properties (paper figure 3) on every step.
 */
import { assert, must } from '../../../../src/base/assert.ts';
import { getUint64BE, putUint64BE, toHex } from '../../../../src/base/bytes.ts';
import { SeededRandom } from '../../../../src/base/random.ts';
import {
  ConfChangeTransition,
  ConfChangeType,
  MessageType,
  decodeMessage,
  encodeMessage,
} from '../../../../src/gen/raftpb.ts';
import { EMPTY } from '../../../../src/base/bytes.ts';
import type { ConfChangeV2, Entry, Message, Ready } from '../../../../src/raft/types.ts';
import { Member, confState, emptyDisk } from './member.ts';

export interface Scenario {
  readonly seed: number;
  readonly voters: number;
  /** Members that the configuration does not hold at first. */
  readonly spares: number;
  readonly steps: number;
  /** Configuration changes happen. */
  readonly reconfigure: boolean;
}

const BYTES_PER_MESSAGE_MAX = 200;
/** A flood of retransmissions drives the oldest messages out, as a real network would. */
const WIRE_MAX = 400;

export class RandomCluster {
  readonly #scenario: Scenario;
  readonly #random: SeededRandom;
  readonly #members: Member[] = [];
  /** What is under way. */
  #wire: Message[] = [];
  /** Members that get and send nothing. */
  #cutOff = new Set<bigint>();
  #nextValue = 1;
  #nextRead = 1;

  readonly #leaders = new Map<number, bigint>();
  /** Every entry ever in any log, and the term of the one before it. */
  readonly #entries = new Map<string, string>();
  /** By index: the entry committed there, and the term in which that was first known. */
  readonly #committed: { term: number; knownIn: number }[] = [{ term: 0, knownIn: 0 }];
  readonly #hashes = new Map<number, number>();
  readonly #confStates = new Map<number, string>();
  /** By read id: the highest index known to be committed when it was asked for. */
  readonly #reads = new Map<number, number>();
  readonly #watermarks = new Map<bigint, { raft: unknown; term: number; committed: number; applied: number }>();
  /** How often each thing worth testing happened. */
  readonly counts = {
    leaders: 0,
    commits: 0,
    crashes: 0,
    snapshots: 0,
    reads: 0,
    readAnswers: 0,
    confChanges: 0,
    jointEntered: 0,
    transfers: 0,
    overwrites: 0,
  };

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#random = new SeededRandom(scenario.seed);
    const voters = Array.from({ length: scenario.voters }, (_, i) => BigInt(i + 1));
    for (let i = 1; i <= scenario.voters + scenario.spares; i++) {
      const tuning = {
        random: new SeededRandom(scenario.seed * 31 + i),
        electionTicks: 6,
        preVote: scenario.seed % 4 !== 1,
        checkQuorum: scenario.seed % 4 !== 2,
        maxSizePerMessageBytes: BYTES_PER_MESSAGE_MAX,
        inflightMessagesMax: 4,
        inflightBytesMax: scenario.seed % 2 === 0 ? 0 : 100,
        uncommittedBytesMax: 400,
      };
      const hooks = {
        onReady: (member: Member, ready: Ready) => this.#onReady(member, ready),
        onApply: (member: Member, entry: Entry) => this.#onApply(member, entry),
      };
      this.#members.push(new Member(BigInt(i), emptyDisk(confState(voters)), tuning, hooks));
    }
  }

  /** Throws with the seed if a property breaks. */
  run(): void {
    try {
      for (let i = 0; i < this.#scenario.steps; i++) {
        this.#act();
        this.#check();
      }
      this.#heal();
    } catch (error) {
      throw new Error(`${JSON.stringify(this.#scenario)}: ${String(error)}`, { cause: error });
    }
  }

  #act(): void {
    const member = this.#pick(this.#members);
    const dice = this.#random.below(1000);
    if (dice < 500) this.#deliver();
    else if (dice < 600) member.raft.tick();
    else if (dice < 760) this.#sync(member);
    else if (dice < 880) member.apply(this.#random.below(6));
    else if (dice < 930) this.#propose(this.#leaderOr(member));
    else if (dice < 950) this.#read(member);
    else if (dice < 970) this.#compact(member);
    else if (dice < 985) this.#changeConfiguration(this.#leaderOr(member));
    else if (dice < 988) member.raft.reportUnreachable(this.#pick(this.#members).id);
    else if (this.#random.below(3) > this.#scenario.seed % 3) return;
    else if (dice < 991) this.#transfer(this.#leaderOr(member));
    else if (dice < 995) this.#repartition();
    else this.#crash(member);
    this.#collect(member);
  }

  #deliver(): void {
    if (this.#wire.length === 0) return;
    const at = this.#random.below(this.#wire.length);
    const message = this.#wire[at] as Message;
    const dice = this.#random.below(100);
    if (dice >= 5) {
      this.#wire[at] = this.#wire.at(-1) as Message;
      this.#wire.pop();
    }
    if (dice >= 95 || this.#cutOff.has(message.to) !== this.#cutOff.has(message.from)) {
      this.#reportLoss(message);
      return;
    }
    const to = this.#member(message.to);
    to.raft.step(decodeMessage(encodeMessage(message)));
    this.#collect(to);
    if (message.type === MessageType.MsgSnap) this.#member(message.from).raft.reportSnapshot(message.to, true);
  }

  #reportLoss(message: Message): void {
    const { raft } = this.#member(message.from);
    if (message.type === MessageType.MsgSnap) raft.reportSnapshot(message.to, false);
    else if (this.#random.below(4) === 0) raft.reportUnreachable(message.to);
  }

  /** Puts what `member` sent on the wire. */
  #collect(member: Member): void {
    member.takeReadys();
    this.#wire.push(...member.outbox);
    member.outbox = [];
    while (this.#wire.length > WIRE_MAX) this.#reportLoss(must(this.#wire.shift(), 'oldest message'));
    this.#collectReads(member);
  }

  #collectReads(member: Member): void {
    for (const { index, context } of member.readStates) {
      const asked = must(this.#reads.get(getUint64BE(context, 0)), 'read');
      assert(index >= asked, 'a read would miss a committed entry', { index, asked });
      this.counts.readAnswers++;
    }
    member.readStates = [];
  }

  #sync(member: Member): void {
    member.sync(this.#random.below(member.unsynced.length + 1));
  }

  #propose(member: Member): void {
    const count = 1 + this.#random.below(3);
    member.raft.propose(
      Array.from({ length: count }, () => {
        const data = new Uint8Array(8 + this.#random.below(60));
        putUint64BE(data, 0, this.#nextValue++);
        return data;
      }),
    );
  }

  #read(member: Member): void {
    const context = new Uint8Array(8);
    const id = this.#nextRead++;
    putUint64BE(context, 0, id);
    this.#reads.set(id, this.#committed.length - 1);
    this.counts.reads++;
    member.raft.readIndex(context);
  }

  #crash(member: Member): void {
    member.crash(this.#random.below(member.unsynced.length + 1), this.#random.below(3));
    this.counts.crashes++;
  }

  #compact(member: Member): void {
    if (member.unapplied.length === 0) member.compact(member.raft.appliedIndex - this.#random.below(5));
  }

  #repartition(): void {
    this.#cutOff = new Set();
    if (this.#random.below(2) === 0) return;
    for (const { id } of this.#members) if (this.#random.below(3) === 0) this.#cutOff.add(id);
  }

  #transfer(member: Member): void {
    if (member.raft.role === 'leader') this.counts.transfers++;
    member.raft.transferLeader(this.#pick(this.#members).id);
  }

  #changeConfiguration(member: Member): void {
    if (!this.#scenario.reconfigure) return;
    const { ConfChangeAddNode, ConfChangeAddLearnerNode, ConfChangeRemoveNode } = ConfChangeType;
    const single = () => ({
      type: this.#pick([ConfChangeAddNode, ConfChangeAddNode, ConfChangeAddLearnerNode, ConfChangeRemoveNode]),
      nodeId: this.#pick(this.#members).id,
    });
    const changes = Array.from({ length: this.#random.below(4) }, single);
    const change: ConfChangeV2 = {
      transition: this.#pick(Object.values(ConfChangeTransition)),
      changes,
      context: EMPTY,
    };
    if (changes.length === 0) change.transition = ConfChangeTransition.ConfChangeTransitionAuto;
    const v1 = changes.length === 1 && change.transition === 0;
    member.raft.proposeConfChange(v1 ? { id: 0n, ...single(), context: EMPTY } : change);
  }

  /** Everything works again: a leader must emerge, and what it is given must be applied by every member. */
  #heal(): void {
    this.#cutOff = new Set();
    this.#wire = [];
    for (const member of this.#members) member.crash(member.unsynced.length);
    for (let round = 0; round < 400; round++) {
      for (const member of this.#members) {
        member.raft.tick();
        member.settle();
        this.#collect(member);
      }
      this.#deliverAll();
      if (round % 20 === 19 && this.#converged()) return;
    }
    assert(false, 'no progress after healing', {
      members: this.#members.map((m) => `${m.id}:${m.raft.role}@${m.raft.term}/${m.raft.appliedIndex}`).join(' '),
    });
  }

  #deliverAll(): void {
    for (let i = 0; i < 20 && this.#wire.length > 0; i++) {
      const batch = this.#wire;
      this.#wire = [];
      for (const message of batch) {
        const to = this.#member(message.to);
        to.raft.step(message);
        to.settle();
        this.#collect(to);
        if (message.type === MessageType.MsgSnap) this.#member(message.from).raft.reportSnapshot(message.to, true);
      }
      this.#check();
    }
  }

  /** Proposes; true once all members of the leader's configuration have applied an entry proposed before. */
  #converged(): boolean {
    const leader = this.#members.find(({ raft }) => raft.role === 'leader');
    if (leader === undefined) return false;
    const conf = leader.raft.confState();
    const present = new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners]);
    const target = leader.raft.committed;
    const proposedBefore = this.#nextValue;
    this.#propose(leader);
    leader.settle();
    this.#collect(leader);
    this.#deliverAll();
    this.#deliverAll();
    return (
      this.#nextValue > proposedBefore &&
      leader.raft.committed > target &&
      this.#members.every(({ id, raft }) => !present.has(id) || raft.appliedIndex > target)
    );
  }

  #onReady(member: Member, ready: Ready): void {
    const { raft } = member;
    if (ready.snapshot !== undefined) this.counts.snapshots++;
    const first = ready.entries[0];
    if (first !== undefined && member.disk.snapshot.index + member.disk.entries.length >= first.index) {
      this.counts.overwrites++;
    }
    // Log matching: an entry's index and term determine it and the one before it, and so all before it.
    for (const entry of ready.entries) {
      const key = `${entry.index}/${entry.term}`;
      const content = `${raft.termAt(entry.index - 1) ?? '?'} ${entry.type} ${toHex(entry.data)}`;
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, content);
      else assert(known === content, 'log matching broken', { key, known, content });
    }
  }

  #onApply(member: Member, entry: Entry): void {
    // State machine safety: equal hashes at every index.
    const hash = this.#hashes.get(entry.index);
    if (hash === undefined) this.#hashes.set(entry.index, member.appliedHash);
    else assert(hash === member.appliedHash, 'state machine safety broken', { id: member.id, index: entry.index });
    if (entry.type === 0) return;
    const conf = JSON.stringify(member.raft.confState(), (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v));
    const known = this.#confStates.get(entry.index);
    if (known === undefined) {
      this.#confStates.set(entry.index, conf);
      this.counts.confChanges++;
      if (member.raft.confState().votersOutgoing.length > 0) this.counts.jointEntered++;
    } else assert(known === conf, 'configurations differ', { index: entry.index, known, conf });
  }

  #check(): void {
    for (const member of this.#members) {
      this.#checkMonotonic(member);
      if (member.raft.role === 'leader') this.#checkLeader(member);
    }
    for (const { raft } of this.#members) this.#noteCommitted(raft.committed, raft);
  }

  #checkMonotonic({ id, raft }: Member): void {
    const now = { raft, term: raft.term, committed: raft.committed, applied: raft.appliedIndex };
    const before = this.#watermarks.get(id);
    if (before?.raft === raft) {
      assert(now.term >= before.term, 'the term went back', { id, ...now });
      assert(now.committed >= before.committed, 'the commit index went back', { id, ...now });
      assert(now.applied >= before.applied, 'the applied index went back', { id, ...now });
    }
    this.#watermarks.set(id, now);
  }

  #checkLeader({ id, raft }: Member): void {
    const known = this.#leaders.get(raft.term);
    if (known !== undefined) {
      assert(known === id, 'two leaders in one term', { term: raft.term, known, id });
      return;
    }
    this.#leaders.set(raft.term, id);
    this.counts.leaders++;
    // Leader completeness: it holds all that was committed in earlier terms.
    for (let index = raft.firstIndex; index < this.#committed.length; index++) {
      const { term, knownIn } = this.#committed[index] as { term: number; knownIn: number };
      if (knownIn >= raft.term) continue;
      assert(raft.termAt(index) === term, 'leader completeness broken', { id, leaderTerm: raft.term, index, term });
    }
  }

  #noteCommitted(upTo: number, raft: Member['raft']): void {
    for (let index = this.#committed.length; index <= upTo; index++) {
      // An entry is first seen as committed by a leader, whose log holds it.
      this.#committed.push({ term: must(raft.termAt(index), 'term of a committed entry'), knownIn: raft.term });
      this.counts.commits++;
    }
  }

  #leaderOr(member: Member): Member {
    return this.#members.find(({ raft }) => raft.role === 'leader') ?? member;
  }

  #member(id: bigint): Member {
    return must(this.#members[Number(id) - 1], 'member');
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#random.below(items.length)] as T;
  }
}
