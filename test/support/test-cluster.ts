import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { startQuorate } from './quorate-process.ts';
import { RawClient } from './raw-client.ts';
import { startEtcd } from './real-etcd.ts';
import type { ServerKind, ServerProcess } from './server-process.ts';
import { text } from './values.ts';

export interface ClusterMember {
  readonly server: ServerProcess;
  readonly client: RawClient;
  readonly name: string;
  readonly peerUrl: string;
  readonly id: bigint;
}

interface Founder {
  readonly kind: ServerKind;
  readonly name: string;
  readonly peerUrl: string;
}

export interface ClusterOptions {
  /** Of the peer URLs; for https, the flags bring the certificates. */
  readonly peerScheme?: 'http' | 'https';
  /** Of each start of a member. */
  readonly readyTimeoutMs?: number;
}

/** Members of one cluster as processes on loopback; each a quorate or a real etcd. */
export class TestCluster {
  readonly members: ClusterMember[] = [];
  readonly #flags: readonly string[];
  readonly #options: ClusterOptions;
  #names = 0;
  #metadata: Readonly<Record<string, string>> = {};

  private constructor(flags: readonly string[], options: ClusterOptions) {
    this.#flags = flags;
    this.#options = options;
  }

  static async start(
    kinds: readonly ServerKind[],
    flags: readonly string[] = [],
    options: ClusterOptions = {},
  ): Promise<TestCluster> {
    const cluster = new TestCluster(flags, options);
    const founders: Founder[] = [];
    for (const kind of kinds) founders.push(await cluster.#founder(kind));
    const initial = initialCluster(founders);
    const started = await Promise.allSettled(founders.map((founder) => cluster.#start(founder, initial, 'new')));
    for (const result of started) if (result.status === 'fulfilled') cluster.members.push(result.value);
    const failed = started.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await cluster.stop();
      throw failed.reason;
    }
    return cluster;
  }

  async stop(): Promise<void> {
    for (const { client } of this.members) client.close();
    await Promise.all(this.members.map(({ server }) => server.stop()));
  }

  /** A peer URL for a member that is yet to be added. */
  async newPeerUrl(): Promise<string> {
    return `${this.#options.peerScheme ?? 'http'}://127.0.0.1:${await freePort()}`;
  }

  /** Starts a member that the cluster was told of already. */
  async join(kind: ServerKind, peerUrl: string): Promise<ClusterMember> {
    const founder: Founder = { kind, name: `m${++this.#names}`, peerUrl };
    const known = this.members.map(({ name, peerUrl: url }) => ({ name, peerUrl: url }));
    const member = await this.#start(founder, initialCluster([...known, founder]), 'existing');
    this.members.push(member);
    return member;
  }

  /** Forgets a member whose process has ended or is to end. */
  async drop(member: ClusterMember): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1);
    member.client.close();
    await member.server.stop();
  }

  /** All clients log in with this token from now on; undefined: with none. */
  useToken(token: string | undefined): void {
    this.#metadata = token === undefined ? {} : { token };
    for (const { client } of this.members) client.metadata = this.#metadata;
  }

  get running(): ClusterMember[] {
    return this.members.filter(({ server }) => server.running);
  }

  /** The member that all running ones take for the leader. */
  async leader(timeoutMs = 15_000): Promise<ClusterMember> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const leaders = await Promise.all(
        this.running.map(({ client }) =>
          client.status({ timeoutMs: 1000 }).then(
            ({ leader }) => leader,
            () => 0n,
          ),
        ),
      );
      const leader = this.running.find(({ id }) => id === leaders[0]);
      if (leader !== undefined && leaders.every((id) => id === leader.id)) return leader;
      if (Date.now() > deadline) throw new Error(`no common leader within ${timeoutMs} ms: ${leaders.join(' ')}`);
      await sleep(50);
    }
  }

  async followers(): Promise<ClusterMember[]> {
    const leader = await this.leader();
    return this.running.filter((member) => member !== leader);
  }

  /** HashKV of every running member at one revision that all have. */
  async hashes(): Promise<number[]> {
    const revisions = await Promise.all(
      this.running.map(async ({ client }) => (await client.range({ key: 'any' })).header.revision),
    );
    const revision = revisions.reduce((a, b) => (a > b ? a : b));
    await Promise.all(this.running.map(({ client }) => atRevision(client, revision)));
    return Promise.all(this.running.map(async ({ client }) => (await client.hashKv(revision)).hash));
  }

  async #founder(kind: ServerKind): Promise<Founder> {
    return { kind, name: `m${++this.#names}`, peerUrl: await this.newPeerUrl() };
  }

  async #start({ kind, name, peerUrl }: Founder, initial: string, state: 'new' | 'existing'): Promise<ClusterMember> {
    const flags = [
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${initial}`,
      `--initial-cluster-state=${state}`,
      ...this.#flags,
    ];
    const { readyTimeoutMs } = this.#options;
    const options = { name, flags, ...(readyTimeoutMs !== undefined && { readyTimeoutMs }) };
    const server = await (kind === 'etcd' ? startEtcd(options) : startQuorate(options));
    const client = new RawClient(server.endpoint);
    client.metadata = this.#metadata;
    return { server, client, name, peerUrl, id: await this.#idOf(client, peerUrl) };
  }

  /** A member that does not know the token yet says nothing of itself; the others do. */
  async #idOf(client: RawClient, peerUrl: string): Promise<bigint> {
    const [other] = this.members;
    if (other === undefined || !('token' in this.#metadata)) return (await client.status()).header.member_id;
    const { members } = await other.client.memberList();
    const self = members.find(({ peerURLs }) => peerURLs.includes(peerUrl));
    if (self === undefined) throw new Error(`no member at ${peerUrl}`);
    return self.ID;
  }
}

function initialCluster(members: readonly { name: string; peerUrl: string }[]): string {
  return members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
}

async function atRevision(client: RawClient, revision: bigint): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { header } = await client.range({ key: 'any', serializable: true });
    if (header.revision >= revision) return;
    await sleep(25);
  }
  throw new Error(`a member did not reach revision ${revision}`);
}

/** Writes one key after the other until told to stop, and remembers which writes were acknowledged. */
export class Writer {
  readonly acknowledged: string[] = [];
  readonly #prefix: string;
  readonly #clients: () => RawClient[];
  #stopped = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(prefix: string, clients: () => RawClient[]) {
    this.#prefix = prefix;
    this.#clients = clients;
  }

  start(): this {
    this.#ended = this.#run();
    return this;
  }

  async stop(): Promise<readonly string[]> {
    this.#stopped = true;
    await this.#ended;
    return this.acknowledged;
  }

  /** Acknowledged writes that `client` does not find. */
  async missing(client: RawClient): Promise<string[]> {
    const { kvs } = await client.range({ key: this.#prefix, range_end: `${this.#prefix}~` });
    const found = new Set(kvs.map(({ key }) => text(key)));
    return this.acknowledged.filter((key) => !found.has(key));
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const clients = this.#clients();
      const client = clients[i % clients.length];
      if (client === undefined) throw new Error('nobody to write to');
      const key = `${this.#prefix}${String(i).padStart(6, '0')}`;
      try {
        await client.put({ key, value: `value ${i}` }, { timeoutMs: 1500 });
        this.acknowledged.push(key);
      } catch {
        await sleep(20);
      }
    }
  }
}
