import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { keysOf, plainKv, text, under } from '../../support/values.ts';

describeTargets('range', (target) => {
  /** Puts prefix+name = name for each name, in that order, and returns the prefix. */
  async function fill(...names: string[]): Promise<string> {
    const prefix = target().prefix();
    for (const name of names) await target().client.put({ key: prefix + name, value: name });
    return prefix;
  }

  it('answers an empty range with no keys, count 0 and no error', async () => {
    const prefix = target().prefix();
    expect(await target().client.range(under(prefix))).toMatchObject({ kvs: [], count: 0n, more: false });
  });

  it('answers in key order by default, whatever the order of the writes', async () => {
    const prefix = await fill('c', 'a', 'b');
    expect(keysOf(await target().client.range(under(prefix)))).toEqual(['a', 'b', 'c'].map((name) => prefix + name));
  });

  it('limit cuts, more says so, count does not care', async () => {
    const prefix = await fill('a', 'b', 'c');
    const range = under(prefix);
    const { client } = target();
    expect(await client.range({ ...range, limit: 2 })).toMatchObject({ more: true, count: 3n });
    expect(keysOf(await client.range({ ...range, limit: 2 }))).toEqual([`${prefix}a`, `${prefix}b`]);
    expect(await client.range({ ...range, limit: 3 })).toMatchObject({ more: false, count: 3n });
    expect(await client.range({ ...range, limit: 4 })).toMatchObject({ more: false, count: 3n });
    expect(keysOf(await client.range({ ...range, limit: 0 }))).toHaveLength(3);
    expect(await client.range({ ...range, limit: -1 })).toMatchObject({ more: false, count: 3n });
    expect(keysOf(await client.range({ ...range, limit: -1 }))).toHaveLength(3);
    expect(await client.range({ ...range, limit: 1, count_only: true })).toMatchObject({
      more: false,
      count: 3n,
      kvs: [],
    });
  });

  it('count_only counts and sends no keys', async () => {
    const prefix = await fill('a', 'b', 'c');
    const { client } = target();
    expect(await client.range({ ...under(prefix), count_only: true })).toMatchObject({
      kvs: [],
      count: 3n,
      more: false,
    });
    const { revision } = (await client.deleteRange({ key: `${prefix}b` })).header;
    expect((await client.range({ ...under(prefix), count_only: true })).count).toBe(2n);
    expect((await client.range({ ...under(prefix), count_only: true, revision: revision - 1n })).count).toBe(3n);
    expect((await client.range({ key: `${prefix}a`, count_only: true })).count).toBe(1n);
  });

  it('keys_only sends everything but the value', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    const created = (await client.put({ key, value: '1' })).header.revision;
    const changed = (await client.put({ key, value: '2', lease: ID })).header.revision;
    const { kvs, count } = await client.range({ key, keys_only: true });
    expect(count).toBe(1n);
    // From 3.7 on keys come out of the in-memory index, which knows no leases.
    const lease = target().atLeast('3.7') ? 0n : ID;
    expect(kvs.map(plainKv)).toEqual([
      { key, value: '', create_revision: created, mod_revision: changed, version: 2n, lease },
    ]);
    const sorted = await client.range({ key, keys_only: true, sort_order: 'ASCEND', sort_target: 'VALUE' });
    expect(sorted.kvs.map(plainKv)).toMatchObject([{ key, value: '', lease: ID }]);
  });

  it('keys_only with sort target VALUE sorts by the values it leaves out', async () => {
    const prefix = target().prefix();
    for (const [name, value] of Object.entries({ a: '3', b: '1', c: '2' })) {
      await target().client.put({ key: prefix + name, value });
    }
    const range = await target().client.range({
      ...under(prefix),
      keys_only: true,
      sort_order: 'ASCEND',
      sort_target: 'VALUE',
    });
    expect(keysOf(range)).toEqual(['b', 'c', 'a'].map((name) => prefix + name));
    expect(range.kvs.every((kv) => kv.value.length === 0)).toBe(true);
  });

  it('reads the past at a revision', async () => {
    const { client } = target();
    const prefix = await fill('a', 'b');
    const { revision } = (await client.put({ key: `${prefix}a`, value: 'a2' })).header;
    await client.deleteRange({ key: `${prefix}b` });
    await client.put({ key: `${prefix}c`, value: 'c' });
    const values = async (at: bigint): Promise<string[]> =>
      (await client.range({ ...under(prefix), revision: at })).kvs.map((kv) => text(kv.value));
    expect(await values(revision - 3n)).toEqual([]);
    expect(await values(revision - 2n)).toEqual(['a']);
    expect(await values(revision - 1n)).toEqual(['a', 'b']);
    expect(await values(revision)).toEqual(['a2', 'b']);
    expect(await values(revision + 1n)).toEqual(['a2']);
    expect(await values(revision + 2n)).toEqual(['a2', 'c']);
    expect(await values(0n)).toEqual(['a2', 'c']);
    expect(await values(-1n)).toEqual(['a2', 'c']);
  });

  it('count at an old revision is that of then', async () => {
    const { client } = target();
    const prefix = await fill('a', 'b', 'c');
    const { revision } = (await client.deleteRange(under(prefix))).header;
    expect((await client.range({ ...under(prefix), revision: revision - 1n, limit: 1 })).count).toBe(3n);
    expect((await client.range({ ...under(prefix), revision: revision - 2n, limit: 1 })).count).toBe(2n);
  });

  it('refuses a revision that has not come yet', async () => {
    const { client } = target();
    const { revision } = (await client.range({ key: 'x' })).header;
    await expectError(client.range({ key: 'x', revision: revision + 1n }), 'FutureRev');
    await expectError(client.range({ key: 'x', revision: 2n ** 62n, serializable: true }), 'FutureRev');
  });

  it('answers serializable reads alike on a single member', async () => {
    const prefix = await fill('a', 'b');
    const { client } = target();
    const linearizable = await client.range({ ...under(prefix) });
    expect(await client.range({ ...under(prefix), serializable: true })).toEqual(linearizable);
  });

  it('refuses sort options outside the enums', async (context) => {
    // Before 3.6 an unknown order is ignored, and an unknown target ends the server.
    target().requires(context, '3.6', 'the check of sort options');
    const { client } = target();
    await expectError(client.range({ key: 'x', sort_order: 3 }), 'InvalidSortOption');
    await expectError(client.range({ key: 'x', sort_target: 5 }), 'InvalidSortOption');
    await expectError(client.range({ key: 'x', sort_order: -1 }), 'InvalidSortOption');
    await expectError(client.range({ key: '', sort_order: 9 }), 'EmptyKey');
  });

  it('filters by mod and create revision', async () => {
    const { client } = target();
    const prefix = await fill('a', 'b', 'c');
    const { revision } = (await client.put({ key: `${prefix}a`, value: 'a2' })).header;
    // created: a=r-3 b=r-2 c=r-1; modified: a=r b=r-2 c=r-1
    const names = async (filter: object): Promise<string[]> =>
      keysOf(await client.range({ ...under(prefix), ...filter })).map((key) => key.slice(prefix.length));
    expect(await names({ min_mod_revision: revision - 1n })).toEqual(['a', 'c']);
    expect(await names({ max_mod_revision: revision - 1n })).toEqual(['b', 'c']);
    expect(await names({ min_mod_revision: revision - 1n, max_mod_revision: revision - 1n })).toEqual(['c']);
    expect(await names({ min_create_revision: revision - 2n })).toEqual(['b', 'c']);
    expect(await names({ max_create_revision: revision - 2n })).toEqual(['a', 'b']);
    expect(await names({ max_create_revision: revision - 3n, min_mod_revision: revision })).toEqual(['a']);
    expect(await names({ min_mod_revision: revision + 1n })).toEqual([]);
    expect(await names({ min_mod_revision: 0, max_create_revision: 0 })).toEqual(['a', 'b', 'c']);
  });

  it('applies the limit after the revision filters, and count ignores them', async () => {
    const { client } = target();
    const prefix = await fill('a', 'b', 'c', 'd');
    const { revision } = (await client.range({ key: prefix })).header;
    const filter = { ...under(prefix), min_mod_revision: revision - 1n };
    const one = await client.range({ ...filter, limit: 1 });
    expect({ keys: keysOf(one), more: one.more, count: one.count }).toEqual({
      keys: [`${prefix}c`],
      more: true,
      count: 4n,
    });
    const two = await client.range({ ...filter, limit: 2 });
    expect({ keys: keysOf(two), more: two.more, count: two.count }).toEqual({
      keys: [`${prefix}c`, `${prefix}d`],
      more: false,
      count: 4n,
    });
  });

  it('sends a large range in one answer', async () => {
    const prefix = target().prefix();
    const value = 'x'.repeat(1000);
    for (let i = 0; i < 60; i++) {
      const success = Array.from({ length: 100 }, (_, j) => ({
        request_put: { key: `${prefix}${String(i * 100 + j).padStart(5, '0')}`, value },
      }));
      await target().client.txn({ success });
    }
    const all = await target().client.range(under(prefix));
    expect(all.count).toBe(6000n);
    expect(all.kvs).toHaveLength(6000);
    expect(keysOf(all)).toEqual(keysOf(all).toSorted());
  });
});
