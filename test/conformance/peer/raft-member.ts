/** A member that is only Raft, with its log in memory, behind the real transport: what a real etcd is given as its peer. */
import { createHash } from 'node:crypto';
import { concatBytes } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { decodeRequest, type Request } from '../../../src/gen/etcdserver.ts';
import { decodeInternalRaftRequest, type InternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import {
  ConfChangeType,
  EntryType,
  MessageType,
  decodeConfChange,
  type Entry,
  type Message,
} from '../../../src/gen/raftpb.ts';
import { decodeMember, type Member as ClusterMember } from '../../../src/membership/member.ts';
import { HttpPeerTransport } from '../../../src/peer/http-peer-transport.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { bootstrap } from '../../../src/server/bootstrap.ts';
import type { PeerHandler, PeerVersions, SnapshotSource } from '../../../src/server/peer-transport.ts';
import { confState, emptyDisk, Member, type Disk } from '../../unit/raft/support/member.ts';

const TICK_MS = 100;

export const sha1 = (bytes: Uint8Array): Uint8Array => createHash('sha1').update(bytes).digest();

export interface RaftMemberOptions {
  /** Name and peer URL of every member, this one under `name`. */
  readonly cluster: Readonly<Record<string, string>>;
  readonly name: string;
  readonly listenUrl: string;
  /** Where this member finds the others, where that is not at their peer URLs. */
  readonly dial?: Readonly<Record<string, string>>;
  /** Longer than etcd's, so that it is not this one that stands for election. */
  readonly electionTicks?: number;
  readonly serverVersion?: string;
  /** Joins a cluster that exists, with an empty log, instead of starting one. */
  readonly join?: { readonly id: bigint; readonly clusterId: bigint; readonly members: readonly ClusterMember[] };
}

export interface SnapshotToSend {
  readonly data: Uint8Array;
  readonly source: SnapshotSource;
}

/** What a member begins with. */
interface Beginning {
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly members: readonly ClusterMember[];
  readonly disk: Disk;
}

function beginning({ cluster, name, join }: RaftMemberOptions): Beginning {
  const disk = emptyDisk(confState([]));
  if (join !== undefined) return { ...join, disk };
  const members = Object.entries(cluster).map(([name, url]) => ({ name, peerURLs: [url] }));
  const boot = bootstrap(sha1, members, 'etcd-cluster', name);
  disk.entries.push(...boot.entries);
  disk.hardState = boot.hardState;
  return { id: boot.self.id, clusterId: boot.clusterId, members: boot.members, disk };
}

export class RaftMember implements PeerHandler {
  readonly id: bigint;
  readonly transport: HttpPeerTransport;
  readonly member: Member;
  /** Everything that came in, oldest first. */
  readonly received: Message[] = [];
  readonly applied: Entry[] = [];
  readonly snapshots: { message: Message; database: Uint8Array }[] = [];
  readonly snapshotReports: { id: bigint; ok: boolean }[] = [];
  removedCalls = 0;
  /** Makes the snapshot that a member needs; without, none is sent. */
  onSnapshotDue: ((message: Message) => SnapshotToSend) | undefined;
  readonly #removed = new Set<bigint>();
  #members: readonly ClusterMember[];
  #timer: NodeJS.Timeout | undefined;
  #isSettling = false;

  constructor(options: RaftMemberOptions) {
    const { listenUrl, electionTicks = 40, serverVersion = '3.5.30' } = options;
    const { id, clusterId, members, disk } = beginning(options);
    this.id = id;
    this.#members = members;
    const tuning = { electionTicks, heartbeatTicks: 1, random: new SeededRandom(1), preVote: true, checkQuorum: true };
    const onApply = (_: unknown, entry: Entry): void => this.#apply(entry);
    this.member = new Member(id, disk, tuning, { onApply });
    this.transport = new HttpPeerTransport({
      self: {
        id,
        clusterId,
        serverVersion,
        urls: members.find((member) => member.id === id)?.peerURLs ?? [],
      },
      listenUrls: [listenUrl],
      clock: new NodeClock(),
      logger: silentLogger,
    });
    for (const { id, peerURLs } of members) {
      if (id === this.id) continue;
      this.transport.addPeer(
        id,
        peerURLs.map((url) => options.dial?.[url] ?? url),
      );
    }
  }

  async start(): Promise<void> {
    await this.transport.listen();
    this.transport.start(this);
    this.#timer = setInterval(() => this.do((raft) => raft.tick()), TICK_MS);
    this.do(() => {});
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.transport.stop();
  }

  /** Does something with Raft, and then all that follows from it. */
  do<T>(action: (raft: Member['raft']) => T): T {
    const result = action(this.member.raft);
    if (this.#isSettling) return result;
    this.#isSettling = true;
    this.member.settle();
    const outbox = this.member.outbox.splice(0);
    this.transport.send(outbox.filter(({ type }) => type !== MessageType.MsgSnap));
    for (const message of outbox) if (message.type === MessageType.MsgSnap) this.#sendSnapshot(message);
    this.#isSettling = false;
    return result;
  }

  /** The requests applied so far, decoded. */
  requests(): InternalRaftRequest[] {
    return this.#payloads().flatMap((data) => decoded(data, decodeInternalRaftRequest) ?? []);
  }

  /** What etcd up to 3.5 still writes in the form of its first API: what a member says of itself. */
  legacyRequests(): Request[] {
    const legacy = this.#payloads().filter((data) => decoded(data, decodeInternalRaftRequest) === undefined);
    return legacy.map(decodeRequest);
  }

  #apply(entry: Entry): void {
    this.applied.push(entry);
    if (entry.type !== EntryType.EntryConfChange) return;
    const { context, nodeId, type } = decodeConfChange(entry.data);
    if (type === ConfChangeType.ConfChangeRemoveNode) {
      this.#members = this.#members.filter(({ id }) => id !== nodeId);
      this.#removed.add(nodeId);
      if (nodeId !== this.id) this.transport.removePeer(nodeId);
    }
    const isNew = type === ConfChangeType.ConfChangeAddNode && !this.#members.some(({ id }) => id === nodeId);
    if (!isNew) return;
    const added = decodeMember(context);
    this.#members = [...this.#members, added];
    this.transport.addPeer(nodeId, added.peerURLs);
  }

  #sendSnapshot(message: Message): void {
    const snapshot = this.onSnapshotDue?.(message);
    if (snapshot === undefined) return;
    const metadata = message.snapshot?.metadata;
    this.transport.sendSnapshot({ ...message, snapshot: { data: snapshot.data, metadata } }, snapshot.source);
  }

  #payloads(): Uint8Array[] {
    const normal = this.applied.filter(({ type, data }) => type === EntryType.EntryNormal && data.length > 0);
    return normal.map(({ data }) => data);
  }

  process(message: Message): void {
    this.received.push(message);
    this.do((raft) => raft.step(message));
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  reportUnreachable(id: bigint): void {
    this.member.raft.reportUnreachable(id);
  }

  reportGone(): void {}

  reportSnapshot(id: bigint, ok: boolean): void {
    this.snapshotReports.push({ id, ok });
    this.do((raft) => raft.reportSnapshot(id, ok));
  }

  async receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of database) chunks.push(chunk);
    this.snapshots.push({ message, database: concatBytes(...chunks) });
    this.process(message);
  }

  removedFromCluster(): void {
    this.removedCalls++;
  }

  members(): readonly ClusterMember[] {
    return this.#members;
  }

  versions(): PeerVersions {
    return { server: '3.5.30', cluster: undefined, storage: undefined };
  }

  promoteMember(): Promise<never> {
    return Promise.reject(new Error('not here'));
  }

  hashKv(): Promise<never> {
    return Promise.reject(new Error('not here'));
  }

  renewLease(): Promise<never> {
    return Promise.reject(new Error('not here'));
  }

  leaseTimeToLive(): Promise<never> {
    return Promise.reject(new Error('not here'));
  }

  isDowngradeEnabled(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

function decoded<T>(data: Uint8Array, decode: (data: Uint8Array) => T): T | undefined {
  try {
    return decode(data);
  } catch {
    return undefined;
  }
}
