import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';
import { plainEvent, under } from '../../support/values.ts';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Expiry takes seconds of real time, so these cases wait side by side; each looks only at its own keys. */
describeTargets('lease expiry', (target) => {
  it.concurrent(
    'deletes the attached keys in one revision with plain DELETE events in key order',
    async ({ expect }) => {
      const { client } = target();
      const prefix = target().prefix();
      const watch = client.watch();
      watch.send({ create_request: { ...under(prefix), filters: ['NOPUT'], prev_kv: true } });
      await watch.next();
      const { ID } = await client.leaseGrant({ TTL: 2 });
      const granted = Date.now();
      for (const name of ['b', 'c', 'a']) await client.put({ key: prefix + name, value: name, lease: ID });
      const { events } = await watch.next(8_000);
      const waited = Date.now() - granted;
      const revision = events[0]?.kv.mod_revision;
      expect(events.map(plainEvent)).toEqual(['a', 'b', 'c'].map((name) => `DELETE ${prefix}${name}@${revision}`));
      expect(events.map((event) => event.prev_kv?.lease)).toEqual([ID, ID, ID]);
      // Never early; the expiry loop runs twice a second, and a busy machine adds to that.
      expect(waited).toBeGreaterThan(1_900);
      expect(waited).toBeLessThan(6_000);
      expect((await client.range(under(prefix))).count).toBe(0n);
      expect(await client.leaseTimeToLive({ ID })).toMatchObject({ TTL: -1n });
      expect((await client.leaseLeases()).leases.map((lease) => lease.ID)).not.toContain(ID);
      watch.cancel();
    },
  );

  it.concurrent('does not come while the lease is kept alive', async ({ expect }) => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 4 });
    await client.put({ key, lease: ID });
    const stream = client.leaseKeepAlive();
    // Longer than it lives; with room for a machine that is busy.
    for (let i = 0; i < 8; i++) {
      await sleep(600);
      stream.send({ ID });
      expect(await stream.next()).toMatchObject({ ID, TTL: 4n });
    }
    expect((await client.range({ key })).count).toBe(1n);
    stream.cancel();
  });

  it.concurrent('leaves keys alone that moved to another lease or to none', async ({ expect }) => {
    const { client } = target();
    const prefix = target().prefix();
    const short = await client.leaseGrant({ TTL: 2 });
    const long = await client.leaseGrant({ TTL: 60 });
    for (const name of ['moved', 'freed', 'stays']) await client.put({ key: prefix + name, lease: short.ID });
    await client.put({ key: `${prefix}moved`, lease: long.ID });
    await client.put({ key: `${prefix}freed` });
    const watch = client.watch();
    watch.send({ create_request: under(prefix) });
    await watch.next();
    expect((await watch.next(8_000)).events.map((event) => [event.type, Buffer.from(event.kv.key).toString()])).toEqual(
      [['DELETE', `${prefix}stays`]],
    );
    expect((await client.range(under(prefix))).count).toBe(2n);
    watch.cancel();
  });

  it.concurrent('handles hundreds of leases that end together', async ({ expect }) => {
    const { client } = target();
    const prefix = target().prefix();
    const count = 300;
    const watch = client.watch();
    watch.send({ create_request: { ...under(prefix), filters: ['NOPUT'] } });
    await watch.next();
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const { ID } = await client.leaseGrant({ TTL: 2 });
        await client.put({ key: `${prefix}${i}`, lease: ID });
      }),
    );
    let deleted = 0;
    while (deleted < count) deleted += (await watch.next(10_000)).events.length;
    expect(deleted).toBe(count);
    expect((await client.range(under(prefix))).count).toBe(0n);
    watch.cancel();
  });

  it.concurrent('lets a key of an ended lease be written again', async ({ expect }) => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 2 });
    await client.put({ key, lease: ID });
    const watch = client.watch();
    watch.send({ create_request: { key } });
    await watch.next();
    await watch.next(8_000);
    await client.put({ key, value: 'new' });
    expect((await client.range({ key })).kvs[0]).toMatchObject({ version: 1n, lease: 0n });
    watch.cancel();
  });
});

describeTargets('leases over a restart', (target) => {
  it('survive with their keys, and end no earlier than without the restart', async () => {
    const { client, server } = target();
    const long = await client.leaseGrant({ TTL: 300, ID: 31 });
    const short = await client.leaseGrant({ TTL: 3, ID: 32 });
    await client.put({ key: 'long', lease: long.ID });
    await client.put({ key: 'short', lease: short.ID });
    await server.kill();
    await server.restart();
    const restarted = Date.now();
    await client.ready();
    expect(await client.leaseTimeToLive({ ID: 31, keys: true })).toMatchObject({
      grantedTTL: 300n,
      keys: [new Uint8Array(Buffer.from('long'))],
    });
    const watch = client.watch();
    watch.send({ create_request: { key: 'short' } });
    await watch.next();
    expect((await watch.next(12_000)).events[0]?.type).toBe('DELETE');
    // The new leader gives every lease its full time again.
    expect(Date.now() - restarted).toBeGreaterThan(2_500);
    expect((await client.range({ key: 'long' })).count).toBe(1n);
    watch.cancel();
  });
});
