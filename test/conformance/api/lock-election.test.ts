import { beforeEach, expect, it } from 'vitest';
import type { HeaderOnly, LeaderKey, LeaderResponse, LockResponse } from '../../support/api-messages.ts';
import { expectStatus, Status } from '../../support/expect-error.ts';
import type { ApiStream } from '../../support/raw-client.ts';
import { describeTargets } from '../../support/target.ts';
import { keysOf, text, under } from '../../support/values.ts';

describeTargets('lock service', (target) => {
  const lock = (name: string, lease: bigint | number = 0): Promise<LockResponse> =>
    target().client.unary('v3lockpb.Lock', 'Lock', { name, lease });
  const unlock = (key: Uint8Array): Promise<HeaderOnly> => target().client.unary('v3lockpb.Lock', 'Unlock', { key });

  beforeEach(async (context) => target().unlessNotYet(context, () => unlock(new Uint8Array(Buffer.from('none')))));

  it('gives a key below the name, with the lease in hex', async () => {
    const { client } = target();
    const name = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    const { key } = await lock(name, ID);
    expect(text(key)).toBe(`${name}/${ID.toString(16)}`);
    expect((await client.range({ key })).kvs[0]).toMatchObject({ lease: ID, value: new Uint8Array() });
    expect((await lock(name, ID)).key).toEqual(key);
    await unlock(key);
    expect((await client.range({ key })).count).toBe(0n);
    await unlock(key);
  });

  it('grants a lease of 60 s when none is given', async () => {
    const { client } = target();
    const { key } = await lock(target().prefix());
    const { kvs } = await client.range({ key });
    expect((await client.leaseTimeToLive({ ID: kvs[0]?.lease ?? 0n })).grantedTTL).toBe(60n);
    await unlock(key);
  });

  it('makes the second wait for the first, in order', async () => {
    const name = target().prefix();
    const first = await lock(name);
    const order: string[] = [];
    const second = lock(name).then(({ key }) => {
      order.push('second');
      return key;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const third = lock(name).then(() => order.push('third'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(order).toEqual([]);
    await unlock(first.key);
    await unlock(await second);
    await third;
    expect(order).toEqual(['second', 'third']);
  });

  it('passes on when the lease of the holder is revoked', async () => {
    const { client } = target();
    const name = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await lock(name, ID);
    const second = lock(name);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.leaseRevoke(ID);
    expect(text((await second).key).startsWith(`${name}/`)).toBe(true);
  });

  it('refuses an unknown lease', async () => {
    await expectStatus(lock(target().prefix(), 0x7e57), Status.Unknown, 'etcdserver: requested lease not found');
  });
});

describeTargets('election service', (target) => {
  const election = <Response>(method: string, request: object): Promise<Response> =>
    target().client.unary('v3electionpb.Election', method, request);
  const campaign = (name: string, lease: bigint, value: string): Promise<HeaderOnly & { leader: LeaderKey }> =>
    election('Campaign', { name, lease, value });
  const leader = (name: string): Promise<LeaderResponse> => election('Leader', { name });

  beforeEach(async (context) => target().unlessNotYet(context, () => leader('nobody')));

  it('elects the first, shows it, and lets it proclaim and resign', async () => {
    const { client } = target();
    const name = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await expectStatus(leader(name), Status.Unknown, 'election: no leader');
    const won = await campaign(name, ID, 'one');
    expect(text(won.leader.key)).toBe(`${name}/${ID.toString(16)}`);
    expect(text(won.leader.name)).toBe(name);
    const { kv } = await leader(name);
    expect(text(kv?.value ?? new Uint8Array())).toBe('one');
    expect(won.leader).toMatchObject({ rev: kv?.create_revision, lease: ID });
    await election('Proclaim', { leader: won.leader, value: 'two' });
    expect(text((await leader(name)).kv?.value ?? new Uint8Array())).toBe('two');
    expect((await campaign(name, ID, 'three')).leader.rev).toBe(won.leader.rev);
    expect(text((await leader(name)).kv?.value ?? new Uint8Array())).toBe('three');
    await election('Resign', { leader: won.leader });
    expect(keysOf(await client.range(under(name)))).toEqual([]);
    await election('Resign', { leader: won.leader });
    await expectStatus(
      election('Proclaim', { leader: won.leader, value: 'x' }),
      Status.Unknown,
      'election: not leader',
    );
  });

  it('makes the second wait until the first resigns, and tells observers', async () => {
    const { client } = target();
    const name = target().prefix();
    const leases = [await client.leaseGrant({ TTL: 60 }), await client.leaseGrant({ TTL: 60 })];
    const observer: ApiStream<never, LeaderResponse> = client.serverStream('v3electionpb.Election', 'Observe', {
      name,
    });
    const first = await campaign(name, leases[0]?.ID ?? 0n, 'one');
    const second = campaign(name, leases[1]?.ID ?? 0n, 'two');
    expect(text((await observer.next()).kv?.value ?? new Uint8Array())).toBe('one');
    await observer.expectSilence(200);
    await election('Resign', { leader: first.leader });
    await second;
    expect(text((await observer.next()).kv?.value ?? new Uint8Array())).toBe('two');
    observer.cancel();
  });

  it('needs a leader where one belongs', async () => {
    const missing = '"leader" field must be provided';
    await expectStatus(election('Proclaim', { value: 'x' }), Status.Unknown, missing);
    await expectStatus(election('Resign', {}), Status.Unknown, missing);
  });
});
