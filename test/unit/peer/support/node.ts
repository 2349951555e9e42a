import { setTimeout as sleep } from 'node:timers/promises';
import { Code, EtcdError } from '../../../../src/base/etcd-error.ts';
import { MessageType, type Message } from '../../../../src/gen/raftpb.ts';
import type {
  HashKVResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../../../../src/gen/rpc.ts';
import type { Member } from '../../../../src/membership/member.ts';
import { HttpPeerTransport, type PeerTransportOptions } from '../../../../src/peer/http-peer-transport.ts';
import type { PeerMetrics } from '../../../../src/peer/peer-metrics.ts';
import type { PeerTiming } from '../../../../src/peer/timing.ts';
import { NodeClock } from '../../../../src/platform/node-clock.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import type { PeerHandler, PeerVersions } from '../../../../src/server/peer-transport.ts';
import { newMessage } from '../../../../src/raft/messages.ts';

export const CLUSTER = 0xc1n;

/** So short that a test sees every timeout. */
export const FAST: PeerTiming = {
  dialMs: 500,
  readMs: 300,
  writeMs: 300,
  heartbeatMs: 50,
  redialMs: 10,
  probeMs: 50,
  answerMs: 500,
  snapshotStallMs: 300,
  snapshotAnswerMs: 1000,
  lingerMs: 100,
};

/** For tests in which nothing may be lost, however busy the machine is. */
export const PATIENT: PeerTiming = {
  ...FAST,
  readMs: 10_000,
  writeMs: 10_000,
  snapshotStallMs: 10_000,
  answerMs: 10_000,
};

/** Keeps what it is told. */
export class RecordingHandler implements PeerHandler {
  readonly received: Message[] = [];
  readonly unreachable: bigint[] = [];
  readonly gone: bigint[] = [];
  readonly snapshotReports: { id: bigint; ok: boolean }[] = [];
  readonly removed = new Set<bigint>();
  readonly databases: Uint8Array[] = [];
  removedCalls = 0;
  onProcess: (message: Message) => void = () => {};
  onSnapshot: ((message: Message, database: AsyncIterable<Uint8Array>) => Promise<void>) | undefined;

  process(message: Message): void {
    this.received.push(message);
    this.onProcess(message);
  }

  isRemoved(id: bigint): boolean {
    return this.removed.has(id);
  }

  reportUnreachable(id: bigint): void {
    this.unreachable.push(id);
  }

  reportGone(id: bigint): void {
    this.gone.push(id);
  }

  reportSnapshot(id: bigint, ok: boolean): void {
    this.snapshotReports.push({ id, ok });
  }

  async receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.onSnapshot !== undefined) return this.onSnapshot(message, database);
    const chunks: Uint8Array[] = [];
    for await (const chunk of database) chunks.push(chunk);
    this.databases.push(Buffer.concat(chunks));
    this.process(message);
  }

  removedFromCluster(): void {
    this.removedCalls++;
  }

  members(): readonly Member[] {
    return [];
  }

  versions(): PeerVersions {
    return { server: '3.6.12', cluster: '3.6.0', storage: '3.6.0' };
  }

  promoteMember(_id: bigint, _authorization: string | undefined): Promise<readonly Member[]> {
    return Promise.reject(new EtcdError(Code.Unknown, 'not in this test'));
  }

  hashKv(_revision: number): Promise<HashKVResponse> {
    return Promise.reject(new EtcdError(Code.Unknown, 'not in this test'));
  }

  renewLease(_request: LeaseKeepAliveRequest): Promise<LeaseKeepAliveResponse> {
    return Promise.reject(new EtcdError(Code.Unknown, 'not in this test'));
  }

  leaseTimeToLive(_request: LeaseTimeToLiveRequest): Promise<LeaseTimeToLiveResponse> {
    return Promise.reject(new EtcdError(Code.Unknown, 'not in this test'));
  }

  isDowngradeEnabled(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

/** Counters by name and labels, added up. */
export class CountingMetrics implements PeerMetrics {
  readonly values = new Map<string, number>();
  readonly peerSentBytes = this.#instrument('sentBytes');
  readonly peerReceivedBytes = this.#instrument('receivedBytes');
  readonly peerSentFailures = this.#instrument('sentFailures');
  readonly peerReceivedFailures = this.#instrument('receivedFailures');
  readonly peerRoundTripTime = this.#instrument('roundTrips');
  readonly activePeers = this.#instrument('active');
  readonly knownPeers = this.#instrument('known');
  readonly disconnectedPeers = this.#instrument('disconnected');
  readonly snapshotSend = this.#snapshots('send');
  readonly snapshotReceive = this.#snapshots('receive');

  get(name: string, ...labels: string[]): number {
    return this.values.get([name, ...labels].join(' ')) ?? 0;
  }

  #instrument(name: string) {
    return {
      with: (...labels: string[]) => {
        const key = [name, ...labels].join(' ');
        const add = (by: number): void => void this.values.set(key, (this.values.get(key) ?? 0) + by);
        return {
          inc: (by = 1) => add(by),
          add,
          set: (value: number): void => void this.values.set(key, value),
          observe: () => add(1),
        };
      },
    };
  }

  #snapshots(name: string) {
    return {
      successes: this.#instrument(`${name} successes`),
      failures: this.#instrument(`${name} failures`),
      inflights: this.#instrument(`${name} inflights`),
      duration: this.#instrument(`${name} durations`),
    };
  }
}

export interface NodeOptions {
  readonly id: bigint;
  readonly clusterId?: bigint;
  readonly serverVersion?: string;
  readonly port?: number;
  readonly transport?: Partial<PeerTransportOptions>;
}

const running = new Set<TestNode>();

/** A transport that listens on a port of its own. */
export class TestNode {
  readonly id: bigint;
  readonly handler = new RecordingHandler();
  readonly metrics = new CountingMetrics();
  readonly transport: HttpPeerTransport;

  constructor(options: NodeOptions) {
    const { id, clusterId = CLUSTER, serverVersion = '3.6.12', port = 0 } = options;
    this.id = id;
    this.transport = new HttpPeerTransport({
      self: { id, clusterId, serverVersion, urls: port === 0 ? [] : [`http://127.0.0.1:${port}`] },
      listenUrls: [`http://127.0.0.1:${port}`],
      clock: new NodeClock(),
      logger: silentLogger,
      timing: FAST,
      metrics: this.metrics,
      ...options.transport,
    });
    running.add(this);
  }

  static async start(options: NodeOptions): Promise<TestNode> {
    const node = new TestNode(options);
    await node.transport.listen();
    node.transport.start(node.handler);
    return node;
  }

  get port(): number {
    return this.transport.ports[0] ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    running.delete(this);
    await this.transport.stop();
  }
}

export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((node) => node.stop()));
}

/** Two nodes that know each other, with all four streams up. */
export async function startPair(options: Partial<NodeOptions> = {}): Promise<[TestNode, TestNode]> {
  const a = await TestNode.start({ ...options, id: 0xan });
  const b = await TestNode.start({ ...options, id: 0xbn });
  connect(a, b);
  await settled(a, b);
  return [a, b];
}

export function connect(a: TestNode, b: TestNode): void {
  a.transport.addPeer(b.id, [b.url]);
  b.transport.addPeer(a.id, [a.url]);
}

/** A message of each stream went each way. */
export async function settled(a: TestNode, b: TestNode): Promise<void> {
  await expectSoon(() => a.transport.activeSince(b.id) !== undefined && b.transport.activeSince(a.id) !== undefined);
  await sleep(30);
}

export async function expectSoon(condition: () => boolean, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`);
    await sleep(5);
  }
}

export { sleep };

/** A heartbeat that carries `index` to tell it from others. */
export function heartbeat(from: bigint, to: bigint, commit = 0): Message {
  return { ...newMessage(MessageType.MsgHeartbeat, to), from, term: 1, commit };
}

/** An append of one entry after `index`. */
export function append(from: bigint, to: bigint, index: number, data: Uint8Array, term = 1): Message {
  return {
    ...newMessage(MessageType.MsgApp, to),
    from,
    term,
    logTerm: term,
    index,
    commit: index,
    entries: [{ type: 0, term, index: index + 1, data }],
  };
}
