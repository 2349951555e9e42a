import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient } from '../../support/raw-client.ts';
import { KubeStore } from '../../conformance/k8s/kube-store.ts';
import { Compactor, watchCompactKey } from './compactor.ts';
import type { Ledger } from './ledger.ts';
import { unlessCompacted } from './errors.ts';
import type { Pace } from './pace.ts';
import { type ModelContext, ResourceClient } from './resource-client.ts';
import { RESOURCES, type ResourceType } from './resources.ts';
import { listAt } from './watch-cache.ts';

export interface ApiServerOptions {
  readonly number: number;
  /** As the gRPC client takes it: one address, or several. */
  readonly endpoint: string;
  readonly ledgers: ReadonlyMap<ResourceType, Ledger>;
  readonly context: ModelContext;
  readonly random: () => number;
  /** How many writes may be under way at once. */
  readonly workers: number;
  readonly compactEveryMs: number;
}

const HEALTH_EVERY_MS = 2_000;
const HEALTH_TIMEOUT_MS = 2_000;
const STATUS_EVERY_MS = 30_000;
const MASTER_LEASE_EVERY_MS = 10_000;
export const MASTER_LEASE_TTL_SECONDS = 15;
const CONSISTENT_READ_EVERY_MS = 700;
const LIST_EVERY_MS = 1_500;
const GET_EVERY_MS = 100;
const STATISTICS_EVERY_MS = 2_500;
const RETRY_AFTER_MS = 50;

/** One API server: all its resource types, its writers and what it does from time to time. */
export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #resources: readonly ResourceClient[];
  readonly #control: RawClient;
  readonly #compactor: Compactor;
  #controlWatch: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Of the traffic that is under way; undefined between rounds. */
  #traffic: { isOver: boolean; done: Promise<unknown> } | undefined;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    const { number, endpoint, ledgers, context, random } = options;
    this.#resources = RESOURCES.map((type) => {
      const ledger = ledgers.get(type);
      if (ledger === undefined) throw new Error(`no ledger for ${type.name}`);
      return new ResourceClient(number, endpoint, type, ledger, context, random);
    });
    this.#control = new RawClient(endpoint);
    this.#compactor = new Compactor(this.#control, context);
  }

  /** Resolves when every cache has its list. */
  async start(): Promise<void> {
    for (const { cache } of this.#resources) cache.start();
    this.#controlWatch = watchCompactKey(this.#control, () => this.#stopped, this.#options.context);
    await this.catchUp(60_000);
  }

  /** Traffic until endTraffic(). */
  beginTraffic(pace: Pace): void {
    const traffic = { isOver: false, done: Promise.resolve<unknown>(undefined) };
    const isOver = (): boolean => traffic.isOver;
    const writers = Array.from({ length: this.#options.workers }, () => this.#write(pace, isOver));
    traffic.done = Promise.all([...writers, ...this.#chores(isOver)]);
    this.#traffic = traffic;
  }

  async endTraffic(): Promise<void> {
    if (this.#traffic === undefined) return;
    this.#traffic.isOver = true;
    await this.#traffic.done;
    this.#traffic = undefined;
  }

  /** Until every cache has all that there is now, as promised by progress notices; and is the same as the store. */
  async catchUp(timeoutMs: number): Promise<void> {
    const { header } = await new KubeStore(this.#control).page('/registry/', 1);
    await Promise.all(this.#resources.map(({ cache }) => cache.until(Number(header.revision), timeoutMs)));
    for (const resource of this.#resources) await resource.consistentRead();
  }

  checkLeases(): void {
    for (const { leases } of this.#resources) leases?.check();
  }

  /** The keys of this API server's own record, until it ends with its lease. */
  async masterLease(): Promise<number> {
    const { kvs } = await this.#control.range({ key: this.#masterKey });
    return kvs.length;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.endTraffic();
    await Promise.all(this.#resources.map((resource) => resource.stop()));
    await this.#controlWatch;
    this.#control.close();
  }

  get #masterKey(): string {
    return `/registry/masterleases/10.0.0.${this.#options.number}`;
  }

  async #write(pace: Pace, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await pace.take();
      if (isOver()) return;
      await this.#attempt('write', () => this.#byWeight().write());
    }
  }

  #chores(isOver: () => boolean): Promise<void>[] {
    const { errors } = this.#options.context;
    const every = (ms: number, what: string, body: () => Promise<void>): Promise<void> =>
      this.#every(ms, isOver, () => this.#attempt(what, body));
    const store = new KubeStore(this.#control);
    return [
      every(GET_EVERY_MS, 'get', () => this.#byWeight().get()),
      every(CONSISTENT_READ_EVERY_MS, 'consistent read', () => this.#byWeight().consistentRead()),
      every(LIST_EVERY_MS, 'list in pages', () => this.#listInPages()),
      every(STATISTICS_EVERY_MS, 'statistics', () => this.#any().statistics()),
      every(this.#options.compactEveryMs, 'compaction', () => this.#compactor.turn()),
      every(MASTER_LEASE_EVERY_MS, 'master lease', () => this.#renewMasterLease(store)),
      every(STATUS_EVERY_MS, 'status', () => this.#status()),
      every(HEALTH_EVERY_MS, 'health', async () => {
        if (errors.isFault) return;
        await this.#control.range({ key: '/registry/health' }, { timeoutMs: HEALTH_TIMEOUT_MS * 5 });
      }),
    ];
  }

  /** Small pages, all at the first page's revision, while others write: the same as one page at that revision. */
  async #listInPages(): Promise<void> {
    const { store, type } = this.#byWeight();
    const prefix = `/registry/${type.name}/`;
    const { figures, findings } = this.#options.context;
    const inPages = await unlessCompacted(() => figures.timed('list', () => listAt(store, prefix, 23, 0)));
    const atOnce = inPages && (await unlessCompacted(() => listAt(store, prefix, 10_000, inPages.revision)));
    if (inPages === undefined || atOnce === undefined) {
      // 410 Gone: a client lists again.
      figures.gone++;
      return;
    }
    const same = JSON.stringify(inPages.objects, plain) === JSON.stringify(atOnce.objects, plain);
    findings.hold(same, 'pages are one state', () => {
      return `${prefix} at ${inPages.revision}: ${inPages.objects.length} in pages, ${atOnce.objects.length} at once`;
    });
  }

  async #renewMasterLease(store: KubeStore): Promise<void> {
    const { ID } = await this.#control.leaseGrant({ TTL: MASTER_LEASE_TTL_SECONDS });
    const { kv } = await store.get(this.#masterKey);
    if (kv === undefined) await store.create(this.#masterKey, 'endpoints', ID);
    else await store.update(this.#masterKey, kv.mod_revision, `endpoints of ${ID}`, ID);
  }

  /** The size metric, and the version by which Kubernetes decides whether progress requests can be trusted. */
  async #status(): Promise<void> {
    const { version, dbSize } = await this.#control.status();
    const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
    const isOld = major < 3 || (major === 3 && (minor < 4 || (minor === 4 && patch < 31)));
    const isTrusted = !isOld && !(major === 3 && minor === 5 && patch < 13);
    const { findings } = this.#options.context;
    findings.hold(isTrusted, 'the version lets progress requests be used', () => version);
    findings.hold(dbSize > 0n, 'the database has a size', () => String(dbSize));
  }

  async #every(ms: number, isOver: () => boolean, body: () => Promise<void>): Promise<void> {
    for (let nextMs = performance.now() + ms * this.#options.random(); !isOver(); nextMs += ms) {
      while (!isOver() && performance.now() < nextMs) await sleep(Math.min(50, ms));
      if (!isOver()) await body();
      nextMs = Math.max(nextMs, performance.now() - ms);
    }
  }

  async #attempt(what: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.#options.context.errors.note(what, error);
      await sleep(RETRY_AFTER_MS);
    }
  }

  #any(): ResourceClient {
    return this.#resources[Math.floor(this.#options.random() * this.#resources.length)] as ResourceClient;
  }

  #byWeight(): ResourceClient {
    let at = this.#options.random() * WEIGHTS;
    const found = this.#resources.find(({ type }) => (at -= type.weight) < 0);
    return found ?? (this.#resources[0] as ResourceClient);
  }
}

const WEIGHTS = RESOURCES.reduce((sum, { weight }) => sum + weight, 0);

function plain(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
