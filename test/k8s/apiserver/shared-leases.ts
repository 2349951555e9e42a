import type { RawClient } from '../../support/raw-client.ts';
import type { Errors } from './errors.ts';
import type { Figures } from './figures.ts';
import type { Findings } from './findings.ts';
import type { Stored } from './cache-state.ts';

const OBJECTS_PER_LEASE_MAX = 1_000;
/** A lease is handed out for at most this share of its time, so that objects live about as long as asked. */
const REUSE_SHARE = 0.1;
/** How late a lease may end on a busy machine, and after each time that a server came back, when leases start anew. */
const LATE_MAX_MS = 20_000;

interface Granted {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly askedMs: number;
  readonly keys: Set<string>;
  uses: number;
}

/**
 * Leases as an API server takes them: one for up to 1,000 objects, never kept alive, never revoked. Follows by the watch which
 * of its objects are there: none may end early, none may stay.
 */
export class SharedLeases {
  readonly #client: RawClient;
  readonly #ttlSeconds: number;
  readonly #findings: Findings;
  readonly #figures: Figures;
  readonly #errors: Errors;
  readonly #granted = new Map<bigint, Granted>();
  #current: Promise<Granted> | undefined;
  #lastFaultMs = 0;

  constructor(client: RawClient, ttlSeconds: number, findings: Findings, figures: Figures, errors: Errors) {
    this.#client = client;
    this.#ttlSeconds = ttlSeconds;
    this.#findings = findings;
    this.#figures = figures;
    this.#errors = errors;
  }

  /** The id of a lease for one more object. */
  async take(): Promise<bigint> {
    for (;;) {
      this.#current ??= this.#grant();
      const promise = this.#current;
      const lease = await promise.catch((error: unknown) => {
        if (this.#current === promise) this.#current = undefined;
        throw error;
      });
      const isFresh = performance.now() - lease.askedMs < lease.ttlMs * REUSE_SHARE;
      if (isFresh && lease.uses < OBJECTS_PER_LEASE_MAX) {
        lease.uses++;
        return lease.id;
      }
      if (this.#current === promise) this.#current = undefined;
    }
  }

  /** For the watch cache: it started again from a list. */
  onList(objects: ReadonlyMap<string, Stored>): void {
    for (const { id, keys } of this.#granted.values()) {
      for (const key of keys) if (objects.get(key)?.lease !== id) keys.delete(key);
    }
    for (const { key, lease } of objects.values()) this.#granted.get(lease)?.keys.add(key);
  }

  /** For the watch cache: what was put or deleted. */
  onEvent(type: 'PUT' | 'DELETE', key: string, before: Stored | undefined, now: Stored): void {
    const lease = before && this.#granted.get(before.lease);
    lease?.keys.delete(key);
    if (type === 'PUT') this.#granted.get(now.lease)?.keys.add(key);
    if (type === 'PUT' || lease === undefined) return;
    this.#figures.expired++;
    const aliveMs = performance.now() - lease.askedMs;
    this.#findings.hold(aliveMs >= lease.ttlMs, 'no lease ends early', () => {
      return `${key} after ${aliveMs.toFixed(0)} ms of ${lease.ttlMs}`;
    });
  }

  /** To be called from time to time. */
  check(): void {
    const nowMs = performance.now();
    if (this.#errors.isFault) this.#lastFaultMs = nowMs;
    for (const lease of this.#granted.values()) {
      const overdueMs = nowMs - Math.max(lease.askedMs, this.#lastFaultMs) - lease.ttlMs;
      if (overdueMs < LATE_MAX_MS) continue;
      this.#findings.hold(lease.keys.size === 0, 'a lease that ends deletes its keys, and watches hear of it', () => {
        return `${[...lease.keys].slice(0, 3).join(', ')} ${overdueMs.toFixed(0)} ms after the end of their lease`;
      });
      this.#granted.delete(lease.id);
    }
  }

  async #grant(): Promise<Granted> {
    const askedMs = performance.now();
    const { ID: id, TTL } = await this.#client.leaseGrant({ TTL: this.#ttlSeconds });
    const lease: Granted = { id, ttlMs: Number(TTL) * 1000, askedMs, keys: new Set(), uses: 0 };
    this.#granted.set(id, lease);
    return lease;
  }
}
