import { describe, expect, it } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { EtcdError } from '../../../src/base/etcd-error.ts';
import { decodeLease } from '../../../src/gen/leasepb.ts';
import { leaseTableKey } from '../../../src/lease/lease-table.ts';
import { Lessor, PROMOTED_EXPIRIES_PER_SECOND, type LessorOptions } from '../../../src/lease/lessor.ts';

/** CPU time of this process: unlike the wall's, not that of whatever else the machine does. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const OPTIONS: LessorOptions = {
  ttlSecondsMin: 2,
  revokeRetryMs: 7000,
  checkpointIntervalMs: 0,
  checkpointPersist: () => false,
};

/** A lessor over an in-memory table and a fixed assignment of keys. */
class Fixture {
  readonly rows = new Map<bigint, Uint8Array>();
  readonly keys = new Map<bigint, string[]>();
  readonly lessor: Lessor;

  constructor(options: Partial<LessorOptions> = {}) {
    this.lessor = new Lessor(
      { ...OPTIONS, ...options },
      { put: (id, record) => void this.rows.set(id, record), delete: (id) => void this.rows.delete(id) },
      { keysOf: (id) => (this.keys.get(id) ?? []).map((key) => new TextEncoder().encode(key)) },
    );
  }

  table(): { key: Uint8Array; value: Uint8Array }[] {
    return [...this.rows].map(([id, value]) => ({ key: leaseTableKey(id), value }));
  }
}

function errorOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof EtcdError) return error.message;
    throw error;
  }
  return 'no error';
}

const text = (keys: Uint8Array[]): string[] => keys.map((key) => new TextDecoder().decode(key));

describe('Lessor.grant', () => {
  it('raises TTLs below the minimum, zero and negative ones included', () => {
    const { lessor } = new Fixture();
    expect(lessor.grant(1n, 1, 0)).toBe(2);
    expect(lessor.grant(2n, 0, 0)).toBe(2);
    expect(lessor.grant(3n, -5, 0)).toBe(2);
    expect(lessor.grant(4n, 3, 0)).toBe(3);
  });

  it('refuses too large TTLs, ids in use and id 0, and leaves no trace of them', () => {
    const { lessor, rows } = new Fixture();
    lessor.grant(1n, 10, 0);
    expect(errorOf(() => lessor.grant(2n, 9_000_000_001, 0))).toBe('etcdserver: too large lease TTL');
    expect(errorOf(() => lessor.grant(1n, 10, 0))).toBe('etcdserver: lease already exists');
    expect(errorOf(() => lessor.grant(0n, 10, 0))).toBe('etcdserver: requested lease not found');
    expect([...rows.keys()]).toEqual([1n]);
    expect(lessor.grant(2n, 9_000_000_000, 0)).toBe(9_000_000_000);
  });

  it('stores leasepb.Lease under the big-endian id', () => {
    const { lessor, rows } = new Fixture();
    lessor.grant(0x7fff_ffff_ffff_fff1n, 300, 0);
    const [row] = [...rows.values()];
    expect(decodeLease(row!)).toEqual({ ID: 0x7fff_ffff_ffff_fff1n, TTL: 300, remainingTTL: 0 });
    expect(toHex(leaseTableKey(0x0102_0304_0506_0708n))).toBe('0102030405060708');
    expect(toHex(leaseTableKey(-2n))).toBe('fffffffffffffffe');
  });
});

describe('Lessor.revoke', () => {
  it('returns the attached keys in key order and removes the row', () => {
    const { lessor, rows, keys } = new Fixture();
    lessor.grant(1n, 10, 0);
    keys.set(1n, ['b', 'a', 'aa', '']);
    expect(text(lessor.keysOf(1n))).toEqual(['', 'a', 'aa', 'b']);
    expect(text(lessor.revoke(1n))).toEqual(['', 'a', 'aa', 'b']);
    expect(rows.size).toBe(0);
    expect(lessor.has(1n)).toBe(false);
    expect(errorOf(() => lessor.revoke(1n))).toBe('etcdserver: requested lease not found');
    expect(lessor.keysOf(1n)).toEqual([]);
  });
});

describe('Lessor as the primary', () => {
  it('expires a lease at its TTL and not a millisecond early', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 1000);
    lessor.grant(1n, 5, 1000);
    expect(lessor.expired(5999, 10)).toEqual([]);
    expect(lessor.renew(1n, 5999)).toEqual({ status: 'renewed', ttlSeconds: 5, clearCheckpoint: false });
    expect(lessor.expired(10_998, 10)).toEqual([]);
    expect(lessor.expired(10_999, 10)).toEqual([1n]);
  });

  it('does not renew what has expired, found or not, and says when it is settled', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 0);
    lessor.grant(1n, 5, 0);
    expect(lessor.renew(1n, 5000)).toEqual({ status: 'expired' });
    expect(lessor.expired(5000, 10)).toEqual([1n]);
    expect(lessor.renew(1n, 5000)).toEqual({ status: 'expired' });
    const settled: string[] = [];
    lessor.whenSettled(1n, () => settled.push('first'));
    const cancel = lessor.whenSettled(1n, () => settled.push('cancelled'));
    lessor.whenSettled(1n, () => settled.push(lessor.renew(1n, 5000).status));
    cancel();
    expect(settled).toEqual([]);
    lessor.revoke(1n);
    expect(settled).toEqual(['first', 'notFound']);
    lessor.whenSettled(1n, () => settled.push('at once'));
    expect(settled).toEqual(['first', 'notFound', 'at once']);
  });

  it('settles who waits when it is demoted', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 0);
    lessor.grant(1n, 5, 0);
    const settled: string[] = [];
    lessor.whenSettled(1n, () => settled.push(lessor.renew(1n, 6000).status));
    lessor.demote();
    expect(settled).toEqual(['notPrimary']);
  });

  it('gives an expired lease out again after the retry time, until it is revoked', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 0);
    lessor.grant(1n, 5, 0);
    expect(lessor.expired(5000, 10)).toEqual([1n]);
    expect(lessor.expired(11_999, 10)).toEqual([]);
    expect(lessor.expired(12_000, 10)).toEqual([1n]);
    lessor.revoke(1n);
    expect(lessor.expired(100_000, 10)).toEqual([]);
    expect(lessor.totals).toMatchObject({ granted: 1, revoked: 1, expired: 1 });
  });

  it('hands expired leases out in batches, longest expired first', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 0);
    for (let id = 1n; id <= 50n; id++) lessor.grant(id, 100 - Number(id), 0);
    expect(lessor.expired(1_000_000, 3)).toEqual([50n, 49n, 48n]);
    expect(lessor.expired(1_000_000, 3)).toEqual([47n, 46n, 45n]);
    expect(lessor.expired(1_000_000, 100)).toHaveLength(44);
    expect(lessor.expired(1_000_000, 100)).toEqual([]);
  });

  it('tells remaining time truncated, and orders leases by expiry', () => {
    const { lessor } = new Fixture();
    lessor.grant(1n, 30, 0);
    expect(lessor.timeToLive(1n, 0)).toEqual({ grantedTtlSeconds: 30, remainingSeconds: undefined });
    lessor.promote(0, 0);
    lessor.grant(2n, 10, 0);
    lessor.grant(3n, 20, 0);
    expect(lessor.timeToLive(1n, 1)).toEqual({ grantedTtlSeconds: 30, remainingSeconds: 29 });
    expect(lessor.timeToLive(2n, 10_500)).toEqual({ grantedTtlSeconds: 10, remainingSeconds: 0 });
    expect(lessor.timeToLive(9n, 0)).toBeUndefined();
    expect(lessor.leases()).toEqual([2n, 3n, 1n]);
    lessor.renew(2n, 9999);
    expect(lessor.leases()).toEqual([2n, 3n, 1n]);
    lessor.renew(3n, 9999);
    expect(lessor.leases()).toEqual([2n, 3n, 1n]);
    lessor.renew(2n, 19_998);
    lessor.renew(2n, 25_000);
    lessor.renew(3n, 25_001);
    expect(lessor.leases()).toEqual([1n, 2n, 3n]);
  });
});

describe('Lessor, changes of the primary', () => {
  it('never expires a lease while it is not the primary', () => {
    const { lessor } = new Fixture();
    lessor.grant(1n, 5, 0);
    expect(lessor.expired(1e12, 10)).toEqual([]);
    expect(lessor.renew(1n, 0)).toEqual({ status: 'notPrimary' });
    lessor.promote(0, 0);
    lessor.demote();
    expect(lessor.expired(1e12, 10)).toEqual([]);
  });

  it('starts every lease anew, with the extension, and frees those whose revoke was under way', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 0);
    lessor.grant(1n, 5, 0);
    expect(lessor.expired(5000, 10)).toEqual([1n]);
    lessor.demote();
    lessor.promote(1000, 6000);
    expect(lessor.expired(11_999, 10)).toEqual([]);
    expect(lessor.renew(1n, 11_999).status).toBe('renewed');
    /** A renewal may bring the expiry forward: the extension is given once. */
    lessor.demote();
    lessor.promote(10_000, 20_000);
    lessor.renew(1n, 20_000);
    expect(lessor.expired(24_999, 10)).toEqual([]);
    expect(lessor.expired(25_000, 10)).toEqual([1n]);
  });

  it('spreads expiries so that no second has more than its share', () => {
    const { lessor } = new Fixture();
    for (let id = 1n; id <= 3500n; id++) lessor.grant(id, 5, 0);
    lessor.promote(0, 0);
    const perSecond = [5000, 6000, 7000, 8000, 9000].map((nowMs) => lessor.expired(nowMs, 1e6).length);
    expect(perSecond).toEqual([PROMOTED_EXPIRIES_PER_SECOND, 1000, 1000, 500, 0]);
  });

  it('survives a restart with its rows, TTLs below a new minimum raised', () => {
    const before = new Fixture();
    before.lessor.grant(7n, 2, 0);
    before.lessor.grant(8n, 60, 0);
    const after = new Fixture({ ttlSecondsMin: 5 });
    after.lessor.grant(99n, 60, 0);
    after.lessor.load(before.table());
    expect(after.lessor.leases()).toEqual([7n, 8n]);
    expect(after.lessor.timeToLive(7n, 0)?.grantedTtlSeconds).toBe(5);
    after.lessor.promote(0, 0);
    expect(after.lessor.expired(4999, 10)).toEqual([]);
    expect(after.lessor.expired(5000, 10)).toEqual([7n]);
  });
});

describe('Lessor checkpoints', () => {
  const CHECKPOINTS = { checkpointIntervalMs: 300_000, checkpointPersist: () => true };

  it('come due every interval for long leases only, in batches', () => {
    const { lessor } = new Fixture(CHECKPOINTS);
    lessor.promote(0, 0);
    lessor.grant(1n, 1000, 0);
    lessor.grant(2n, 300, 0);
    lessor.grant(3n, 2000, 0);
    expect(lessor.checkpointsDue(299_999, 10)).toEqual([]);
    const first = lessor.checkpointsDue(300_000, 1);
    expect([...first, ...lessor.checkpointsDue(300_000, 10)].sort((a, b) => Number(a.id - b.id))).toEqual([
      { id: 1n, remainingTtlSeconds: 700 },
      { id: 3n, remainingTtlSeconds: 1700 },
    ]);
    expect(lessor.checkpointsDue(300_000, 10)).toEqual([]);
    expect(lessor.checkpointsDue(600_000, 10)).toHaveLength(2);
    /** 1n has 100 s left at 900 s: less than an interval, so no more checkpoints after this one. */
    expect(lessor.checkpointsDue(900_000, 10).map((due) => due.id)).toContain(1n);
    expect(lessor.checkpointsDue(950_000, 10)).toEqual([]);
  });

  it('shorten the time a new primary gives, survive a restart, and are cleared by a renewal', () => {
    const before = new Fixture(CHECKPOINTS);
    before.lessor.grant(1n, 1000, 0);
    before.lessor.checkpoint(1n, 400);
    expect(decodeLease(before.rows.get(1n)!)).toEqual({ ID: 1n, TTL: 1000, remainingTTL: 400 });
    const next = new Fixture(CHECKPOINTS).lessor;
    next.load(before.table());
    next.promote(1000, 0);
    expect(next.expired(400_999, 10)).toEqual([]);
    expect(next.renew(1n, 400_999)).toEqual({ status: 'renewed', ttlSeconds: 1000, clearCheckpoint: true });
    // Until that has gone through the log.
    expect(next.renew(1n, 400_999)).toEqual({ status: 'renewed', ttlSeconds: 1000, clearCheckpoint: true });
    next.checkpoint(1n, 0);
    expect(next.renew(1n, 400_999)).toEqual({ status: 'renewed', ttlSeconds: 1000, clearCheckpoint: false });
    expect(errorOf(() => next.checkpoint(5n, 1))).toBe('etcdserver: requested lease not found');
  });

  it('that were given out and not applied yet are cleared by a renewal too', () => {
    const { lessor } = new Fixture(CHECKPOINTS);
    lessor.promote(0, 0);
    lessor.grant(1n, 1000, 0);
    expect(lessor.checkpointsDue(300_000, 10)).toEqual([{ id: 1n, remainingTtlSeconds: 700 }]);
    expect(lessor.renew(1n, 300_000)).toMatchObject({ clearCheckpoint: true });
    lessor.checkpoint(1n, 700);
    expect(lessor.renew(1n, 300_001)).toMatchObject({ clearCheckpoint: true });
    lessor.checkpoint(1n, 0);
    expect(lessor.renew(1n, 300_002)).toMatchObject({ clearCheckpoint: false });
  });

  it('are not stored unless asked for', () => {
    const { lessor, rows } = new Fixture({ ...CHECKPOINTS, checkpointPersist: () => false });
    lessor.grant(1n, 1000, 0);
    lessor.checkpoint(1n, 400);
    expect(decodeLease(rows.get(1n)!).remainingTTL).toBe(0);
  });
});

describe('Lessor, size', () => {
  it('takes 50,000 leases that expire together, in batches, in well under a second', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 0);
    for (let id = 1n; id <= 50_000n; id++) lessor.grant(id, 60, 0);
    const started = cpuMs();
    let seen = 0;
    for (let batch = lessor.expired(60_000, 1000); batch.length > 0; batch = lessor.expired(60_000, 1000)) {
      seen += batch.length;
      for (const id of batch) lessor.revoke(id);
    }
    expect(seen).toBe(50_000);
    expect(cpuMs() - started).toBeLessThan(1000);
  });

  it('takes 300,000 renewals of 10,000 leases in well under a second', () => {
    const { lessor } = new Fixture();
    lessor.promote(0, 0);
    for (let id = 1n; id <= 10_000n; id++) lessor.grant(id, 60, 0);
    const started = cpuMs();
    for (let round = 1; round <= 30; round++) {
      for (let id = 1n; id <= 10_000n; id++) lessor.renew(id, round * 1000);
      expect(lessor.expired(round * 1000, 1000)).toEqual([]);
    }
    expect(cpuMs() - started).toBeLessThan(1500);
  });
});
