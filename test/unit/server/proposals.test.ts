import { describe, expect, it } from 'vitest';
import { etcdError } from '../../../src/base/etcd-error.ts';
import { Proposals } from '../../../src/server/proposals.ts';
import { RequestIds } from '../../../src/server/request-ids.ts';

const none = { kind: 'none' } as const;
const ONE = new Uint8Array([1]);
const TWO = new Uint8Array([2, 2]);

describe('Proposals', () => {
  it('settle under their id, once', async () => {
    const proposals = new Proposals(7000);
    const [first, second] = [proposals.add(1n, none, 0, ONE), proposals.add(2n, none, 0, TWO)];
    expect(proposals.commandOf(1n, ONE)).toBe(none);
    proposals.settle(2n, undefined, etcdError('NoSpace'));
    proposals.settle(1n, { header: { revision: 5 } }, undefined);
    proposals.settle(1n, { header: { revision: 6 } }, undefined);
    expect(await first).toEqual({ header: { revision: 5 } });
    await expect(second).rejects.toThrow('database space exceeded');
    expect([proposals.size, proposals.commandOf(1n, ONE)]).toEqual([0, undefined]);
  });

  it('time out in order, and not when they were settled before', async () => {
    const proposals = new Proposals(7000);
    const late = proposals.add(1n, none, 0, ONE);
    void proposals.add(2n, none, 0, TWO);
    const later = proposals.add(3n, none, 100, ONE);
    proposals.settle(2n, undefined, undefined);
    expect(proposals.expire(6999)).toBe(0);
    expect(proposals.expire(7000)).toBe(1);
    await expect(late).rejects.toThrow('etcdserver: request timed out');
    expect(proposals.size).toBe(1);
    proposals.failAll(etcdError('Stopped'));
    await expect(later).rejects.toThrow('etcdserver: server stopped');
  });
});

describe('Proposals, further', () => {
  it('know their command only by the very bytes that were proposed', () => {
    const proposals = new Proposals(7000);
    void proposals.add(1n, none, 0, ONE);
    expect(proposals.commandOf(1n, ONE.slice())).toBeUndefined();
    expect(proposals.commandOf(2n, ONE)).toBeUndefined();
    expect(proposals.commandOf(1n, ONE)).toBe(none);
  });

  it('count their bytes until they are settled, failed or given up', async () => {
    const proposals = new Proposals(7000);
    const ends = [1n, 2n, 3n, 4n].map((id) => proposals.add(id, none, Number(id), TWO));
    expect(proposals.bytes).toBe(8);
    proposals.settle(1n, undefined, undefined);
    proposals.settle(1n, undefined, undefined);
    expect(proposals.bytes).toBe(6);
    proposals.fail(2n, new Error('dropped'));
    expect(proposals.bytes).toBe(4);
    proposals.expire(7003);
    expect([proposals.bytes, proposals.size]).toEqual([2, 1]);
    proposals.failAll(etcdError('Stopped'));
    expect(proposals.bytes).toBe(0);
    const outcomes = await Promise.allSettled(ends);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
  });

  it('forget the deadlines of what was settled long before they are due', () => {
    const proposals = new Proposals(7000);
    for (let id = 1n; id <= 1000n; id++) {
      void proposals.add(id, none, 0, ONE);
      proposals.settle(id, undefined, undefined);
    }
    void proposals.add(5000n, none, 50, ONE);
    proposals.expire(100);
    expect(proposals.deadlines).toBe(1);
  });
});

describe('RequestIds', () => {
  it('carry the member, the time and a counter, and never come twice', () => {
    const ids = new RequestIds(0x8e9e05c52164694dn, 1_700_000_000_000);
    const made = Array.from({ length: 1000 }, () => ids.next());
    expect(new Set(made).size).toBe(1000);
    for (const id of made) expect(id >> 48n).toBe(0x694dn);
    expect(((made[0] ?? 0n) >> 8n) & 0xff_ffff_ffffn).toBe(BigInt(1_700_000_000_000 % 2 ** 40));
    // A restart a millisecond later does not meet the counter of the first run's first requests.
    expect(new RequestIds(0x8e9e05c52164694dn, 1_700_000_000_001).next()).not.toBe(made[0]);
  });

  it('make leases positive', () => {
    const ids = new RequestIds(0xffffn, 2 ** 40 - 1);
    for (let i = 0; i < 300; i++) expect(ids.nextLeaseId()).toBeGreaterThan(0n);
  });
});
