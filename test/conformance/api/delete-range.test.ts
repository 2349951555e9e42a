import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';
import { OPEN_END, plainKv, text, under } from '../../support/values.ts';

describeTargets('delete range', (target) => {
  async function fill(...names: string[]): Promise<string> {
    const prefix = target().prefix();
    for (const name of names) await target().client.put({ key: prefix + name, value: name });
    return prefix;
  }

  it('deletes one key and says so', async () => {
    const prefix = await fill('a', 'ab');
    const { deleted, prev_kvs } = await target().client.deleteRange({ key: `${prefix}a` });
    expect({ deleted, prev_kvs }).toEqual({ deleted: 1n, prev_kvs: [] });
    expect((await target().client.range(under(prefix))).kvs.map((kv) => text(kv.value))).toEqual(['ab']);
  });

  it('deletes nothing without a word when there is nothing', async () => {
    const prefix = await fill('a');
    const before = (await target().client.range({ key: prefix })).header.revision;
    const none = await target().client.deleteRange({ key: `${prefix}b`, prev_kv: true });
    expect(none).toMatchObject({ deleted: 0n, prev_kvs: [], header: { revision: before } });
    await target().client.deleteRange({ key: `${prefix}a` });
    expect((await target().client.deleteRange({ key: `${prefix}a` })).deleted).toBe(0n);
  });

  it('deletes a range in one revision', async () => {
    const prefix = await fill('a', 'b', 'c', 'd');
    const before = (await target().client.range({ key: prefix })).header.revision;
    const { deleted, header } = await target().client.deleteRange({ key: `${prefix}b`, range_end: `${prefix}d` });
    expect({ deleted, revision: header.revision }).toEqual({ deleted: 2n, revision: before + 1n });
    expect((await target().client.range(under(prefix))).kvs.map((kv) => text(kv.value))).toEqual(['a', 'd']);
  });

  it('answers prev_kvs in key order', async () => {
    const prefix = await fill('c', 'a', 'b');
    await target().client.put({ key: `${prefix}b`, value: 'b2' });
    const { prev_kvs } = await target().client.deleteRange({ ...under(prefix), prev_kv: true });
    expect(prev_kvs.map(plainKv)).toMatchObject([
      { key: `${prefix}a`, value: 'a', version: 1n },
      { key: `${prefix}b`, value: 'b2', version: 2n },
      { key: `${prefix}c`, value: 'c', version: 1n },
    ]);
  });

  it('leaves the past readable', async () => {
    const prefix = await fill('a');
    const { revision } = (await target().client.deleteRange({ key: `${prefix}a` })).header;
    const past = await target().client.range({ key: `${prefix}a`, revision: revision - 1n });
    expect(past.kvs.map((kv) => text(kv.value))).toEqual(['a']);
    expect((await target().client.range({ key: `${prefix}a`, revision })).count).toBe(0n);
  });

  it('detaches the keys from their lease, which lives on', async () => {
    const { client } = target();
    const prefix = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await client.put({ key: prefix, lease: ID });
    await client.deleteRange({ key: prefix });
    await client.put({ key: prefix, value: 'without lease' });
    expect(await client.leaseTimeToLive({ ID, keys: true })).toMatchObject({ grantedTTL: 60n, keys: [] });
    await client.leaseRevoke(ID);
    expect((await client.range({ key: prefix })).count).toBe(1n);
  });

  it('deletes from a key upward', async () => {
    const { client } = target();
    for (const key of ['~1', '~2', '~3']) await client.put({ key });
    expect((await client.deleteRange({ key: '~2', range_end: OPEN_END })).deleted).toBe(2n);
    expect((await client.range(under('~'))).kvs.map((kv) => text(kv.key))).toEqual(['~1']);
  });

  it('produces DELETE events with only key and mod_revision, in key order', async () => {
    const prefix = await fill('b', 'a');
    const watch = target().client.watch();
    watch.send({ create_request: under(prefix) });
    await watch.next();
    const { revision } = (await target().client.deleteRange(under(prefix))).header;
    const { events } = await watch.next();
    const empty = { create_revision: 0n, mod_revision: revision, version: 0n, value: '', lease: 0n };
    expect(events.map((event) => [event.type, plainKv(event.kv)])).toEqual([
      ['DELETE', { key: `${prefix}a`, ...empty }],
      ['DELETE', { key: `${prefix}b`, ...empty }],
    ]);
    watch.cancel();
  });
});
