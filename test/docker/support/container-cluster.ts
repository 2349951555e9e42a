/**
 * Members of a cluster as containers. They know each other by names on a network of their own (`m1`, `m2`, …), from which each can
 * be cut off; clients reach them through another one, at addresses that stay.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { GenericContainer, Network, type StartedNetwork, Wait } from 'testcontainers';
import { http } from '../../support/http.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';
import { docker, inspect } from './engine.ts';

const START_TIMEOUT_MS = 60_000;
const DATA_DIR = '/var/lib/quorate';

export interface ContainerClusterOptions {
  readonly size: number;
  /** For every member, beyond what a cluster needs. */
  readonly flags?: readonly string[];
}

interface Place {
  readonly image: string;
  readonly peers: StartedNetwork;
  readonly clients: ClientNetwork;
  readonly flags: readonly string[];
}

export class ContainerCluster {
  readonly members: ContainerMember[] = [];
  readonly #place: Place;
  #names = 0;

  private constructor(place: Place) {
    this.#place = place;
  }

  static async start(image: string, { size, flags = [] }: ContainerClusterOptions): Promise<ContainerCluster> {
    const place = { image, peers: await new Network().start(), clients: await ClientNetwork.create(), flags };
    const cluster = new ContainerCluster(place);
    for (let i = 0; i < size; i++) cluster.#newMember();
    const initial = cluster.#initialCluster();
    try {
      await Promise.all(cluster.members.map((member) => member.create(initial, 'new')));
      return cluster;
    } catch (error) {
      for (const member of cluster.members) console.error(await member.logs());
      await cluster.stop();
      throw error;
    }
  }

  /** Containers, volumes and networks are gone afterwards. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.destroy()));
    await this.#place.peers.stop();
    await this.#place.clients.remove();
  }

  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  member(name: string): ContainerMember {
    const member = this.members.find((one) => one.name === name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }

  others(...members: readonly ContainerMember[]): ContainerMember[] {
    return this.members.filter((one) => !members.includes(one));
  }

  /** The one that these members all take for the leader, one of them. */
  async leader(among: readonly ContainerMember[] = this.members, timeoutMs = 30_000): Promise<ContainerMember> {
    let found: ContainerMember | undefined;
    await until(
      `${among.map(({ name }) => name).join(', ')} have a leader`,
      async () => {
        const all = await Promise.all(among.map(({ client }) => client.status({ timeoutMs: 1000 })));
        const at = all.findIndex(({ header, leader }) => header.member_id === leader);
        found = among[at];
        return found !== undefined && all.every(({ leader }) => leader === all[at]?.leader);
      },
      timeoutMs,
    );
    if (found === undefined) throw new Error('no leader');
    return found;
  }

  /** A member whose data are lost leaves, and a new one of its name takes its place. */
  async replace(member: ContainerMember): Promise<void> {
    const [other] = this.others(member);
    if (other === undefined) throw new Error('nobody is left to ask');
    await member.destroy();
    const { members } = await other.client.memberList();
    const id = members.find(({ name }) => name === member.name)?.ID ?? 0n;
    await until('the member is removed', () => changed(other.client, 'MemberRemove', { ID: id }));
    await until('the member is added', () => changed(other.client, 'MemberAdd', { peerURLs: [member.peerUrl] }));
    await member.create(this.#initialCluster(), 'existing');
  }

  /** HashKV of every member at one revision, when all have it. */
  async hashes(): Promise<number[]> {
    const headers = await Promise.all(this.members.map(({ client }) => client.range({ key: 'any' })));
    const revision = headers.reduce((max, { header }) => (header.revision > max ? header.revision : max), 0n);
    await until('all members have applied it', async () => {
      const all = await Promise.all(this.members.map(({ client }) => client.range({ key: 'any', serializable: true })));
      return all.every(({ header }) => header.revision >= revision);
    });
    return Promise.all(this.members.map(async ({ client }) => (await client.hashKv(revision)).hash));
  }

  #newMember(): void {
    this.#names++;
    const { clients } = this.#place;
    this.members.push(new ContainerMember(this.#place, `m${this.#names}`, clients.address(this.#names)));
  }

  #initialCluster(): string {
    return this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
  }
}

/** While the cluster has no leader, or thinks itself too weak for it, one asks again. */
async function changed(client: RawClient, method: string, request: object): Promise<boolean> {
  await client.unary('etcdserverpb.Cluster', method, request, { timeoutMs: 5000 });
  return true;
}

export class ContainerMember {
  readonly name: string;
  readonly peerUrl: string;
  /** Stays through restarts. */
  readonly endpoint: string;
  readonly client: RawClient;
  readonly #place: Place;
  readonly #address: string;
  readonly #volume = `quorate-test-${randomUUID()}`;
  #id: string | undefined;
  #initial = '';

  constructor(place: Place, name: string, address: string) {
    this.#place = place;
    this.name = name;
    this.#address = address;
    this.peerUrl = `http://${name}:2380`;
    this.endpoint = `${address}:2379`;
    this.client = new RawClient(this.endpoint);
  }

  /** A container for it, on its volume; resolves when it serves. */
  async create(initial = this.#initial, state: 'new' | 'existing' = 'new'): Promise<void> {
    if (this.#id !== undefined) throw new Error(`${this.name} has a container`);
    this.#initial = initial;
    const container = new MemberContainer(this.#place.image, async (id) => {
      this.#id = id;
      await docker('network', 'connect', '--ip', this.#address, this.#place.clients.name, id);
    });
    await container
      .withNetwork(this.#place.peers)
      .withNetworkAliases(this.name)
      .withBindMounts([{ source: this.#volume, target: DATA_DIR, mode: 'rw' }])
      .withCommand([...this.#flags(initial, state)])
      .withWaitStrategy(Wait.forLogMessage(/ready to serve client requests/))
      .withStartupTimeout(START_TIMEOUT_MS)
      .start();
  }

  /** SIGKILL to its process. */
  async kill(): Promise<void> {
    await docker('kill', this.id);
  }

  async start(): Promise<void> {
    await docker('start', this.id);
  }

  async pause(): Promise<void> {
    await docker('pause', this.id);
  }

  async unpause(): Promise<void> {
    await docker('unpause', this.id);
  }

  /** Cut off from the other members; clients still reach it. */
  async isolate(): Promise<void> {
    await docker('network', 'disconnect', this.#place.peers.getName(), this.id);
  }

  async rejoin(): Promise<void> {
    await docker('network', 'connect', '--alias', this.name, this.#place.peers.getName(), this.id);
  }

  /** The container is gone, as with a pod that is deleted; its volume stays. */
  async remove(): Promise<void> {
    const { id } = this;
    this.#id = undefined;
    await docker('rm', '--force', id);
  }

  /** Without its volume too. */
  async destroy(): Promise<void> {
    if (this.#id !== undefined) await this.remove();
    await docker('volume', 'rm', '--force', this.#volume);
  }

  get id(): string {
    if (this.#id === undefined) throw new Error(`${this.name} has no container`);
    return this.#id;
  }

  /** When its process was started. */
  async startedMs(): Promise<number> {
    return Date.parse(await inspect(this.id, '{{.State.StartedAt}}'));
  }

  async logs(): Promise<string> {
    return this.#id === undefined ? '' : docker('logs', this.#id);
  }

  async isReady(): Promise<boolean> {
    return (await http(`http://${this.endpoint}/readyz`)).status === 200;
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const { body } = await http(`http://${this.endpoint}/metrics`);
    const line = body.split('\n').find((one) => one.startsWith(`${name} `));
    if (line === undefined) throw new Error(`${this.name} has no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }

  #flags(initial: string, state: string): string[] {
    return [
      `--name=${this.name}`,
      '--listen-peer-urls=http://0.0.0.0:2380',
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      '--listen-client-urls=http://0.0.0.0:2379',
      `--advertise-client-urls=http://${this.endpoint}`,
      `--initial-cluster=${initial}`,
      `--initial-cluster-state=${state}`,
      '--initial-cluster-token=containers',
      ...this.#place.flags,
    ];
  }
}

/** Tells its id before it starts. */
class MemberContainer extends GenericContainer {
  readonly #onCreated: (id: string) => Promise<void>;

  constructor(image: string, onCreated: (id: string) => Promise<void>) {
    super(image);
    this.#onCreated = onCreated;
  }

  protected override containerCreated = (id: string): Promise<void> => this.#onCreated(id);
}

/** With addresses that can be chosen, which needs a range of one's own. */
class ClientNetwork {
  readonly name: string;
  readonly #range: string;

  private constructor(name: string, range: string) {
    this.name = name;
    this.#range = range;
  }

  static async create(): Promise<ClientNetwork> {
    const name = `quorate-test-${randomUUID()}`;
    for (let attempt = 1; ; attempt++) {
      const range = `10.${randomInt(128, 255)}.${randomInt(0, 255)}`;
      try {
        await docker('network', 'create', '--subnet', `${range}.0/24`, name);
        return new ClientNetwork(name, range);
      } catch (error) {
        // The range may be somebody else's.
        if (attempt === 10) throw error;
      }
    }
  }

  address(member: number): string {
    return `${this.#range}.${100 + member}`;
  }

  async remove(): Promise<void> {
    await docker('network', 'rm', this.name);
  }
}
