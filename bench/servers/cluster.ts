/** Members of one cluster under measurement, all on this machine. */
import { join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { decodeStatusResponse, encodeStatusRequest } from '../../src/gen/rpc.ts';
import { Client, PATH } from '../load/client.ts';
import { type MemberPlace, Server, type ServerSpec } from './server.ts';

const LEADER_DEADLINE_MS = 60_000;
const LEADER_POLL_MS = 20;

export class Cluster {
  readonly #spec: ServerSpec;
  readonly #dir: string;
  readonly #places: readonly MemberPlace[];
  readonly #members: (Server | undefined)[] = [];

  /** Resolves when every member has answered a linearizable range. */
  static async start(spec: ServerSpec, dir: string, count: number): Promise<Cluster> {
    const ports: { name: string; port: number; peerPort: number }[] = [];
    for (let i = 1; i <= count; i++) {
      ports.push({ name: `bench${i}`, port: await freePort(), peerPort: await freePort() });
    }
    const initialCluster = ports.map(({ name, peerPort }) => `${name}=http://127.0.0.1:${peerPort}`).join(',');
    const cluster = new Cluster(
      spec,
      dir,
      ports.map((place) => ({ ...place, initialCluster })),
    );
    try {
      await Promise.all(cluster.#places.map((_, i) => cluster.startMember(i)));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private constructor(spec: ServerSpec, dir: string, places: readonly MemberPlace[]) {
    this.#spec = spec;
    this.#dir = dir;
    this.#places = places;
  }

  get running(): Server[] {
    return this.#members.filter((member) => member !== undefined);
  }

  /** Also after endMember: with the same data, on the same ports. */
  async startMember(number: number): Promise<void> {
    const place = this.#places[number] as MemberPlace;
    this.#members[number] = await Server.start(this.#spec, {
      dataDir: join(this.#dir, place.name),
      logFile: join(this.#dir, `${place.name}.log`),
      place,
    });
  }

  /** Ends a member in this way; resolves with its number when its process is gone. */
  async endMember(member: Server, how: 'stop' | 'kill'): Promise<number> {
    const number = this.#members.indexOf(member);
    await member[how]();
    this.#members[number] = undefined;
    return number;
  }

  /** The member that all running ones take for the leader. */
  async leader(): Promise<Server> {
    const deadlineMs = performance.now() + LEADER_DEADLINE_MS;
    for (;;) {
      const statuses = await Promise.all(this.running.map(async (server) => ({ server, ...(await status(server)) })));
      const leader = statuses.find(({ memberId, leaderId }) => memberId === leaderId);
      if (leader !== undefined && statuses.every(({ leaderId }) => leaderId === leader.memberId)) return leader.server;
      if (performance.now() > deadlineMs) throw new Error(`no leader within ${LEADER_DEADLINE_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, LEADER_POLL_MS));
    }
  }

  async followers(): Promise<Server[]> {
    const leader = await this.leader();
    return this.running.filter((member) => member !== leader);
  }

  /** User and system time of all members. */
  async cpuSeconds(): Promise<number> {
    const each = await Promise.all(this.running.map((member) => member.cpuSeconds()));
    return each.reduce((sum, seconds) => sum + seconds, 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.running.map((member) => member.kill()));
  }
}

async function status(server: Server): Promise<{ memberId: bigint; leaderId: bigint }> {
  const client = await Client.open(server.port);
  try {
    const { header, leader } = decodeStatusResponse(await client.unary(PATH.status, encodeStatusRequest({})));
    return { memberId: header?.memberId ?? 0n, leaderId: leader };
  } finally {
    client.close();
  }
}
