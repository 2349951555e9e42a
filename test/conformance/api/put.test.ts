import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { bytes, plainKv, text } from '../../support/values.ts';

describeTargets('put', (target) => {
  async function get(key: string) {
    const { kvs } = await target().client.range({ key });
    return kvs[0] && plainKv(kvs[0]);
  }

  it('creates a key with version 1, and create_revision equal to mod_revision', async () => {
    const key = target().prefix();
    const { revision } = (await target().client.put({ key, value: 'v' })).header;
    expect(await get(key)).toEqual({
      key,
      value: 'v',
      create_revision: revision,
      mod_revision: revision,
      version: 1n,
      lease: 0n,
    });
  });

  it('keeps create_revision and raises version and mod_revision on a change', async () => {
    const key = target().prefix();
    const created = (await target().client.put({ key, value: '1' })).header.revision;
    const changed = (await target().client.put({ key, value: '2' })).header.revision;
    expect(await get(key)).toMatchObject({ value: '2', create_revision: created, mod_revision: changed, version: 2n });
  });

  it('starts again at version 1 after a delete', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: '1' });
    await client.put({ key, value: '2' });
    await client.deleteRange({ key });
    const { revision } = (await client.put({ key, value: '3' })).header;
    expect(await get(key)).toMatchObject({
      value: '3',
      create_revision: revision,
      mod_revision: revision,
      version: 1n,
    });
  });

  it('gives an identical value a new revision too', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = (await client.put({ key, value: 'same' })).header.revision;
    const second = (await client.put({ key, value: 'same' })).header.revision;
    expect(second).toBe(first + 1n);
    expect(await get(key)).toMatchObject({ mod_revision: second, version: 2n });
  });

  it('stores an empty value and any bytes', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key });
    expect((await client.range({ key })).kvs[0]?.value).toEqual(new Uint8Array());
    const value = Uint8Array.from({ length: 256 }, (_, i) => i);
    await client.put({ key, value });
    expect((await client.range({ key })).kvs[0]?.value).toEqual(value);
  });

  it('answers prev_kv with what was there, and without it when nothing was or nobody asked', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = await client.put({ key, value: '1', prev_kv: true });
    expect(first.prev_kv).toBeUndefined();
    const second = await client.put({ key, value: '2', prev_kv: true });
    expect(second.prev_kv && plainKv(second.prev_kv)).toMatchObject({
      key,
      value: '1',
      version: 1n,
      mod_revision: first.header.revision,
    });
    expect((await client.put({ key, value: '3' })).prev_kv).toBeUndefined();
    await client.deleteRange({ key });
    expect((await client.put({ key, value: '4', prev_kv: true })).prev_kv).toBeUndefined();
  });

  it('ignore_value keeps the value under a new revision and can change the lease', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: 'kept' });
    const { ID } = await client.leaseGrant({ TTL: 60 });
    const { revision } = (await client.put({ key, lease: ID, ignore_value: true })).header;
    expect(await get(key)).toMatchObject({ value: 'kept', version: 2n, mod_revision: revision, lease: ID });
  });

  it('ignore_lease keeps the lease and changes the value', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await client.put({ key, value: '1', lease: ID });
    await client.put({ key, value: '2', ignore_lease: true });
    expect(await get(key)).toMatchObject({ value: '2', version: 2n, lease: ID });
    await client.put({ key, ignore_lease: true, ignore_value: true });
    expect(await get(key)).toMatchObject({ value: '2', version: 3n, lease: ID });
    const { keys } = await client.leaseTimeToLive({ ID, keys: true });
    expect(keys.map(text)).toEqual([key]);
  });

  it('without a lease detaches the key from the one it had', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await client.put({ key, value: '1', lease: ID });
    await client.put({ key, value: '2' });
    expect(await get(key)).toMatchObject({ lease: 0n });
    expect((await client.leaseTimeToLive({ ID, keys: true })).keys).toEqual([]);
    await client.leaseRevoke(ID);
    expect(await get(key)).toMatchObject({ value: '2' });
  });

  it('with another lease moves the key to it', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = await client.leaseGrant({ TTL: 60 });
    const second = await client.leaseGrant({ TTL: 60 });
    await client.put({ key, lease: first.ID });
    await client.put({ key, lease: second.ID });
    expect((await client.leaseTimeToLive({ ID: first.ID, keys: true })).keys).toEqual([]);
    expect((await client.leaseTimeToLive({ ID: second.ID, keys: true })).keys).toEqual([bytes(key)]);
    await client.leaseRevoke(first.ID);
    expect(await get(key)).toMatchObject({ lease: second.ID });
    await client.leaseRevoke(second.ID);
    expect(await get(key)).toBeUndefined();
  });

  it('refuses what contradicts itself or names what is not there, and writes nothing', async () => {
    const { client } = target();
    const key = target().prefix();
    const before = (await client.range({ key })).header.revision;
    await expectError(client.put({ key: '' }), 'EmptyKey');
    await expectError(client.put({ key, value: 'v', ignore_value: true }), 'ValueProvided');
    await expectError(client.put({ key, lease: 1, ignore_lease: true }), 'LeaseProvided');
    await expectError(client.put({ key, ignore_value: true }), 'KeyNotFound');
    await expectError(client.put({ key, value: 'v', ignore_lease: true }), 'KeyNotFound');
    await expectError(client.put({ key, value: 'v', lease: 0x7eadbeef }), 'LeaseNotFound');
    const after = await client.range({ key });
    expect(after).toMatchObject({ count: 0n, header: { revision: before } });
  });

  it('reports the empty key before the other mistakes of a request', async () => {
    await expectError(target().client.put({ key: '', value: 'v', ignore_value: true }), 'EmptyKey');
    await expectError(
      target().client.put({ key: 'k', value: 'v', lease: 1, ignore_value: true, ignore_lease: true }),
      'ValueProvided',
    );
  });
});
