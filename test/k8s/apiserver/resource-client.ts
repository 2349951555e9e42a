import { RawClient } from '../../support/raw-client.ts';
import { KubeStore } from '../../conformance/k8s/kube-store.ts';
import { CacheState, type Stored } from './cache-state.ts';
import type { Errors } from './errors.ts';
import type { Figures } from './figures.ts';
import type { Findings } from './findings.ts';
import type { Ledger } from './ledger.ts';
import { prefixOf, type ResourceType } from './resources.ts';
import { SharedLeases } from './shared-leases.ts';
import { newValue } from './values.ts';
import { WatchCache } from './watch-cache.ts';

const NAMESPACES = 5;
const REQUEST_TIMEOUT_MS = 15_000;

export interface ModelContext {
  readonly figures: Figures;
  readonly findings: Findings;
  readonly errors: Errors;
}

/** One resource type in one API server: a connection, a store, a watch cache, and writes that are held to their answers. */
export class ResourceClient {
  readonly type: ResourceType;
  readonly client: RawClient;
  readonly store: KubeStore;
  readonly cache: WatchCache;
  readonly leases: SharedLeases | undefined;
  readonly #ledger: Ledger;
  readonly #context: ModelContext;
  readonly #prefix: string;
  readonly #random: () => number;
  #names = 0;
  readonly #server: number;

  constructor(
    server: number,
    endpoint: string,
    type: ResourceType,
    ledger: Ledger,
    context: ModelContext,
    random: () => number,
  ) {
    this.type = type;
    this.#server = server;
    this.#ledger = ledger;
    this.#context = context;
    this.#prefix = prefixOf(type);
    this.#random = random;
    // As kube-apiserver sets them.
    this.client = new RawClient(endpoint, { 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 10_000 });
    this.store = new KubeStore(this.client);
    const { figures, findings, errors } = context;
    if (type.ttlSeconds !== undefined) {
      this.leases = new SharedLeases(this.client, type.ttlSeconds, findings, figures, errors);
    }
    const state = new CacheState(type.name, server, ledger, findings);
    this.cache = new WatchCache({
      store: this.store,
      prefix: this.#prefix,
      state,
      ...context,
      onList: (objects) => this.leases?.onList(objects),
      onEvent: ({ type: kind, now, before }) => this.leases?.onEvent(kind, now.key, before, now),
    });
  }

  async stop(): Promise<void> {
    await this.cache.stop();
    this.client.close();
  }

  /** One write, as the number of objects asks for. */
  async write(): Promise<void> {
    const objects = this.cache.state.objects;
    const fill = objects.size / this.type.objectsMax;
    const dice = this.#random();
    if (this.leases !== undefined) {
      // Events are made and seldom changed; their lease ends them.
      if (fill < 1 && dice < 0.85) await this.#create();
      else await this.#update();
    } else if (fill < 0.5 || (fill < 1 && dice < 0.15)) await this.#create();
    else if (dice < 0.85) await this.#update();
    else await this.#delete();
  }

  async get(): Promise<void> {
    const object = this.#any();
    if (object === undefined) return;
    const { kv } = await this.#context.figures.timed('get', () => this.store.get(object.key));
    const modified = kv === undefined ? undefined : Number(kv.mod_revision);
    const isOld = modified !== undefined && modified < object.modified;
    this.#hold(!isOld, 'reads are linearizable', () => `${object.key}@${modified} after @${object.modified}`);
  }

  /** The number of objects as metrics want it: by count, and by keys without values at least once a minute. */
  async statistics(): Promise<void> {
    const keys = await this.store.keysOnly(this.#prefix);
    const isBare = keys.kvs.every(({ value }) => value.length === 0);
    this.#hold(isBare, 'keys_only has no values', () => this.#prefix);
    this.#hold(Number(keys.count) === keys.kvs.length, 'count is the number of keys', () => {
      return `${this.#prefix}: ${keys.count}, ${keys.kvs.length} keys`;
    });
    await this.store.count(this.#prefix);
  }

  async consistentRead(): Promise<void> {
    const written = this.#ledger.acknowledgedMax;
    const { header } = await this.store.page(this.#prefix, 1);
    this.#hold(Number(header.revision) >= written, 'reads are linearizable', () => {
      return `revision ${header.revision} after the acknowledged ${written}`;
    });
    await this.cache.consistentRead(REQUEST_TIMEOUT_MS);
  }

  async #create(): Promise<void> {
    const namespace = Math.floor(this.#random() * NAMESPACES);
    const key = `${this.#prefix}ns-${namespace}/a${this.#server}-${++this.#names}-${Math.floor(this.#random() * 1e9)}`;
    const lease = (await this.leases?.take()) ?? 0n;
    const value = newValue(this.type.valueBytes);
    const answer = await this.#context.figures.timed('create', () => this.store.create(key, value, lease));
    this.#hold(answer.succeeded, 'a creation under a new name succeeds', () => key);
    this.#acknowledged({ revision: Number(answer.header.revision), key, type: 'PUT', value, prevRevision: 0 });
    if (this.#random() > 0.02) return;
    const again = await this.store.create(key, newValue(this.type.valueBytes));
    const rule = 'a second creation fails, and shows nothing';
    // Others may have deleted it meanwhile: then the creation is one.
    if (again.succeeded && this.cache.state.objects.get(key)?.modified === Number(answer.header.revision)) {
      await this.cache.until(Number(again.header.revision), REQUEST_TIMEOUT_MS);
      this.#hold(this.cache.state.objects.get(key)?.version === 1, rule, () => key);
    } else if (!again.succeeded) {
      this.#hold(again.responses.length === 0, rule, () => key);
    }
  }

  /** From the cached object, as GuaranteedUpdate does: another API server may have been faster. */
  async #update(): Promise<void> {
    const object = this.#any();
    if (object === undefined) return await this.#create();
    const { key, modified } = object;
    const value = newValue(this.type.valueBytes);
    const lease = (await this.leases?.take()) ?? 0n;
    const answer = await this.#context.figures.timed('update', () => this.store.update(key, modified, value, lease));
    if (!answer.succeeded) return this.#conflict(object, answer.responses[0]?.response_range?.kvs[0]?.mod_revision);
    this.#acknowledged({ revision: Number(answer.header.revision), key, type: 'PUT', value, prevRevision: modified });
    if (this.#random() > 0.02) return;
    // The guard has had its turn: whoever still holds the old object must lose.
    const stale = await this.store.update(key, modified, newValue(this.type.valueBytes), lease);
    this.#hold(!stale.succeeded, 'of two updates of one revision one wins', () => `${key}@${modified}`);
  }

  async #delete(): Promise<void> {
    const object = this.#any();
    if (object === undefined) return;
    const { key, modified } = object;
    const answer = await this.#context.figures.timed('delete', () => this.store.delete(key, modified));
    if (!answer.succeeded) return this.#conflict(object, answer.responses[0]?.response_range?.kvs[0]?.mod_revision);
    const deleted = answer.responses[0]?.response_delete_range?.deleted;
    this.#hold(deleted === 1n, 'a deletion deletes one', () => `${key}: ${deleted}`);
    const revision = Number(answer.header.revision);
    this.#acknowledged({ revision, key, type: 'DELETE', value: '', prevRevision: modified });
  }

  #conflict(object: Stored, current: bigint | undefined): void {
    this.#context.figures.conflicts++;
    this.#hold(Number(current ?? 0) !== object.modified, 'a conflict is one', () => {
      return `${object.key}@${object.modified} was refused, and is at ${current}`;
    });
  }

  #acknowledged(change: Parameters<Ledger['acknowledged']>[0]): void {
    this.#ledger.acknowledged(change, performance.now());
  }

  #any(): Stored | undefined {
    const { objects } = this.cache.state;
    let skip = Math.floor(this.#random() * Math.min(objects.size, PICK_FROM));
    for (const object of objects.values()) if (skip-- === 0) return object;
    return undefined;
  }

  #hold(condition: boolean, rule: string, detail: () => string): void {
    this.#context.findings.hold(condition, rule, detail);
  }
}

/** Walking to an object of a map costs: only so many of the oldest are chosen from, so that conflicts happen too. */
const PICK_FROM = 64;
