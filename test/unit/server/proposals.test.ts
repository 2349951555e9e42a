import { describe, expect, it } from 'vitest';
import { etcdError } from '../../../src/base/etcd-error.ts';
import { Proposals } from '../../../src/server/proposals.ts';
import { RequestIds } from '../../../src/server/request-ids.ts';

const none = { kind: 'none' } as const;

describe('Proposals', () => {
  it('settle under their id, once', async () => {
    const proposals = new Proposals(7000);
    const [first, second] = [proposals.add(1n, none, 0), proposals.add(2n, none, 0)];
    expect(proposals.commandOf(1n)).toBe(none);
    proposals.settle(2n, undefined, etcdError('NoSpace'));
    proposals.settle(1n, { header: { revision: 5 } }, undefined);
    proposals.settle(1n, { header: { revision: 6 } }, undefined);
    expect(await first).toEqual({ header: { revision: 5 } });
    await expect(second).rejects.toThrow('database space exceeded');
    expect([proposals.size, proposals.commandOf(1n)]).toEqual([0, undefined]);
  });

  it('time out in order, and not when they were settled before', async () => {
    const proposals = new Proposals(7000);
    const late = proposals.add(1n, none, 0);
    void proposals.add(2n, none, 0);
    const later = proposals.add(3n, none, 100);
    proposals.settle(2n, undefined, undefined);
    expect(proposals.expire(6999)).toBe(0);
    expect(proposals.expire(7000)).toBe(1);
    await expect(late).rejects.toThrow('etcdserver: request timed out');
    expect(proposals.size).toBe(1);
    proposals.failAll(etcdError('Stopped'));
    await expect(later).rejects.toThrow('etcdserver: server stopped');
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
