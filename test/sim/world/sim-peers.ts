/**
 * The ports that members talk to each other through, over simulated links. Messages go as bytes, so that members share
 * nothing; a message reaches whoever runs at the other end when it arrives, a process that was started since included.
 */
import { EtcdError } from '../../../src/base/etcd-error.ts';
import type { Random } from '../../../src/base/random.ts';
import { decodeMessage, encodeMessage, MessageType, type Message } from '../../../src/gen/raftpb.ts';
import {
  PeerCallError,
  type PeerCalls,
  type PeerHandler,
  type PeerNetwork,
  type PeerTransport,
  type RoundTrip,
  type SnapshotSource,
} from '../../../src/server/peer-transport.ts';
import type { Mutation } from '../mutations.ts';
import type { Links } from './links.ts';
import type { Marks } from './marks.ts';
import type { Roster } from './roster.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimNode, SimProcess } from './sim-node.ts';

/** Whoever asks another member gives up after this. */
const CALL_PATIENCE_MS = 1000;
/** How soon a sender learns that nobody takes its messages, if it does. */
const NOTICE_MS = 20;
/** One loss in so many is noticed by the sender. */
const NOTICE_EVERY = 3;
/** Between two attempts of a removed member to reach the others. */
const DIAL_MS = 1000;
/** What may come twice does no harm in Raft; a proposal would be made twice, which the transport rules out. */
const ONCE: ReadonlySet<number> = new Set([MessageType.MsgProp, MessageType.MsgSnap]);

export interface PeersHost {
  readonly scheduler: Scheduler;
  readonly marks: Marks;
  readonly links: Links;
  readonly nodes: readonly SimNode[];
  readonly roster: Roster;
  readonly mutation: Mutation | undefined;
  /** A snapshot begins to arrive there. */
  snapshotArrives(node: SimNode): void;
  /** A message leaves the process. */
  sent(process: SimProcess, message: Message): void;
}

/** One process's way to the others. */
export class SimPeers implements PeerNetwork, PeerTransport {
  readonly #host: PeersHost;
  readonly #process: SimProcess;
  readonly #random: Random;
  readonly #monotonicOf: (nowMs: number) => number;
  readonly #peers = new Map<bigint, SimNode>();
  /** Members that this one has not heard of yet: it answers them, no more. */
  readonly #remotes = new Map<bigint, SimNode>();
  #dials = false;
  #handler: PeerHandler | undefined;
  #startedMs = 0;
  /** To whom a snapshot is under way. */
  readonly #sending = new Set<bigint>();

  constructor(host: PeersHost, process: SimProcess, random: Random, monotonicOf: (nowMs: number) => number) {
    this.#host = host;
    this.#process = process;
    this.#random = random;
    this.#monotonicOf = monotonicOf;
  }

  /** What answers the others; undefined while nothing does. */
  get handler(): PeerHandler | undefined {
    return this.#process.alive ? this.#handler : undefined;
  }

  get startedMs(): number {
    return this.#startedMs;
  }

  // ---- PeerNetwork

  transport(): PeerTransport {
    return this;
  }

  calls(): PeerCalls {
    const first = <T>(urls: readonly string[], ask: Ask<T>): Promise<T> =>
      this.#whileAlive(this.#firstAnswer(urls, ask));
    return {
      members: (urls) =>
        first(urls, async (handler, { member }) => {
          if (member === undefined) throw new PeerCallError('nobody there');
          return { clusterId: member.state.clusterId, members: handler.members() };
        }),
      versions: (urls) => first(urls, async (handler) => handler.versions()),
      hashKv: (urls, revision) => first(urls, (handler) => handler.hashKv(revision)),
      promoteMember: (urls, id) => first(urls, (handler) => handler.promoteMember(id, undefined)),
      renewLease: (urls, id) => first(urls, async (handler) => (await handler.renewLease({ ID: id })).TTL),
      leaseTimeToLive: (urls, request) => first(urls, (handler) => handler.leaseTimeToLive(request)),
      isDowngradeEnabled: (urls) => first(urls, (handler) => handler.isDowngradeEnabled()),
      close: () => {},
    };
  }

  // ---- PeerTransport

  listen(): Promise<void> {
    return Promise.resolve();
  }

  start(handler: PeerHandler): void {
    this.#handler = handler;
    this.#startedMs = this.#host.scheduler.nowMs;
    if (this.#host.roster.isRemoved(this.#name)) this.awaitFarewell();
  }

  stop(): Promise<void> {
    this.#handler = undefined;
    return Promise.resolve();
  }

  addPeer(id: bigint, urls: readonly string[]): void {
    const node = this.#nodeOf(urls);
    if (node !== undefined) this.#peers.set(id, node);
  }

  updateSelf(): void {
    // Whoever hears of this member knows where it is.
  }

  updatePeer(id: bigint, urls: readonly string[]): void {
    this.addPeer(id, urls);
  }

  removePeer(id: bigint): void {
    this.#peers.delete(id);
    this.#remotes.delete(id);
  }

  peers(): readonly bigint[] {
    return [...this.#peers.keys()];
  }

  send(messages: readonly Message[]): void {
    const { mutation } = this.#host;
    for (const message of messages) {
      const node = this.#peers.get(message.to) ?? this.#remotes.get(message.to);
      if (node === undefined || !this.#process.alive) continue;
      const sent = mutation?.message?.(message) ?? message;
      this.#host.sent(this.#process, sent);
      this.#carry(node, sent);
    }
  }

  sendSnapshot(message: Message, source: SnapshotSource): void {
    const node = this.#peers.get(message.to);
    const settle = (ok: boolean): void => {
      this.#sending.delete(message.to);
      source.done(ok);
      this.handler?.reportSnapshot(message.to, ok);
    };
    if (node === undefined || this.#sending.has(message.to)) {
      source.done(false);
      this.handler?.reportSnapshot(message.to, false);
      return;
    }
    this.#sending.add(message.to);
    this.#host.marks.hit('snapshotSent');
    this.#carrySnapshot(node, message, source).then(
      () => settle(true),
      () => {
        if (this.#process.alive) settle(false);
      },
    );
  }

  activeSince(id: bigint): number | undefined {
    const node = this.#peers.get(id);
    const other = node?.process?.peers;
    if (node === undefined || other?.handler === undefined || !this.#isConnected(node)) return undefined;
    return this.#monotonicOf(Math.max(this.#startedMs, other.startedMs));
  }

  roundTrip(): RoundTrip | undefined {
    return undefined;
  }

  // ----

  get #name(): string {
    return this.#process.node.name;
  }

  #nodeOf(urls: readonly string[]): SimNode | undefined {
    const names = urls.map((url) => new URL(url).hostname.split('.')[0]);
    return this.#host.nodes.find(({ name }) => names.includes(name));
  }

  #isConnected({ name }: SimNode): boolean {
    const { links } = this.#host;
    return !links.isCut(this.#name, name) && !links.isCut(name, this.#name);
  }

  #carry(node: SimNode, message: Message): void {
    const { scheduler, links } = this.#host;
    const { type, to } = message;
    const kind = type === MessageType.MsgApp ? 'append' : 'other';
    const { machine } = this.#process.node;
    const arrivals = links.arrivals(this.#name, node.name, kind, machine.nowMs, ONCE.has(type));
    if (arrivals.length === 0) return this.#noticeLoss(to);
    const bytes = encodeMessage(message);
    for (const atMs of arrivals) {
      const arrive = (): void => {
        const handler = node.process?.peers.handler;
        if (handler === undefined || node.process === undefined) this.#noticeLoss(to);
        else node.process.peers.#receive(handler, decodeMessage(bytes), this);
      };
      scheduler.at(atMs, 'peer message', arrive, node.machine);
    }
  }

  /** As the real transport: whoever was removed is told so, and a sender that is not known yet can be answered. */
  #receive(handler: PeerHandler, message: Message, sender: SimPeers): void {
    const from = sender.#process.member?.state.memberId ?? message.from;
    if (!this.#peers.has(from)) {
      if (handler.isRemoved(from)) return sender.#hearOfRemoval(this.#process.node);
      this.#remotes.set(from, sender.#process.node);
    }
    handler.process(message);
  }

  #hearOfRemoval(from: SimNode): void {
    const { scheduler, links } = this.#host;
    const atMs = from.machine.nowMs + links.delayMs(from.name, this.#name);
    scheduler.at(
      atMs,
      'farewell',
      () => {
        if (!links.isCut(from.name, this.#name)) this.handler?.removedFromCluster();
      },
      this.#process.node.machine,
    );
  }

  /** This member was removed, whether or not it knows. It goes on dialling its peers, and those that know tell it. */
  awaitFarewell(): void {
    if (this.#dials) return;
    this.#dials = true;
    const dial = (): void => {
      const member = this.#process.member;
      if (!this.#process.alive || member === undefined) return;
      for (const node of this.#peers.values()) {
        const other = node.process?.peers;
        const isHeard = other !== undefined && !this.#host.links.isCut(this.#name, node.name);
        if (isHeard && other.handler?.isRemoved(member.state.memberId) === true) this.#hearOfRemoval(node);
      }
      this.#host.scheduler.after(DIAL_MS, 'dial', dial, this.#process.node.machine);
    };
    this.#host.scheduler.after(DIAL_MS, 'dial', dial, this.#process.node.machine);
  }

  /** Whether anybody who belongs to the cluster could tell it. */
  get knowsMembers(): boolean {
    return [...this.#peers.values()].some(({ name }) => this.#host.roster.isMember(name));
  }

  #noticeLoss(id: bigint): void {
    if (this.#random.below(NOTICE_EVERY) !== 0) return;
    const { scheduler } = this.#host;
    scheduler.after(NOTICE_MS, 'loss noticed', () => this.handler?.reportUnreachable(id), this.#process.node.machine);
  }

  /** Rejects when the snapshot did not arrive, or the sender cannot know. */
  async #carrySnapshot(node: SimNode, message: Message, source: SnapshotSource): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.chunks()) chunks.push(chunk);
    await this.#travel(this.#name, node);
    const receiver = node.process;
    const handler = receiver?.peers.handler;
    if (receiver === undefined || handler === undefined) throw new PeerCallError('nobody there');
    this.#host.snapshotArrives(node);
    const received = this.#received(node, chunks);
    await receiver.unlessDead(handler.receiveSnapshot(decodeMessage(encodeMessage(message)), received));
    await this.#travel(node.name, this.#process.node);
  }

  async *#received(node: SimNode, chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      await this.#travel(this.#name, node);
      yield chunk;
    }
  }

  /** Something goes from one to the other; rejects when it does not arrive. */
  #travel(from: string, to: SimNode): Promise<void> {
    const { scheduler, links } = this.#host;
    return new Promise((resolve, reject) => {
      const arrive = (): void => {
        if (!this.#process.alive || links.isCut(from, to.name)) reject(new PeerCallError('the connection broke'));
        else resolve();
      };
      scheduler.at(this.#process.node.machine.nowMs + links.delayMs(from, to.name), 'peer call', arrive, to.machine);
    });
  }

  /** A dead process waits for ever. */
  #whileAlive<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      work.then(
        (value) => {
          if (this.#process.alive) resolve(value);
        },
        (error: unknown) => {
          if (this.#process.alive) reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  /** Of the first that answers, in the order of the addresses. */
  async #firstAnswer<T>(urls: readonly string[], ask: Ask<T>): Promise<T> {
    for (const url of urls) {
      const node = this.#nodeOf([url]);
      if (node === undefined) continue;
      try {
        return await this.#answerOf(node, ask);
      } catch (error) {
        if (error instanceof EtcdError) throw error;
      }
    }
    throw new PeerCallError('nobody answers');
  }

  #answerOf<T>(node: SimNode, ask: Ask<T>): Promise<T> {
    const { scheduler } = this.#host;
    const answer = async (): Promise<T> => {
      await this.#travel(this.#name, node);
      const process = node.process;
      const handler = process?.peers.handler;
      if (process === undefined || handler === undefined) throw new PeerCallError('nobody there');
      const result = await process.unlessDead(ask(handler, process));
      await this.#travel(node.name, this.#process.node);
      return result;
    };
    const impatient = scheduler.sleep(CALL_PATIENCE_MS, 'peer call given up').then((): never => {
      throw new PeerCallError('no answer');
    });
    return Promise.race([answer(), impatient]);
  }
}

type Ask<T> = (handler: PeerHandler, process: SimProcess) => Promise<T>;
