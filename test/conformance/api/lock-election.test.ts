import { expect, it } from 'vitest';
import type { HeaderOnly, LeaderKey, LeaderResponse, LockResponse } from '../../support/api-messages.ts';
import { AuthClient } from '../../support/auth-client.ts';
import { expectStatus, Status } from '../../support/expect-error.ts';
import type { ApiStream } from '../../support/raw-client.ts';
import { describeTargets } from '../../support/target.ts';
import { keysOf, text, under } from '../../support/values.ts';

describeTargets('lock service', (target) => {
  const lock = (name: string, lease: bigint | number = 0): Promise<LockResponse> =>
    target().client.unary('v3lockpb.Lock', 'Lock', { name, lease });
  const unlock = (key: Uint8Array): Promise<HeaderOnly> => target().client.unary('v3lockpb.Lock', 'Unlock', { key });

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

  it('refuses an unknown lease and an empty key', async () => {
    await expectStatus(lock(target().prefix(), 0x7e57), Status.Unknown, 'etcdserver: requested lease not found');
    await expectStatus(unlock(new Uint8Array()), Status.Unknown, 'etcdserver: key is not provided');
  });

  it('takes one out of the line that stops waiting, and leaves the others', async () => {
    const { client } = target();
    const name = target().prefix();
    const first = await lock(name);
    const ended = expect.objectContaining({ code: expect.toBeOneOf([Status.DeadlineExceeded, Status.Canceled]) });
    const impatient = client.unary('v3lockpb.Lock', 'Lock', { name }, { timeoutMs: 1000 });
    impatient.catch(() => {});
    await expect.poll(async () => (await client.range(under(name))).count).toBe(2n);
    const second = lock(name);
    await expect(impatient).rejects.toEqual(ended);
    await expect.poll(async () => (await client.range(under(name))).kvs.length, { timeout: 5000 }).toBe(2);
    await unlock(first.key);
    expect(keysOf(await client.range(under(name)))).toEqual([text((await second).key)]);
  });

  it('takes one out of the line that cancels', async () => {
    const { client } = target();
    const name = target().prefix();
    await lock(name);
    // A call that can be cancelled; on the wire it is the same.
    const waiting: ApiStream<never, LockResponse> = client.serverStream('v3lockpb.Lock', 'Lock', { name });
    await expect.poll(async () => (await client.range(under(name))).count).toBe(2n);
    waiting.cancel();
    await expect.poll(async () => (await client.range(under(name))).count, { timeout: 5000 }).toBe(1n);
  });

  it('tells one whose lease ended while it waited, when it would have been its turn', async () => {
    const { client } = target();
    const name = target().prefix();
    const first = await lock(name);
    const { ID } = await client.leaseGrant({ TTL: 60 });
    const second = lock(name, ID);
    await expect.poll(async () => (await client.range(under(name))).count).toBe(2n);
    await client.leaseRevoke(ID);
    // Asked for before the unlock, whose answer may come after that of the one that it wakes.
    const refused = expectStatus(second, Status.Unknown, 'mutex: session is expired');
    await unlock(first.key);
    await refused;
  });
});

describeTargets('election service', (target) => {
  const election = <Response>(method: string, request: object): Promise<Response> =>
    target().client.unary('v3electionpb.Election', method, request);
  const campaign = (name: string, lease: bigint, value: string): Promise<HeaderOnly & { leader: LeaderKey }> =>
    election('Campaign', { name, lease, value });
  const leader = (name: string): Promise<LeaderResponse> => election('Leader', { name });

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

  it('takes a candidate out of the line that stops waiting', async () => {
    const { client } = target();
    const name = target().prefix();
    const leases = [await client.leaseGrant({ TTL: 60 }), await client.leaseGrant({ TTL: 60 })];
    const first = await campaign(name, leases[0]?.ID ?? 0n, 'one');
    const request = { name, lease: leases[1]?.ID ?? 0n, value: 'two' };
    // Whether the client's own clock or the server tells first.
    const ended = expect.objectContaining({ code: expect.toBeOneOf([Status.DeadlineExceeded, Status.Canceled]) });
    const impatient = client.unary('v3electionpb.Election', 'Campaign', request, { timeoutMs: 300 });
    await expect(impatient).rejects.toEqual(ended);
    await expect
      .poll(async () => keysOf(await client.range(under(name))), { timeout: 5000 })
      .toEqual([text(first.leader.key)]);
  });

  it('tells observers what the leader proclaims, and who comes when there was nobody', async () => {
    const { client } = target();
    const name = target().prefix();
    const before = (await client.leaseLeases()).leases.length;
    const observer: ApiStream<never, LeaderResponse> = client.serverStream('v3electionpb.Election', 'Observe', {
      name,
    });
    await observer.expectSilence(200);
    expect((await client.leaseLeases()).leases.length).toBe(before);
    const { ID } = await client.leaseGrant({ TTL: 60 });
    const { leader: mine } = await campaign(name, ID, 'one');
    const seen = await observer.next();
    expect(text(seen.kv?.value ?? new Uint8Array())).toBe('one');
    expect(seen.header.revision).toBe(mine.rev);
    await election('Proclaim', { leader: mine, value: 'two' });
    await election('Proclaim', { leader: mine, value: 'three' });
    expect(text((await observer.next()).kv?.value ?? new Uint8Array())).toBe('two');
    expect(text((await observer.next()).kv?.value ?? new Uint8Array())).toBe('three');
    observer.cancel();
  });

  it('needs a leader where one belongs', async () => {
    const missing = '"leader" field must be provided';
    await expectStatus(election('Proclaim', { value: 'x' }), Status.Unknown, missing);
    await expectStatus(election('Resign', {}), Status.Unknown, missing);
  });
});

const CHEAP_PASSWORDS = { flags: ['--bcrypt-cost=4'] };

describeTargets(
  'lock and election with users',
  (target) => {
    const as = (user: AuthClient, service: string, method: string, request: object): Promise<{ key: Uint8Array }> =>
      target().client.unary(service, method, request, user.options);

    it('do what their caller may do', async () => {
      const nobody = new AuthClient(target().client);
      await nobody.addUser('root', 'toor');
      await nobody.give('root', 'root');
      await nobody.addUser('user', 'secret');
      await nobody.give('user', 'role', { permType: 'READWRITE', key: 'own/', range_end: 'own0' });
      await nobody.call('AuthEnable');
      const user = await nobody.login('user', 'secret');
      const lock = (who: AuthClient, name: string): Promise<{ key: Uint8Array }> =>
        as(who, 'v3lockpb.Lock', 'Lock', { name });
      const { key } = await lock(user, 'own/lock');
      await as(user, 'v3lockpb.Lock', 'Unlock', { key });
      const denied = 'etcdserver: permission denied';
      await expectStatus(lock(user, 'other'), Status.Unknown, denied);
      await expectStatus(as(user, 'v3lockpb.Lock', 'Unlock', { key: 'other' }), Status.Unknown, denied);
      await expectStatus(lock(nobody, 'own/lock'), Status.Unknown, 'etcdserver: user name is empty');
      const forged = new AuthClient(target().client, 'forged');
      await expectStatus(lock(forged, 'own/lock'), Status.Unknown, 'etcdserver: invalid auth token');
      const leader = (name: string): Promise<unknown> => as(user, 'v3electionpb.Election', 'Leader', { name });
      await expectStatus(leader('own/election'), Status.Unknown, 'election: no leader');
      await expectStatus(leader('other'), Status.Unknown, denied);
      for (const who of [user, nobody, forged]) {
        const observer = target().client.serverStream(
          'v3electionpb.Election',
          'Observe',
          { name: 'other' },
          who.options,
        );
        expect(await observer.end()).toBeUndefined();
      }
      await as(user, 'v3electionpb.Election', 'Campaign', { name: 'own/election', value: 'me' });
      expect(await leader('own/election')).toMatchObject({ kv: { value: new TextEncoder().encode('me') } });
    });
  },
  CHEAP_PASSWORDS,
);

describeTargets('a lock service that stops', (target) => {
  it('lets those go who wait, as unavailable', async (context) => {
    const { client, kind, server } = target();
    if (kind === 'etcd') {
      const reason = 'etcd does so too, but takes 7 s to stop';
      console.info(`skipped: ${context.task.name}: ${reason}`);
      context.skip(reason);
    }
    const name = target().prefix();
    const lock = (): Promise<LockResponse> => client.unary('v3lockpb.Lock', 'Lock', { name });
    await lock();
    const waiting = lock().catch((error: unknown) => error);
    await expect.poll(async () => (await client.range(under(name))).count).toBe(2n);
    server.signal('SIGTERM');
    expect(await waiting).toMatchObject({ code: Status.Unavailable });
    await server.exited();
  });
});
