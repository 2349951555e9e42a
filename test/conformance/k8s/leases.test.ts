import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { text } from '../../support/values.ts';
import { takeEvents } from '../../support/watch-helpers.ts';
import { KubeStore } from './kube-store.ts';

describeTargets('kubernetes leases', (target) => {
  const store = (): KubeStore => new KubeStore(target().client);

  it(
    'are shared by many objects, never kept alive, and their end deletes all of them',
    { timeout: 40_000 },
    async () => {
      const { client } = target();
      const prefix = `/registry/${target().prefix()}events/`;
      const count = 1000;
      // Long enough that the last creation is done before the end, also on a busy machine.
      const lease = await client.leaseGrant({ TTL: 8 });
      const { revision } = await store().list(prefix, 1);
      const stream = await store().watch(prefix, revision);
      const names = Array.from({ length: count }, (_, i) => `${prefix}e${String(i).padStart(4, '0')}`);
      await Promise.all(names.map((name) => store().create(name, 'event', lease.ID)));
      await takeEvents(stream, count);
      expect(await store().count(prefix)).toBe(BigInt(count));
      const deleted = await takeEvents(stream, count, 20_000);
      expect(deleted.map((event) => [event.type, text(event.kv.key)])).toEqual(names.map((name) => ['DELETE', name]));
      expect(new Set(deleted.map((event) => event.kv.mod_revision)).size).toBe(1);
      expect(deleted.every((event) => event.prev_kv?.lease === lease.ID)).toBe(true);
      expect(await store().count(prefix)).toBe(0n);
      stream.cancel();
    },
  );

  it('move with each update, as for the record of an apiserver', async () => {
    const { client } = target();
    const key = `/registry/${target().prefix()}masterleases/10.0.0.1`;
    const first = await client.leaseGrant({ TTL: 15 });
    const { revision } = (await store().create(key, '1', first.ID)).header;
    const second = await client.leaseGrant({ TTL: 15 });
    expect((await store().update(key, revision, '2', second.ID)).succeeded).toBe(true);
    expect((await store().get(key)).kv?.lease).toBe(second.ID);
    expect((await client.leaseTimeToLive({ ID: first.ID, keys: true })).keys).toEqual([]);
    await client.leaseRevoke(first.ID);
    expect((await store().get(key)).kv?.lease).toBe(second.ID);
    await client.leaseRevoke(second.ID);
  });

  it('that are gone are refused with the error an apiserver looks for, and nothing is created', async () => {
    const key = `/registry/${target().prefix()}events/late`;
    await expectError(store().create(key, 'v', 0x6e0ae), 'LeaseNotFound');
    expect((await store().get(key)).kv).toBeUndefined();
  });
});
