/**
 * Clients that write, read and watch without a pause through whichever of their endpoints answers, and what they were promised:
 * no acknowledged write lost, no stale linearizable read, every revision watched once and in order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient } from './raw-client.ts';
import { text } from './values.ts';

export interface LoadReport {
  readonly writes: number;
  readonly reads: number;
  readonly events: number;
  /** The longest time in which no write was acknowledged. */
  readonly longestGapMs: number;
  /** When that ended, as in the servers' logs. */
  readonly longestGapEnd: string;
  /** What must not be; empty when all is well. */
  readonly violations: readonly string[];
}

const WRITERS = 3;
const WATCHERS = 2;
const CALL_TIMEOUT_MS = 1500;
const PAUSE_MS = 10;
/** A watch that hears nothing for this long, while writes go on, is made again elsewhere. */
const SILENCE_MS = 4000;
const DRAIN_MS = 20_000;
const VIOLATIONS_MAX = 20;
const EVERYTHING = { key: '\0', range_end: '\0' };

export class ContinuousLoad {
  readonly #clients: readonly RawClient[];
  /** Revision → key, of what was acknowledged. No key is written twice: a write that timed out may still happen. */
  readonly #acknowledged = new Map<bigint, string>();
  readonly #watchers: Watcher[];
  readonly #violations: string[] = [];
  #writing: Promise<unknown> = Promise.resolve();
  #watching: Promise<unknown> = Promise.resolve();
  #stopped = false;
  #lastAck: { revision: bigint; key: string } = { revision: 0n, key: '' };
  #lastAckMs = 0;
  #longestGapMs = 0;
  #longestGapEnd = '';
  #reads = 0;

  constructor(endpoints: readonly string[]) {
    this.#clients = endpoints.map((endpoint) => new RawClient(endpoint));
    this.#watchers = Array.from({ length: WATCHERS }, (_, i) => {
      return new Watcher(this.#clients, i, (what) => this.#violation(what));
    });
  }

  /** The first endpoint must answer. */
  async start(): Promise<void> {
    const { header } = await (this.#clients[0] as RawClient).range({ key: '\0' });
    for (const watcher of this.#watchers) watcher.next = header.revision + 1n;
    this.#lastAckMs = Date.now();
    const writers = Array.from({ length: WRITERS }, (_, i) => this.#write(i));
    this.#writing = Promise.all([...writers, this.#read()]);
    this.#watching = Promise.all(this.#watchers.map((watcher) => watcher.run()));
  }

  get writes(): number {
    return this.#acknowledged.size;
  }

  async stop(): Promise<LoadReport> {
    this.#stopped = true;
    await this.#writing;
    for (const watcher of this.#watchers) watcher.stopAt(this.#lastAck.revision);
    await this.#watching;
    await this.#checkAll();
    for (const client of this.#clients) client.close();
    return {
      writes: this.#acknowledged.size,
      reads: this.#reads,
      events: this.#watchers.reduce((sum, { seen }) => sum + seen.size, 0),
      longestGapMs: this.#longestGapMs,
      longestGapEnd: this.#longestGapEnd,
      violations: this.#violations,
    };
  }

  async #write(writer: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const client = this.#clients[(writer + i) % this.#clients.length] as RawClient;
      const key = `load/${writer}/${String(i).padStart(6, '0')}`;
      try {
        const { header } = await client.put({ key, value: `value ${i}` }, { timeoutMs: CALL_TIMEOUT_MS });
        this.#ack(header.revision, key);
      } catch {
        // The next endpoint may answer.
      }
      await sleep(PAUSE_MS);
    }
  }

  #ack(revision: bigint, key: string): void {
    const nowMs = Date.now();
    if (nowMs - this.#lastAckMs > this.#longestGapMs) {
      this.#longestGapMs = nowMs - this.#lastAckMs;
      this.#longestGapEnd = new Date(nowMs).toISOString();
    }
    this.#lastAckMs = nowMs;
    const twice = this.#acknowledged.get(revision);
    if (twice !== undefined) this.#violation(`${key} and ${twice} were both written at revision ${revision}`);
    this.#acknowledged.set(revision, key);
    if (revision > this.#lastAck.revision) this.#lastAck = { revision, key };
  }

  /** Through every member in turn: whatever was acknowledged before the read began must be in it. */
  async #read(): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const client = this.#clients[i % this.#clients.length] as RawClient;
      const { revision, key } = this.#lastAck;
      await sleep(PAUSE_MS / 2);
      if (key === '') continue;
      try {
        const { header, kvs } = await client.range({ key }, { timeoutMs: CALL_TIMEOUT_MS });
        this.#reads++;
        if (header.revision < revision || kvs.length !== 1) {
          this.#violation(
            `${client.endpoint} read ${key} of revision ${revision} at ${header.revision}: ${kvs.length}`,
          );
        }
      } catch {
        // Not running, a learner, or without a leader at the moment.
      }
    }
  }

  async #checkAll(): Promise<void> {
    const found = new Map<bigint, string>();
    for (const client of this.#clients) {
      try {
        const { kvs } = await client.range(EVERYTHING, { timeoutMs: CALL_TIMEOUT_MS * 4 });
        for (const { key, mod_revision } of kvs) found.set(mod_revision, text(key));
        break;
      } catch {
        // Not running any more.
      }
    }
    for (const [revision, key] of this.#acknowledged) {
      if (found.get(revision) !== key) this.#violation(`acknowledged but lost: ${key} at ${revision}`);
      for (const { name, seen } of this.#watchers) {
        if (seen.get(revision) !== key) this.#violation(`${name} did not see ${key} at ${revision}`);
      }
    }
  }

  #violation(what: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(what);
  }
}

/** Watches everything from revision `next` on. Every change of the load is one revision, so none may be missing in between. */
class Watcher {
  readonly name: string;
  readonly seen = new Map<bigint, string>();
  readonly #clients: readonly RawClient[];
  readonly #violation: (what: string) => void;
  #at: number;
  /** The revision that comes next. */
  next = 0n;
  #stopAt: { readonly revision: bigint; readonly deadlineMs: number } | undefined;

  constructor(clients: readonly RawClient[], number: number, violation: (what: string) => void) {
    this.name = `watcher ${number}`;
    this.#clients = clients;
    this.#at = number;
    this.#violation = violation;
  }

  stopAt(revision: bigint): void {
    this.#stopAt = { revision, deadlineMs: Date.now() + DRAIN_MS };
  }

  async run(): Promise<void> {
    while (!this.#done()) {
      const client = this.#clients[this.#at++ % this.#clients.length] as RawClient;
      try {
        await this.#watch(client);
      } catch {
        await sleep(PAUSE_MS);
      }
    }
  }

  async #watch(client: RawClient): Promise<void> {
    const stream = client.watch({ metadata: { hasleader: 'true' } });
    try {
      stream.send({ create_request: { ...EVERYTHING, start_revision: this.next } });
      while (!this.#done()) {
        const { canceled, compact_revision, events } = await stream.next(SILENCE_MS);
        if (compact_revision > 0n) this.#violation(`${this.name}: compacted at ${compact_revision}`);
        if (canceled) return;
        for (const { kv } of events) this.#take(kv.mod_revision, text(kv.key), client.endpoint);
      }
    } finally {
      stream.cancel();
    }
  }

  #take(revision: bigint, key: string, endpoint: string): void {
    if (revision !== this.next) {
      this.#violation(`${this.name} through ${endpoint}: revision ${revision} instead of ${this.next}`);
    }
    this.seen.set(revision, key);
    this.next = revision + 1n;
  }

  #done(): boolean {
    if (this.#stopAt === undefined) return false;
    return this.next > this.#stopAt.revision || Date.now() > this.#stopAt.deadlineMs;
  }
}
