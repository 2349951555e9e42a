import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyValue } from '../../support/api-messages.ts';
import type { WatchStream } from '../../support/watch-helpers.ts';
import { text } from '../../support/values.ts';
import { continueAfter, type KubeStore } from '../../conformance/k8s/kube-store.ts';
import { type CacheState, isSame, shown, type Stored, storedOf } from './cache-state.ts';
import { type Errors, unlessCompacted } from './errors.ts';
import type { Figures } from './figures.ts';
import type { Findings } from './findings.ts';
import { sentMsOf } from './values.ts';

/** As Kubernetes asks while a consistent read waits. */
const PROGRESS_REQUEST_EVERY_MS = 100;
const RETRY_AFTER_MS = 50;
/** Nothing at all on a watch that asks for progress: it has died without a word. */
const SILENCE_MS = 30_000;
export const PAGE_LIMIT = 500;

interface Waiter {
  readonly revision: number;
  readonly done: () => void;
}

export interface CacheContext {
  readonly store: KubeStore;
  readonly prefix: string;
  readonly state: CacheState;
  readonly figures: Figures;
  readonly findings: Findings;
  readonly errors: Errors;
  /** Hears of each list that the cache started from. */
  readonly onList?: (objects: ReadonlyMap<string, Stored>) => void;
  /** Hears of each event that came. */
  readonly onEvent?: (event: { type: 'PUT' | 'DELETE'; now: Stored; before?: Stored }) => void;
}

/** Lists, watches from there, and goes on where it was after each interruption, as an API server's cache of one resource. */
export class WatchCache {
  readonly #context: CacheContext;
  readonly #waiters = new Set<Waiter>();
  #stream: WatchStream | undefined;
  #stopped = false;
  #hasList = false;
  #running: Promise<void> = Promise.resolve();
  #asking: NodeJS.Timeout | undefined;

  constructor(context: CacheContext) {
    this.#context = context;
  }

  get state(): CacheState {
    return this.#context.state;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#asking);
    this.#stream?.cancel();
    await this.#running;
  }

  /** Resolves when everything up to `revision` is in; asks for progress as long as that takes. */
  async until(revision: number, timeoutMs: number): Promise<void> {
    if (this.#hasList && this.state.revision >= revision) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        const where = `${this.#context.prefix} is at ${this.state.revision} and not at ${revision}`;
        reject(new Error(`${where} after ${timeoutMs} ms`));
      }, timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const waiter: Waiter = { revision, done };
      this.#waiters.add(waiter);
      this.#ask();
    });
  }

  /**
   * A read that may not be older than its beginning, answered from the cache; then held against the store's own list at the
   * revision of that answer.
   */
  async consistentRead(timeoutMs: number): Promise<void> {
    const { store, prefix, figures } = this.#context;
    await figures.timed('consistent read', async () => {
      const { header } = await store.page(prefix, 1);
      await this.until(Number(header.revision), timeoutMs);
    });
    const { revision } = this.state;
    const cached = new Map(this.state.objects);
    const list = await unlessCompacted(() => listAt(store, prefix, PAGE_LIMIT, revision));
    if (list === undefined) figures.gone++;
    else this.#compare(cached, list.objects, revision);
  }

  #compare(cached: ReadonlyMap<string, Stored>, listed: readonly Stored[], revision: number): void {
    const rule = 'a consistent read from the cache is the list at its revision';
    const { findings, prefix } = this.#context;
    findings.hold(cached.size === listed.length, rule, () => {
      return `${prefix} at ${revision}: ${cached.size} objects in the cache, ${listed.length} in the list`;
    });
    for (const object of listed) {
      const own = cached.get(object.key);
      findings.hold(isSame(own, object), rule, () => `at ${revision}: ${shown(own)}, list ${shown(object)}`);
    }
  }

  async #run(): Promise<void> {
    const { figures, errors } = this.#context;
    while (!this.#stopped) {
      try {
        if (!this.#hasList) await this.#list();
        await this.#follow();
      } catch (error) {
        if (this.#stopped) return;
        figures.resumed++;
        errors.noteWatch(error);
        await sleep(RETRY_AFTER_MS);
      }
    }
  }

  async #list(): Promise<void> {
    const { store, prefix, figures } = this.#context;
    const list = await unlessCompacted(() => figures.timed('list', () => listAt(store, prefix, PAGE_LIMIT, 0)));
    if (list === undefined) return await this.#list();
    const { objects, revision } = list;
    this.state.reset(objects, revision);
    this.#context.onList?.(this.state.objects);
    this.#hasList = true;
    this.#wake();
  }

  async #follow(): Promise<void> {
    const { store, prefix, figures } = this.#context;
    this.#stream = await store.watch(prefix, BigInt(this.state.revision));
    this.#ask();
    while (!this.#stopped) {
      const response = await this.#stream.next(SILENCE_MS).catch((error: unknown) => {
        if (!String(error).includes('no message within')) throw error;
        if (this.#waiters.size === 0) return undefined;
        throw error;
      });
      if (response === undefined) continue;
      if (response.canceled) {
        this.#stream.cancel();
        if (response.compact_revision === 0n) throw new Error(`the watch was ended: ${response.cancel_reason}`);
        // 410 Gone: the cache starts again.
        this.#hasList = false;
        figures.relisted++;
        return;
      }
      const nowMs = performance.now();
      for (const event of this.state.apply(response, nowMs).events) {
        this.#context.onEvent?.(event);
        const sentMs = event.type === 'PUT' ? sentMsOf(event.now.value) : undefined;
        if (sentMs !== undefined) figures.latencies['watch delay'].recordMs(nowMs - sentMs);
      }
      this.#wake();
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (this.state.revision < waiter.revision) continue;
      this.#waiters.delete(waiter);
      waiter.done();
    }
  }

  #ask(): void {
    if (this.#asking !== undefined || this.#waiters.size === 0) return;
    this.#asking = setInterval(() => {
      if (this.#waiters.size > 0) {
        if (this.#stream?.ended === false) this.#stream.send({ progress_request: {} });
        return;
      }
      clearInterval(this.#asking);
      this.#asking = undefined;
    }, PROGRESS_REQUEST_EVERY_MS);
  }
}

/** All of it in pages, at `revision` (0: the newest). */
export async function listAt(
  store: KubeStore,
  prefix: string,
  limit: number,
  revision: number,
): Promise<{ objects: Stored[]; revision: number }> {
  let page = await store.page(prefix, limit, prefix, revision);
  const at = revision === 0 ? Number(page.header.revision) : revision;
  const kvs: KeyValue[] = [...page.kvs];
  while (page.count > page.kvs.length) {
    const last = page.kvs.at(-1);
    if (last === undefined) throw new Error(`a page of ${prefix} says that there is more, and holds nothing`);
    page = await store.page(prefix, limit, continueAfter(last.key), at);
    if (page.kvs[0] !== undefined && text(page.kvs[0].key) <= text(last.key)) throw new Error('pages overlap');
    kvs.push(...page.kvs);
  }
  return { objects: kvs.map(storedOf), revision: at };
}
