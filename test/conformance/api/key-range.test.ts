import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { keysOf, OPEN_END, prefixEnd, under } from '../../support/values.ts';

/** Every rule about key and range_end, on a store that holds nothing else. */
describeTargets('key ranges', (target) => {
  const stored = ['a', 'a\0', 'a\0b', 'aa', 'ab', 'b', 'b/1', 'b/2', 'c'];

  it('stores the keys that the other tests look for', async () => {
    for (const key of stored) await target().client.put({ key, value: 'v' });
    expect((await target().client.range({ key: '\0', range_end: OPEN_END })).count).toBe(BigInt(stored.length));
  });

  it('takes an empty range_end as exactly that key', async () => {
    expect(keysOf(await target().client.range({ key: 'a' }))).toEqual(['a']);
    expect(keysOf(await target().client.range({ key: 'a\0' }))).toEqual(['a\0']);
    expect(keysOf(await target().client.range({ key: 'missing' }))).toEqual([]);
  });

  it('excludes range_end itself', async () => {
    expect(keysOf(await target().client.range({ key: 'a', range_end: 'b' }))).toEqual(['a', 'a\0', 'a\0b', 'aa', 'ab']);
    expect(keysOf(await target().client.range({ key: 'a\0', range_end: 'aa' }))).toEqual(['a\0', 'a\0b']);
  });

  it('takes one zero byte as no upper bound', async () => {
    expect(keysOf(await target().client.range({ key: 'b', range_end: OPEN_END }))).toEqual(['b', 'b/1', 'b/2', 'c']);
    expect(keysOf(await target().client.range({ key: '\0', range_end: OPEN_END }))).toEqual(stored);
  });

  it('reads a prefix through its incremented last byte', async () => {
    expect(keysOf(await target().client.range(under('b/')))).toEqual(['b/1', 'b/2']);
    expect(prefixEnd(Uint8Array.of(0x61, 0xff))).toEqual(Uint8Array.of(0x62));
    expect(prefixEnd(Uint8Array.of(0xff, 0xff))).toEqual(OPEN_END);
  });

  it('finds nothing, without an error, when range_end is not above key', async () => {
    for (const range_end of ['b', 'a', 'a\0']) {
      const range = await target().client.range({ key: 'b', range_end });
      expect(range).toMatchObject({ kvs: [], count: 0n, more: false });
      const deleted = await target().client.deleteRange({ key: 'b', range_end });
      expect(deleted).toMatchObject({ deleted: 0n, prev_kvs: [] });
    }
  });

  it('refuses an empty key, with or without range_end', async () => {
    const { client } = target();
    for (const range_end of ['', 'b', OPEN_END]) {
      await expectError(client.range({ key: '', range_end }), 'EmptyKey');
      await expectError(client.deleteRange({ key: '', range_end }), 'EmptyKey');
    }
    await expectError(client.put({ key: '', value: 'v' }), 'EmptyKey');
  });

  it('orders keys by their bytes, not as text', async () => {
    const { client } = target();
    // As UTF-16 the surrogate pair of U+1F600 sorts before U+FF5E; as bytes after it.
    const keys = [
      Uint8Array.of(0x7a),
      Uint8Array.of(0x7a, 0x00),
      Uint8Array.of(0x7a, 0x7f),
      Uint8Array.of(0x7a, 0x80),
      new Uint8Array(Buffer.from('z\uff5e')),
      new Uint8Array(Buffer.from('z\u{1f600}')),
      Uint8Array.of(0x7a, 0xff),
      Uint8Array.of(0x7a, 0xff, 0x00),
    ];
    for (const key of keys.toReversed()) await client.put({ key, value: 'v' });
    const { kvs } = await client.range(under('z'));
    expect(kvs.map((kv) => kv.key)).toEqual(keys);
  });

  it('holds keys of any length, in order', async () => {
    const { client } = target();
    const lengths = [1, 500, 511, 512, 1978, 1979, 4096, 20_000, 300_000];
    const keys = lengths.map((length) => `y${'k'.repeat(length)}`);
    for (const key of keys.toReversed()) await client.put({ key, value: String(key.length) });
    expect(keysOf(await client.range({ ...under('y'), keys_only: true }))).toEqual(keys);
    expect(keysOf(await client.range({ key: `${keys[7]}k`, range_end: 'z' }))).toEqual(keys.slice(8));
    const removed = await client.deleteRange({ ...under('y'), prev_kv: true });
    expect(removed.prev_kvs.map((kv) => Number(Buffer.from(kv.value).toString()))).toEqual(
      keys.map((key) => key.length),
    );
  });
});
