import { expect, it } from 'vitest';
import type { RangeRequest, SortTarget } from '../../support/api-messages.ts';
import { describeTargets } from '../../support/target.ts';
import { under } from '../../support/values.ts';

/**
 * Four keys whose order differs for every sort target:
 *   by key      a b c d
 *   by version  b(1) d(2) a(3) c(4)
 *   by create   c a d b
 *   by mod      d a c b
 *   by value    c d b a
 */
describeTargets('range with an order', (target) => {
  let prefix = '';

  it('fills the keys that the other tests read', async () => {
    const { client } = target();
    prefix = target().prefix();
    const writes = 'c a d c a c d a c b'.split(' ');
    const value: Record<string, string> = { a: '4', b: '3', c: '1', d: '2' };
    for (const name of writes) await client.put({ key: prefix + name, value: value[name] ?? '' });
    expect(await names({})).toBe('a b c d');
  });

  async function names(options: RangeRequest): Promise<string> {
    const { kvs } = await target().client.range({ ...under(prefix), ...options });
    return kvs.map((kv) => Buffer.from(kv.key).toString().slice(prefix.length)).join(' ');
  }

  const ascending: Record<SortTarget, string> = {
    KEY: 'a b c d',
    VERSION: 'b d a c',
    CREATE: 'c a d b',
    MOD: 'd a c b',
    VALUE: 'c d b a',
  };

  for (const [sort_target, order] of Object.entries(ascending) as [SortTarget, string][]) {
    const descending = order.split(' ').toReversed();

    it(`sorts by ${sort_target} ascending, then cuts`, async () => {
      expect(await names({ sort_order: 'ASCEND', sort_target })).toBe(order);
      expect(await names({ sort_order: 'ASCEND', sort_target, limit: 2 })).toBe(order.split(' ').slice(0, 2).join(' '));
    });

    it(`sorts by ${sort_target} descending, then cuts`, async () => {
      expect(await names({ sort_order: 'DESCEND', sort_target })).toBe(descending.join(' '));
      expect(await names({ sort_order: 'DESCEND', sort_target, limit: 3 })).toBe(descending.slice(0, 3).join(' '));
    });
  }

  it('with order NONE sorts by a target other than KEY ascending', async () => {
    for (const sort_target of ['VERSION', 'CREATE', 'MOD', 'VALUE'] as const) {
      expect(await names({ sort_order: 'NONE', sort_target })).toBe(ascending[sort_target]);
    }
  });

  it('with order NONE and a limit sorts only the first limit+1 keys, then cuts', async () => {
    // The first three by key are a b c; of these by version b(1) a(3), by value c b.
    expect(await names({ sort_target: 'VERSION', limit: 2 })).toBe('b a');
    expect(await names({ sort_target: 'VALUE', limit: 2 })).toBe('c b');
    expect(await names({ sort_target: 'MOD', limit: 1 })).toBe('a');
  });

  it('says more and count as without an order', async () => {
    const cut = await target().client.range({ ...under(prefix), sort_order: 'DESCEND', sort_target: 'MOD', limit: 3 });
    expect(cut).toMatchObject({ more: true, count: 4n });
    const whole = await target().client.range({
      ...under(prefix),
      sort_order: 'DESCEND',
      sort_target: 'MOD',
      limit: 4,
    });
    expect(whole).toMatchObject({ more: false, count: 4n });
  });

  it('sorts what the revision filters left', async () => {
    const { header } = await target().client.range({ key: prefix });
    // b was written last, c before it.
    const min_mod_revision = header.revision - 1n;
    expect(await names({ sort_order: 'ASCEND', sort_target: 'VALUE', min_mod_revision })).toBe('c b');
    expect(await names({ sort_order: 'DESCEND', sort_target: 'KEY', min_mod_revision, limit: 1 })).toBe('c');
  });

  it('sorts the past', async () => {
    const { header } = await target().client.range({ key: prefix });
    const revision = header.revision - 1n;
    expect(await names({ sort_order: 'DESCEND', sort_target: 'VERSION', revision })).toBe('c a d');
  });
});
