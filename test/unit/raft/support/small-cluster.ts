import { must } from '../../../../src/base/assert.ts';
import { newMessage } from '../../../../src/raft/messages.ts';
import type { Entry, Message } from '../../../../src/raft/types.ts';
import { Member, confState, emptyDisk, type Disk, type Tuning } from './member.ts';

/** Draws the least: the election timeout is exactly electionTicks. */
const LEAST = { below: (): number => 0, fraction: (): number => 0 };

/** Members 1..n, all voters unless `disk` says otherwise, with instant disks and a perfect network to cut at will. */
export class SmallCluster {
  readonly members: Member[];
  readonly cutOff = new Set<bigint>();

  constructor(size: number, tuning: Tuning = {}, disk?: (id: bigint) => Disk) {
    const ids = Array.from({ length: size }, (_, i) => BigInt(i + 1));
    const options = { random: LEAST, preVote: false, checkQuorum: false, ...tuning };
    this.members = ids.map((id) => new Member(id, disk?.(id) ?? emptyDisk(confState(ids)), options));
  }

  member(id: number): Member {
    return must(this.members[id - 1], 'member');
  }

  /** Runs everything until nothing is left to do. */
  settle(): void {
    for (let round = 0; round < 100; round++) {
      for (const member of this.members) member.settle();
      const wire = this.members.flatMap((member) => member.outbox.splice(0));
      if (wire.length === 0) return;
      for (const message of wire) this.#deliver(message);
    }
    throw new Error('the cluster does not come to rest');
  }

  elect(id: number): Member {
    const member = this.member(id);
    member.raft.campaign();
    this.settle();
    return member;
  }

  propose(id: number, ...texts: string[]): void {
    this.member(id).raft.propose(texts.map((text) => new TextEncoder().encode(text)));
    this.settle();
  }

  #deliver(message: Message): void {
    if (this.cutOff.has(message.from) || this.cutOff.has(message.to)) return;
    this.member(Number(message.to)).raft.step(message);
  }
}

/** A message as it would come from the network. */
export function message(type: number, fields: Partial<Message>): Message {
  return { ...newMessage(type, fields.to ?? 1n), ...fields };
}

export function entry(index: number, term: number, text = ''): Entry {
  return { type: 0, index, term, data: new TextEncoder().encode(text) };
}

/** A follower's disk with a log of the given terms, in a group of the voters 1..size. */
export function diskWithLog(terms: readonly number[], fields: { term: number; commit?: number; size?: number }): Disk {
  const voters = Array.from({ length: fields.size ?? 3 }, (_, i) => BigInt(i + 1));
  const disk = emptyDisk(confState(voters));
  disk.hardState = { term: fields.term, vote: 0n, commit: fields.commit ?? 0 };
  disk.entries = terms.map((term, i) => entry(i + 1, term));
  return disk;
}

/** Takes out what the member has sent. */
export function sent(member: Member, type?: number): Message[] {
  const taken = member.outbox.filter((m) => type === undefined || m.type === type);
  member.outbox = member.outbox.filter((m) => !taken.includes(m));
  return taken;
}

/** The terms of the log in memory, by index from firstIndex on. */
export function logTerms({ raft }: Member): (number | undefined)[] {
  const terms = [];
  for (let index = raft.firstIndex; index <= raft.lastIndex; index++) terms.push(raft.termAt(index));
  return terms;
}
