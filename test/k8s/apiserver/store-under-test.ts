import { readFileSync } from 'node:fs';
import { startQuorate } from '../../support/quorate-process.ts';
import { startEtcd } from '../../support/real-etcd.ts';
import type { ServerKind, ServerProcess } from '../../support/server-process.ts';
import { TestCluster } from '../../support/test-cluster.ts';

/** As kubeadm starts etcd. */
const READY_TIMEOUT_MS = 60_000;
const FLAGS = ['--experimental-watch-progress-notify-interval=5s', '--snapshot-count=10000'];
const OPTIONS = { flags: FLAGS, readyTimeoutMs: READY_TIMEOUT_MS };

/** One or several members of one kind, as processes of this machine. */
export class StoreUnderTest {
  readonly kind: ServerKind;
  readonly #servers: readonly ServerProcess[];
  readonly #cluster: TestCluster | undefined;

  static async start(kind: ServerKind, members: number): Promise<StoreUnderTest> {
    if (members > 1) {
      const cluster = await TestCluster.start(
        Array.from({ length: members }, () => kind),
        FLAGS,
        { readyTimeoutMs: READY_TIMEOUT_MS },
      );
      return new StoreUnderTest(
        kind,
        cluster.members.map(({ server }) => server),
        cluster,
      );
    }
    const server = await (kind === 'etcd' ? startEtcd(OPTIONS) : startQuorate(OPTIONS));
    return new StoreUnderTest(kind, [server], undefined);
  }

  private constructor(kind: ServerKind, servers: readonly ServerProcess[], cluster: TestCluster | undefined) {
    this.kind = kind;
    this.#servers = servers;
    this.#cluster = cluster;
  }

  /** All members, beginning with another one for each API server. */
  endpoint(apiServer: number): string {
    const addresses = this.#servers.map(({ endpoint }) => endpoint);
    const first = apiServer % addresses.length;
    const rotated = [...addresses.slice(first), ...addresses.slice(0, first)];
    return rotated.length === 1 ? (rotated[0] ?? '') : `ipv4:${rotated.join(',')}`;
  }

  /** Memory that is the processes' own, all members together. */
  anonymousMb(): number {
    const each = this.#servers.map(({ pid }) => (pid === undefined ? 0 : anonymousKb(pid)));
    return each.reduce((sum, kb) => sum + kb, 0) / 1024;
  }

  /** Kills one member as a crash would, and starts it again. */
  async crash(random: () => number): Promise<void> {
    const server = this.#servers[Math.floor(random() * this.#servers.length)];
    if (server === undefined) throw new Error('no member');
    await server.kill();
    await server.restart();
  }

  async stop(): Promise<void> {
    if (this.#cluster !== undefined) await this.#cluster.stop();
    else await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

function anonymousKb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
}
