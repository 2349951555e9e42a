import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { plainEvent, text, under } from '../../support/values.ts';

const MAX_TTL = 9_000_000_000;

describeTargets('lease', (target) => {
  it('grants the id that was asked for', async () => {
    const { client } = target();
    const granted = await client.leaseGrant({ TTL: 60, ID: 0x1234_5678_9abc_def0n });
    expect(granted).toMatchObject({ ID: 0x1234_5678_9abc_def0n, TTL: 60n, error: '' });
    await client.leaseRevoke(granted.ID);
  });

  it('picks a positive id of its own when none was asked for, never the same twice', async () => {
    const { client } = target();
    const ids = new Set<bigint>();
    for (let i = 0; i < 20; i++) {
      const { ID } = await client.leaseGrant({ TTL: 60 });
      expect(ID).toBeGreaterThan(0n);
      expect(ID).toBeLessThan(2n ** 63n);
      ids.add(ID);
    }
    expect(ids.size).toBe(20);
    for (const id of ids) await client.leaseRevoke(id);
  });

  it('accepts a negative id', async () => {
    const { client } = target();
    expect((await client.leaseGrant({ TTL: 60, ID: -7 })).ID).toBe(-7n);
    expect((await client.leaseTimeToLive({ ID: -7 })).grantedTTL).toBe(60n);
    await client.leaseRevoke(-7);
  });

  it('refuses an id in use', async () => {
    const { client } = target();
    await client.leaseGrant({ TTL: 60, ID: 77 });
    await expectError(client.leaseGrant({ TTL: 60, ID: 77 }), 'LeaseExist');
    await client.leaseRevoke(77);
    await client.leaseGrant({ TTL: 60, ID: 77 });
    await client.leaseRevoke(77);
  });

  it('raises a TTL below the minimum of 2 s, and refuses one above the maximum', async () => {
    const { client } = target();
    for (const TTL of [1, 0, -10]) {
      const granted = await client.leaseGrant({ TTL });
      expect(granted.TTL).toBe(2n);
      expect((await client.leaseTimeToLive({ ID: granted.ID })).grantedTTL).toBe(2n);
      await client.leaseRevoke(granted.ID);
    }
    expect((await client.leaseGrant({ TTL: 3 })).TTL).toBe(3n);
    await expectError(client.leaseGrant({ TTL: MAX_TTL + 1 }), 'LeaseTTLTooLarge');
    const longest = await client.leaseGrant({ TTL: MAX_TTL });
    expect(longest.TTL).toBe(BigInt(MAX_TTL));
    const { TTL } = await client.leaseTimeToLive({ ID: longest.ID });
    expect(TTL).toBeGreaterThan(BigInt(MAX_TTL - 10));
    await client.leaseRevoke(longest.ID);
  });

  it('tells the remaining time, the granted time and the attached keys', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 100 });
    for (const name of ['b', 'a']) await client.put({ key: key + name, lease: ID });
    const without = await client.leaseTimeToLive({ ID });
    expect(without).toMatchObject({ ID, grantedTTL: 100n, keys: [] });
    // Truncated, so that a fresh lease already shows one second less.
    expect(without.TTL === 99n || without.TTL === 98n).toBe(true);
    const { keys } = await client.leaseTimeToLive({ ID, keys: true });
    expect(keys.map(text).toSorted()).toEqual([`${key}a`, `${key}b`]);
    await client.leaseRevoke(ID);
  });

  it('answers TimeToLive of an unknown lease with -1, not with an error', async () => {
    const answer = await target().client.leaseTimeToLive({ ID: 0xdead, keys: true });
    expect(answer).toMatchObject({ ID: 0xdeadn, TTL: -1n, grantedTTL: 0n, keys: [] });
    expect(answer.header.revision).toBeGreaterThan(0n);
  });

  it('lists the leases', async () => {
    const { client } = target();
    const late = await client.leaseGrant({ TTL: 500 });
    const early = await client.leaseGrant({ TTL: 400 });
    const listed = (await client.leaseLeases()).leases.map((lease) => lease.ID);
    const ours = listed.filter((id) => id === late.ID || id === early.ID);
    expect(ours).toEqual([early.ID, late.ID]);
    await client.leaseRevoke(late.ID);
    expect((await client.leaseLeases()).leases.map((lease) => lease.ID)).not.toContain(late.ID);
    await client.leaseRevoke(early.ID);
  });

  it('revokes a lease and deletes its keys in one revision, in key order', async () => {
    const { client } = target();
    const prefix = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    for (const name of ['c', 'a', 'b']) await client.put({ key: prefix + name, lease: ID });
    await client.put({ key: `${prefix}other` });
    const watch = client.watch();
    watch.send({ create_request: under(prefix) });
    await watch.next();
    const { header } = await client.leaseRevoke(ID);
    const { events } = await watch.next();
    expect(events.map(plainEvent)).toEqual(['a', 'b', 'c'].map((name) => `DELETE ${prefix}${name}@${header.revision}`));
    expect((await client.range(under(prefix))).kvs.map((kv) => text(kv.key))).toEqual([`${prefix}other`]);
    watch.cancel();
  });

  it('refuses to revoke a lease that is not there', async () => {
    const { client } = target();
    await expectError(client.leaseRevoke(0xdead), 'LeaseNotFound');
    await expectError(client.leaseRevoke(0), 'LeaseNotFound');
  });

  it('keeps a lease without keys', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await client.put({ key, lease: ID });
    await client.deleteRange({ key });
    expect((await client.leaseTimeToLive({ ID })).grantedTTL).toBe(60n);
    await client.leaseRevoke(ID);
  });

  it('shows the lease of a key in reads and events', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60, ID: 2n ** 62n + 3n });
    const watch = client.watch();
    watch.send({ create_request: { key } });
    await watch.next();
    await client.put({ key, lease: ID });
    expect((await client.range({ key })).kvs[0]?.lease).toBe(ID);
    expect((await watch.next()).events[0]?.kv.lease).toBe(ID);
    await client.leaseRevoke(ID);
    watch.cancel();
  });
});

describeTargets('lease keep-alive', (target) => {
  it('renews to the full granted time', async () => {
    const { client } = target();
    const { ID } = await client.leaseGrant({ TTL: 5 });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect((await client.leaseTimeToLive({ ID })).TTL).toBeLessThan(4n);
    const stream = client.leaseKeepAlive();
    stream.send({ ID });
    expect(await stream.next()).toMatchObject({ ID, TTL: 5n });
    expect((await client.leaseTimeToLive({ ID })).TTL).toBe(4n);
    stream.cancel();
  });

  it('answers every message of a stream in order, for any lease', async () => {
    const { client } = target();
    const first = await client.leaseGrant({ TTL: 30 });
    const second = await client.leaseGrant({ TTL: 40 });
    const stream = client.leaseKeepAlive();
    for (const ID of [first.ID, second.ID, first.ID]) stream.send({ ID });
    const answers = [await stream.next(), await stream.next(), await stream.next()];
    expect(answers.map(({ ID, TTL }) => [ID, TTL])).toEqual([
      [first.ID, 30n],
      [second.ID, 40n],
      [first.ID, 30n],
    ]);
    stream.endRequests();
    expect(await stream.end()).toBeUndefined();
  });

  it('answers TTL 0 for a lease that is not there, and keeps the stream open', async () => {
    const { client } = target();
    const { ID } = await client.leaseGrant({ TTL: 30 });
    const stream = client.leaseKeepAlive();
    stream.send({ ID: 0xdead });
    const none = await stream.next();
    expect(none).toMatchObject({ ID: 0xdeadn, TTL: 0n });
    expect(none.header.revision).toBeGreaterThan(0n);
    stream.send({ ID });
    expect(await stream.next()).toMatchObject({ ID, TTL: 30n });
    await client.leaseRevoke(ID);
    stream.send({ ID });
    expect(await stream.next()).toMatchObject({ ID, TTL: 0n });
    stream.cancel();
  });
});
