/** The cluster that transcripts act on: commands in, what happened out, as text. README.md lists the commands. */
import { must } from '../../../src/base/assert.ts';
import { EMPTY } from '../../../src/base/bytes.ts';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { ConfChangeTransition, ConfChangeType, MessageType } from '../../../src/gen/raftpb.ts';
import type { AnyConfChange } from '../../../src/raft/conf-change.ts';
import type { Message, Ready } from '../../../src/raft/types.ts';
import { Member, confState, emptyDisk, type Tuning } from '../../unit/raft/support/member.ts';
import { entryText, messageText, readyText, statusText } from './text.ts';

type Options = Map<string, string>;

interface Command {
  readonly words: readonly string[];
  readonly options: Options;
}

/** Draws the middle: election timeouts are electionTicks * 3 / 2, so transcripts can count ticks. */
const MIDDLE = { below: (bound: number): number => Math.floor(bound / 2), fraction: (): number => 0.5 };

export class Script {
  readonly #members = new Map<bigint, Member>();
  readonly #slow = new Set<bigint>();
  readonly #cutOff = new Set<bigint>();
  #wire: Message[] = [];
  #out: string[] = [];

  /** Runs one line and returns what it printed. */
  run(line: string): string {
    const words = line.trim().split(/\s+/);
    const options: Options = new Map();
    const plain = words.filter((word) => {
      const at = word.indexOf('=');
      if (at > 0) options.set(word.slice(0, at), word.slice(at + 1));
      return at <= 0;
    });
    this.#out = [];
    try {
      this.#dispatch({ words: plain, options });
    } catch (error) {
      this.#print(String(error));
    }
    return this.#out.length === 0 ? 'ok' : this.#out.join('\n');
  }

  #dispatch(command: Command): void {
    const { words } = command;
    const [name, id] = words;
    const handlers: Record<string, () => void> = {
      'add-nodes': () => this.#addNodes(command),
      settle: () => this.#settle(words[1] === 'quiet'),
      ready: () => this.#forEach(words.slice(1), (member) => this.#process(member)),
      deliver: () => this.#deliver(command),
      drop: () => this.#drop(command),
      wire: () => this.#wire.forEach((message) => this.#print(messageText(message))),
      isolate: () => words.slice(1).forEach((word) => this.#cutOff.add(BigInt(word))),
      heal: () => this.#cutOff.clear(),
      'slow-disk': () => void this.#slow.add(this.#member(id).id),
      sync: () => this.#sync(this.#member(id), Number(words[2] ?? Infinity)),
      'fast-disk': () => this.#fastDisk(this.#member(id)),
      status: () => this.#forEach(words.slice(1), (member) => this.#print(statusText(member.raft.status()))),
      log: () => this.#forEach(words.slice(1), (member) => this.#log(member)),
    };
    const handler = handlers[must(name, 'command')];
    if (handler !== undefined) handler();
    else this.#act(command, this.#member(id));
  }

  #act({ words, options }: Command, member: Member): void {
    const { raft } = member;
    const rest = words.slice(2);
    const handlers: Record<string, () => void> = {
      campaign: () => this.#print(raft.campaign() ? 'ok' : 'refused'),
      tick: () => {
        for (let i = 0; i < Number(rest[0] ?? 1); i++) raft.tick();
      },
      propose: () => this.#print(raft.propose(rest.map((text) => utf8Encode(text)))),
      'propose-conf-change': () => this.#print(raft.proposeConfChange(parseConfChange(rest, options))),
      transfer: () => raft.transferLeader(BigInt(must(rest[0], 'target'))),
      'forget-leader': () => raft.forgetLeader(),
      read: () => this.#print(raft.readIndex(utf8Encode(must(rest[0], 'context'))) ? 'ok' : 'dropped'),
      'read-now': () => this.#print(String(raft.readIndexNow())),
      compact: () => member.compact(Number(rest[0])),
      crash: () => this.#crash(member, Number(options.get('keep') ?? 0)),
      'report-unreachable': () => raft.reportUnreachable(BigInt(must(rest[0], 'peer'))),
      'report-snapshot': () => raft.reportSnapshot(BigInt(must(rest[0], 'peer')), rest[1] === 'ok'),
    };
    must(handlers[words[0] ?? ''], `command ${words[0]}`)();
  }

  #addNodes({ words, options }: Command): void {
    const ids = (key: string): bigint[] => (options.get(key) ?? '').split(',').filter(Boolean).map(BigInt);
    const number = (key: string, otherwise: number): number => Number(options.get(key) ?? otherwise);
    const tuning: Tuning = {
      random: MIDDLE,
      electionTicks: number('election', 10),
      preVote: options.get('pre-vote') === 'on',
      checkQuorum: options.get('check-quorum') === 'on',
      maxSizePerMessageBytes: number('message-bytes', 1 << 20),
      inflightMessagesMax: number('inflight', 64),
      inflightBytesMax: number('inflight-bytes', 0),
      uncommittedBytesMax: number('uncommitted-bytes', 0),
    };
    const count = Number(words[1]);
    for (let i = 0; i < count; i++) {
      const id = BigInt(this.#members.size + 1);
      const disk = emptyDisk(confState(ids('voters'), { learners: ids('learners') }));
      this.#members.set(id, new Member(id, disk, tuning, { onReady: (m, ready) => this.#printReady(m, ready) }));
    }
  }

  /** Carries out what the member's Ready asks for; a slow disk only takes note of it. */
  #process(member: Member): boolean {
    let busy = false;
    do {
      busy ||= member.raft.hasReady();
      member.takeReadys();
      if (!this.#slow.has(member.id)) member.sync();
      for (const entry of member.unapplied.slice()) {
        member.apply(1);
        this.#print(`${member.id} applies ${entryText(entry)}`);
      }
    } while (member.raft.hasReady());
    for (const { index, context } of member.readStates) {
      this.#print(`${member.id} may serve read "${new TextDecoder().decode(context)}" at ${index}`);
    }
    member.readStates = [];
    this.#wire.push(...member.outbox);
    member.outbox = [];
    return busy;
  }

  /** Until nobody has anything to do. */
  #settle(quiet: boolean): void {
    for (let round = 0; round < 100; round++) {
      let busy = false;
      for (const member of this.#members.values()) busy = this.#process(member) || busy;
      if (!busy && this.#wire.length === 0) break;
      this.#deliver({ words: [], options: new Map() });
    }
    if (quiet) this.#out = [];
  }

  /** Delivers what is on the wire now, or the part of it that `from`, `to` and `type` select. */
  #deliver({ options }: Command): void {
    for (const message of this.#take(options)) {
      const lost = this.#cutOff.has(message.from) || this.#cutOff.has(message.to);
      const to = this.#members.get(message.to);
      this.#print(`${lost || to === undefined ? 'lost' : 'deliver'} ${messageText(message)}`);
      if (!lost && to !== undefined) to.raft.step(message);
    }
  }

  #drop({ options }: Command): void {
    for (const message of this.#take(options)) this.#print(`drop ${messageText(message)}`);
  }

  #take(options: Options): Message[] {
    const selected = (message: Message): boolean =>
      (!options.has('from') || BigInt(options.get('from') ?? 0) === message.from) &&
      (!options.has('to') || BigInt(options.get('to') ?? 0) === message.to) &&
      (!options.has('type') || MessageType[options.get('type') as keyof typeof MessageType] === message.type);
    const taken = this.#wire.filter(selected);
    this.#wire = this.#wire.filter((message) => !selected(message));
    return taken;
  }

  #sync(member: Member, count: number): void {
    member.sync(Math.min(count, member.unsynced.length));
  }

  #fastDisk(member: Member): void {
    this.#slow.delete(member.id);
    member.sync();
  }

  #crash(member: Member, keep: number): void {
    member.crash(keep);
    this.#print(statusText(member.raft.status()));
  }

  #log({ id, disk, raft }: Member): void {
    this.#print(`${id} log after ${disk.snapshot.index}/${disk.snapshot.term}, committed ${raft.committed}`);
    for (const entry of disk.entries) this.#print(`  ${entryText(entry)}`);
  }

  #printReady(member: Member, ready: Ready): void {
    this.#print(readyText(member.id, ready));
  }

  #forEach(words: readonly string[], action: (member: Member) => void): void {
    const ids = words.length === 0 ? [...this.#members.keys()] : words.map(BigInt);
    for (const id of ids) action(this.#member(String(id)));
  }

  #member(id: string | undefined): Member {
    return must(this.#members.get(BigInt(must(id, 'member id'))), `member ${id}`);
  }

  #print(text: string): void {
    this.#out.push(text);
  }
}

/** `+4` adds a voter, `~4` a learner, `-4` removes, `leave` leaves a joint configuration; `v1` is the older format. */
function parseConfChange(words: readonly string[], options: Options): AnyConfChange {
  const { ConfChangeAddNode, ConfChangeAddLearnerNode, ConfChangeRemoveNode } = ConfChangeType;
  const types: Record<string, number> = {
    '+': ConfChangeAddNode,
    '~': ConfChangeAddLearnerNode,
    '-': ConfChangeRemoveNode,
  };
  const changes = words
    .filter((word) => word !== 'v1' && word !== 'leave')
    .map((word) => ({ type: must(types[word[0] ?? ''], `change ${word}`), nodeId: BigInt(word.slice(1)) }));
  if (words.includes('v1')) return { id: 0n, ...must(changes[0], 'change'), context: EMPTY };
  const transitions: Record<string, number> = {
    auto: ConfChangeTransition.ConfChangeTransitionAuto,
    implicit: ConfChangeTransition.ConfChangeTransitionJointImplicit,
    explicit: ConfChangeTransition.ConfChangeTransitionJointExplicit,
  };
  const transition = must(transitions[options.get('transition') ?? 'auto'], 'transition');
  return { transition, changes, context: EMPTY };
}
