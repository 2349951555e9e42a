import { afterAll, afterEach, beforeAll, beforeEach, describe, type TestContext } from 'vitest';
import { quorateExists, startQuorate } from './quorate-process.ts';
import { RawClient } from './raw-client.ts';
import { etcdBinDir, NO_ETCD, startEtcd } from './real-etcd.ts';
import type { ServerKind, ServerOptions, ServerProcess } from './server-process.ts';

/**
 * One server that a suite runs against. The same test bodies run on a real etcd and on quorate; where etcd's versions differ,
 * the expectation follows the version the target reports, never its kind.
 */
export class Target {
  readonly kind: ServerKind;
  readonly server: ServerProcess;
  readonly client: RawClient;
  /** As in Maintenance.Status, e.g. `3.5.30`. */
  readonly version: string;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  #prefixes = 0;

  private constructor(
    server: ServerProcess,
    client: RawClient,
    ids: { version: string; cluster: bigint; member: bigint },
  ) {
    this.kind = server.kind;
    this.server = server;
    this.client = client;
    this.version = ids.version;
    this.clusterId = ids.cluster;
    this.memberId = ids.member;
  }

  static async start(kind: ServerKind, options: ServerOptions = {}): Promise<Target> {
    const server = await (kind === 'etcd' ? startEtcd(options) : startQuorate(options));
    try {
      const client = new RawClient(server.endpoint);
      const { version, header } = await client.status();
      return new Target(server, client, { version, cluster: header.cluster_id, member: header.member_id });
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.server.stop();
  }

  /** True when the target reports `minimum` (e.g. `3.6` or `3.6.6`) or later. */
  atLeast(minimum: string): boolean {
    const own = this.version.split(/[.+-]/).map(Number);
    for (const [i, wanted] of minimum.split('.').map(Number).entries()) {
      const part = own[i] ?? 0;
      if (part !== wanted) return part > wanted;
    }
    return true;
  }

  /** Ends the test as skipped, with the reason in the output, on a target older than `minimum`. */
  requires(context: TestContext, minimum: string, what: string): void {
    if (this.atLeast(minimum)) return;
    const reason = `${what} needs etcd ${minimum}; ${this.kind} reports ${this.version}`;
    console.info(`skipped: ${context.task.name}: ${reason}`);
    context.skip(reason);
  }

  /** A key prefix that no other test of this server uses; ends in `/`. */
  prefix(): string {
    return `t${++this.#prefixes}/`;
  }
}

/** What quorate says of a flag of etcd's that it knows and does not have yet. */
const UNSUPPORTED_FLAG = /flag --\S+ is not supported yet/;

export type TargetGetter = () => Target;

/** The servers named by TARGET (etcd, quorate or both; both when unset). */
export function targetKinds(): ServerKind[] {
  const wanted = process.env['TARGET'] ?? 'both';
  if (wanted === 'etcd' || wanted === 'quorate') return [wanted];
  if (wanted !== 'both') throw new Error(`TARGET must be etcd, quorate or both, not ${wanted}`);
  return ['etcd', 'quorate'];
}

/** Why servers of `kind` cannot be run here although nobody named them; undefined when they can. */
function missing(kind: ServerKind): string | undefined {
  if (process.env['TARGET'] === kind) return undefined;
  if (kind === 'etcd') return etcdBinDir() === undefined ? NO_ETCD : undefined;
  return quorateExists() ? undefined : 'src/main.ts does not exist';
}

/**
 * Declares the same tests for every target. Each target gets one fresh server per call, so tests of one file share it and keep
 * apart by key prefix; `options` are for servers that need other flags.
 */
export function describeTargets(name: string, body: (target: TargetGetter) => void, options: ServerOptions = {}): void {
  for (const kind of targetKinds()) {
    const reason = missing(kind);
    if (reason !== undefined) console.info(`skipped: ${name} on ${kind}: ${reason}`);
    describe.skipIf(reason !== undefined)(`${name} [${kind}]`, () => {
      let started: Target | undefined;
      let unsupported: string | undefined;
      beforeAll(async () => {
        try {
          started = await Target.start(kind, options);
        } catch (error) {
          unsupported = kind === 'quorate' ? UNSUPPORTED_FLAG.exec(String(error))?.[0] : undefined;
          if (unsupported === undefined) throw error;
          console.info(`skipped: ${name} on ${kind}: ${unsupported}`);
        }
      });
      beforeEach((context) => {
        if (unsupported !== undefined) context.skip(unsupported);
      });
      let ended = false;
      afterEach((context) => {
        if (!started || started.server.running || ended) return;
        ended = true;
        console.error(`${kind} ended during or before: ${context.task.name}\n${started.server.logTail(20)}`);
      });
      afterAll(async () => {
        await started?.stop();
      });
      body(() => {
        if (!started) throw new Error('the target is only there while tests run');
        return started;
      });
    });
  }
}
