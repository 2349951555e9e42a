/**
 * The lessor against a model that keeps one list of leases and looks at all of them every time, through random sequences
 * of operations in virtual time. What the model demands: no lease early, none lost, a renewal extends, a new primary
 * starts anew.
 */
import { describe, expect, it } from 'vitest';
import { EtcdError } from '../../../src/base/etcd-error.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { leaseTableKey } from '../../../src/lease/lease-table.ts';
import { Lessor, PROMOTED_EXPIRIES_PER_SECOND } from '../../../src/lease/lessor.ts';

const SEEDS = 3000;
const STEPS = 60;
const REVOKE_RETRY_MS = 7000;
const TTL_SECONDS_MIN = 2;

interface ModelLease {
  id: bigint;
  ttlSeconds: number;
  checkpointSeconds: number;
  expiryMs: number;
  /** When expired() must give it out; later than expiryMs once it was given out. */
  dueMs: number;
}

class ModelLessor {
  leases: ModelLease[] = [];
  primary = false;

  find(id: bigint): ModelLease | undefined {
    return this.leases.find((lease) => lease.id === id);
  }

  start(lease: ModelLease, expiryMs: number): void {
    lease.expiryMs = expiryMs;
    lease.dueMs = expiryMs;
  }

  grant(id: bigint, ttlSeconds: number, nowMs: number): number | string {
    if (this.find(id) !== undefined) return 'etcdserver: lease already exists';
    const ttl = Math.max(ttlSeconds, TTL_SECONDS_MIN);
    const expiryMs = this.primary ? nowMs + ttl * 1000 : Infinity;
    this.leases.push({ id, ttlSeconds: ttl, checkpointSeconds: 0, expiryMs, dueMs: expiryMs });
    return ttl;
  }

  revoke(id: bigint): string {
    if (this.find(id) === undefined) return 'etcdserver: requested lease not found';
    this.leases = this.leases.filter((lease) => lease.id !== id);
    return '';
  }

  renew(id: bigint, nowMs: number): string {
    if (!this.primary) return 'notPrimary';
    const lease = this.find(id);
    if (lease === undefined) return 'notFound';
    if (lease.expiryMs <= nowMs) return 'expired';
    this.start(lease, nowMs + lease.ttlSeconds * 1000);
    return 'renewed';
  }

  promote(extendMs: number, nowMs: number): void {
    this.primary = true;
    for (const lease of this.leases) {
      this.start(lease, nowMs + extendMs + (lease.checkpointSeconds || lease.ttlSeconds) * 1000);
    }
  }

  demote(): void {
    this.primary = false;
    for (const lease of this.leases) this.start(lease, Infinity);
  }

  due(nowMs: number): ModelLease[] {
    return this.leases.filter((lease) => lease.dueMs <= nowMs);
  }
}

function same(actual: unknown, wanted: unknown, what: string): void {
  if (actual !== wanted) throw new Error(`${what}: ${String(actual)}, not ${String(wanted)}`);
}

/** One random run; throws at the first difference. */
class Run {
  readonly random: SeededRandom;
  readonly model = new ModelLessor();
  readonly rows = new Map<bigint, Uint8Array>();
  lessor = this.newLessor();
  nowMs = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  newLessor(): Lessor {
    return new Lessor(
      {
        ttlSecondsMin: TTL_SECONDS_MIN,
        revokeRetryMs: REVOKE_RETRY_MS,
        checkpointIntervalMs: 0,
        checkpointPersist: () => true,
      },
      { put: (id, record) => void this.rows.set(id, record), delete: (id) => void this.rows.delete(id) },
      { keysOf: (id) => [leaseTableKey(id)] },
    );
  }

  attempt<T>(run: () => T): T | string {
    try {
      return run();
    } catch (error) {
      if (error instanceof EtcdError) return error.message;
      throw error;
    }
  }

  step(): void {
    this.nowMs += [0, 1, 500, 3000][this.random.below(4)]! + this.random.below(3);
    const id = BigInt(1 + this.random.below(8));
    const kind = this.random.below(16);
    if (kind < 3) {
      const ttl = this.random.below(12) - 1;
      same(
        this.attempt(() => this.lessor.grant(id, ttl, this.nowMs)),
        this.model.grant(id, ttl, this.nowMs),
        'grant',
      );
    } else if (kind < 4) {
      const answer = this.attempt(() => this.lessor.revoke(id));
      same(typeof answer === 'string' ? answer : '', this.model.revoke(id), 'revoke');
    } else if (kind < 8) {
      same(this.lessor.renew(id, this.nowMs).status, this.model.renew(id, this.nowMs), 'renew');
    } else if (kind < 13) {
      this.expire();
    } else if (kind < 14) {
      const seconds = this.random.below(5);
      const lease = this.model.find(id);
      if (lease !== undefined) {
        lease.checkpointSeconds = seconds;
        this.lessor.checkpoint(id, seconds);
      }
    } else this.changePrimary();
    this.compare();
  }

  expire(): void {
    const max = 1 + this.random.below(4);
    const due = this.model.due(this.nowMs);
    const ids = this.lessor.expired(this.nowMs, max);
    same(ids.length, Math.min(max, due.length), 'expired');
    const notGiven = due.filter((lease) => !ids.includes(lease.id));
    for (const id of ids) {
      const lease = due.find((one) => one.id === id);
      if (lease === undefined) throw new Error(`lease ${id} is not due`);
      if (notGiven.some((other) => other.dueMs < lease.dueMs)) throw new Error(`lease ${id} was not the longest due`);
      lease.dueMs = this.nowMs + REVOKE_RETRY_MS;
      if (this.random.below(2) === 0) {
        this.lessor.revoke(id);
        this.model.revoke(id);
      }
    }
  }

  changePrimary(): void {
    const kind = this.random.below(4);
    if (kind === 0) {
      this.lessor.demote();
      this.model.demote();
    } else if (kind === 1) {
      this.lessor = this.newLessor();
      this.lessor.load([...this.rows].map(([id, value]) => ({ key: leaseTableKey(id), value })));
      this.model.demote();
      for (const lease of this.model.leases) same(this.stored(lease.id), lease.checkpointSeconds, 'stored checkpoint');
    } else {
      const extendMs = this.random.below(3000);
      this.lessor.promote(extendMs, this.nowMs);
      this.model.promote(extendMs, this.nowMs);
    }
  }

  stored(id: bigint): number {
    const row = this.rows.get(id)!;
    const at = row.indexOf(24, 3);
    return at < 0 ? 0 : row[at + 1]!;
  }

  compare(): void {
    same(this.lessor.primary, this.model.primary, 'primary');
    same(this.lessor.size, this.model.leases.length, 'size');
    same(this.rows.size, this.model.leases.length, 'rows');
    for (const lease of this.model.leases) {
      const time = this.lessor.timeToLive(lease.id, this.nowMs);
      same(time?.grantedTtlSeconds, lease.ttlSeconds, 'granted TTL');
      const remaining = this.model.primary ? Math.trunc((lease.expiryMs - this.nowMs) / 1000) : undefined;
      same(time?.remainingSeconds, remaining, 'remaining');
    }
    const expiries = this.lessor.leases().map((id) => this.model.find(id)!.expiryMs);
    same(expiries.join(), expiries.toSorted((a, b) => a - b).join(), 'order of leases');
  }
}

describe('Lessor', () => {
  it(`does what a list of leases would do, through ${SEEDS} random runs`, () => {
    let expired = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const run = new Run(seed);
      for (let step = 0; step < STEPS; step++) {
        try {
          run.step();
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}`, { cause: error });
        }
      }
      expired += run.lessor.totals.expired;
    }
    expect(expired).toBeGreaterThan(SEEDS);
  });

  it('spreads the expiries of a promotion: never early, in order, never more than the limit in a second', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new SeededRandom(seed);
      const run = new Run(seed);
      const ttls = new Map<bigint, number>();
      const spanSeconds = 1 + random.below(10);
      for (let id = 1n; id <= 5000n; id++) ttls.set(id, run.lessor.grant(id, 2 + random.below(spanSeconds), 0));
      run.lessor.promote(500, 0);
      const perSecond: number[] = [];
      let longest = 0;
      for (let nowMs = 0; ttls.size > 0; nowMs += 100) {
        if (nowMs > 60_000) throw new Error(`seed ${seed}: ${ttls.size} leases never expired`);
        const longestBefore = longest;
        for (const id of run.lessor.expired(nowMs, 1e6)) {
          const ttl = ttls.get(id)!;
          if (nowMs < 500 + ttl * 1000) throw new Error(`seed ${seed}: lease ${id} early at ${nowMs}`);
          if (ttl < longestBefore) throw new Error(`seed ${seed}: lease ${id} out of order`);
          longest = Math.max(longest, ttl);
          run.lessor.revoke(id);
          ttls.delete(id);
          perSecond.push(nowMs);
        }
      }
      const most = perSecond.findIndex(
        (at, i) => (perSecond[i + PROMOTED_EXPIRIES_PER_SECOND] ?? Infinity) - at < 1000,
      );
      expect(most).toBe(-1);
    }
  });
});
