import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quorateCommand } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdToolPath } from '../support/real-etcd.ts';
import { type Command, type ServerKind, ServerProcess } from '../support/server-process.ts';
import { WallClock } from './machine/wall-clock.ts';
import { SmallVolume } from './machine/small-volume.ts';
import { type Address, CLEAR, CLIENTS, type LinkCondition, type Network } from './network/network.ts';

export interface ClusterOptions {
  readonly kind: ServerKind;
  readonly members: number;
  readonly network: Network;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  /** Logs go here, a file for each member. */
  readonly directory: string;
  readonly flags?: readonly string[];
  /** The first member's data is on a volume that can be filled, where one can be had. */
  readonly smallVolume?: boolean;
}

/** How long a member may take until it serves: it does not while there is no leader. */
const READY_MS = 120_000;
const QUESTION_MS = 800;

export class Member {
  readonly name: string;
  readonly address: Address;
  readonly dataDir: string;
  /** On which the data lies, if it is one that can be filled. */
  readonly volume: SmallVolume | undefined;
  readonly clock: WallClock;
  /** Past the links: for the test's own questions. */
  readonly client: RawClient;
  server: ServerProcess | undefined;
  id = 0n;
  /** SIGSTOP was sent and SIGCONT was not. */
  paused = false;

  constructor(name: string, address: Address, dataDir: string, volume: SmallVolume | undefined) {
    this.name = name;
    this.address = address;
    this.dataDir = dataDir;
    this.volume = volume;
    this.clock = new WallClock(`${dataDir}-clock`);
    this.client = new RawClient(address.directEndpoint);
  }

  get running(): boolean {
    return this.server?.running === true;
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.server?.stop();
    this.volume?.remove();
  }
}

/** Members as processes, with links between them that a test controls. */
export class FaultCluster {
  readonly options: ClusterOptions;
  readonly members: Member[] = [];
  readonly #root: string;
  #names = 0;

  private constructor(options: ClusterOptions, root: string) {
    this.options = options;
    this.#root = root;
  }

  static async start(options: ClusterOptions): Promise<FaultCluster> {
    const cluster = new FaultCluster(options, await mkdtemp(join(tmpdir(), 'quorate-faults-data-')));
    try {
      for (let i = 0; i < options.members; i++) cluster.members.push(await cluster.prepare());
      await Promise.all(cluster.members.map((member) => cluster.launch(member, 'new')));
      await cluster.leader();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get network(): Network {
    return this.options.network;
  }

  get running(): Member[] {
    return this.members.filter(({ running }) => running);
  }

  /** A member that nobody knows of yet. */
  async prepare(): Promise<Member> {
    const name = `m${++this.#names}`;
    const lookup = (): number | undefined => this.members.find((member) => member.name === name)?.server?.pid;
    const address = await this.network.place(name, lookup);
    const dataDir = join(this.#root, name);
    const volume = this.options.smallVolume === true && this.#names === 1 ? SmallVolume.mount(dataDir) : undefined;
    return new Member(name, address, volume === undefined ? dataDir : join(dataDir, 'data'), volume);
  }

  /** Starts a member for the first time; resolves when it serves. */
  async launch(member: Member, state: 'new' | 'existing'): Promise<void> {
    const { kind, heartbeatMs, electionMs, flags = [], directory } = this.options;
    const { listenPeerUrl, peerUrl, listenClientUrl } = member.address;
    const initial = this.members.map(({ name, address }) => `${name}=${address.peerUrl}`).join(',');
    const own: Command =
      kind === 'etcd'
        ? { kind, file: etcdToolPath('etcd'), args: ['--logger=zap', '--log-level=info'] }
        : quorateCommand();
    member.server = ServerProcess.prepare(this.network.command(member.name, own), {
      name: member.name,
      dataDir: member.dataDir,
      readyTimeoutMs: READY_MS,
      logPath: join(directory, `${member.name}.log`),
      env: kind === 'quorate' ? member.clock.env : {},
      flags: [
        `--listen-peer-urls=${listenPeerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--listen-client-urls=${listenClientUrl}`,
        `--advertise-client-urls=${listenClientUrl}`,
        `--initial-cluster=${initial}`,
        `--initial-cluster-state=${state}`,
        `--heartbeat-interval=${heartbeatMs}`,
        `--election-timeout=${electionMs}`,
        ...flags,
      ],
    });
    await member.server.restart();
    const { header } = await member.client.status({ timeoutMs: 10_000 });
    member.id = header.member_id;
  }

  /** Resolves when it serves; it must have ended. */
  async restart(member: Member): Promise<void> {
    member.paused = false;
    await member.server?.restart();
  }

  async kill(member: Member): Promise<void> {
    member.paused = false;
    await member.server?.kill();
  }

  pause(member: Member): void {
    member.paused = true;
    member.server?.signal('SIGSTOP');
  }

  resume(member: Member): void {
    member.paused = false;
    member.server?.signal('SIGCONT');
  }

  /** Ends a member for good. */
  async drop(member: Member): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1);
    await member.stop();
    await rm(member.dataDir, { recursive: true, force: true });
  }

  /** Who leads as far as anybody running says, by the highest term; undefined when nobody does. */
  async probablyLeader(): Promise<Member | undefined> {
    const answers = await this.#statuses();
    const best = answers.reduce((a, b) => (b !== undefined && (a === undefined || b.term > a.term) ? b : a), undefined);
    return this.running.find(({ id }) => id === best?.leader);
  }

  /** The member that all running ones take for the leader, and that runs. */
  async leader(timeoutMs = 60_000): Promise<Member> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const answers = await this.#statuses();
      const leader = this.running.find(({ id }) => id === answers[0]?.leader);
      if (leader !== undefined && answers.every((answer) => answer?.leader === leader.id)) return leader;
      if (performance.now() > deadlineMs) {
        throw new Error(`no common leader within ${timeoutMs} ms: ${answers.map((a) => a?.leader).join(' ')}`);
      }
      await sleep(50);
    }
  }

  #statuses(): Promise<({ leader: bigint; term: bigint } | undefined)[]> {
    const questions = this.running.map(({ client }) =>
      client.status({ timeoutMs: QUESTION_MS }).then(
        ({ leader, raftTerm }) => (leader === 0n ? undefined : { leader, term: raftTerm }),
        () => undefined,
      ),
    );
    return Promise.all(questions);
  }

  /** Sets what happens to bytes from any of `from` to any of `to`. */
  link(from: readonly Member[], to: readonly Member[], condition: LinkCondition): void {
    for (const { name } of from) {
      for (const other of to) if (other.name !== name) this.network.set(name, other.name, condition);
    }
  }

  /** All links are as new. */
  heal(): void {
    this.link(this.members, this.members, CLEAR);
    for (const { name } of this.members) {
      this.network.set(CLIENTS, name, CLEAR);
      this.network.set(name, CLIENTS, CLEAR);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    await this.network.close();
    await rm(this.#root, { recursive: true, force: true });
  }
}
