import { beforeEach, expect, it } from 'vitest';
import { AuthClient, type Permission } from '../../support/auth-client.ts';
import { expectError, expectStatus, Status } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { OPEN_END } from '../../support/values.ts';

describeTargets('users and roles', (target) => {
  const auth = (): AuthClient => new AuthClient(target().client);

  it('are added, listed in order of their names, and deleted', async () => {
    for (const name of ['u-b', 'u-a']) await auth().addUser(name, 'secret');
    expect((await auth().call<{ users: string[] }>('UserList')).users).toEqual(['u-a', 'u-b']);
    for (const name of ['r-b', 'r-a']) await auth().call('RoleAdd', { name });
    expect((await auth().call<{ roles: string[] }>('RoleList')).roles).toEqual(['r-a', 'r-b']);
    for (const role of ['r-b', 'r-a']) await auth().call('UserGrantRole', { user: 'u-a', role });
    await auth().call('UserGrantRole', { user: 'u-a', role: 'r-a' });
    expect((await auth().call<{ roles: string[] }>('UserGet', { name: 'u-a' })).roles).toEqual(['r-a', 'r-b']);
    await auth().call('RoleDelete', { role: 'r-a' });
    expect((await auth().call<{ roles: string[] }>('UserGet', { name: 'u-a' })).roles).toEqual(['r-b']);
    await auth().call('UserRevokeRole', { name: 'u-a', role: 'r-b' });
    await auth().call('UserDelete', { name: 'u-b' });
    expect((await auth().call<{ users: string[] }>('UserList')).users).toEqual(['u-a']);
  });

  it('are refused when they are wrong', async () => {
    await auth().addUser('exists', 'secret');
    await auth().call('RoleAdd', { name: 'role' });
    await expectError(auth().addUser('', 'secret'), 'UserEmpty');
    await expectError(auth().addUser('exists', 'other'), 'UserAlreadyExist');
    await expectError(auth().call('UserGet', { name: 'nobody' }), 'UserNotFound');
    await expectError(auth().call('UserDelete', { name: 'nobody' }), 'UserNotFound');
    await expectError(auth().call('UserChangePassword', { name: 'nobody', password: 'x' }), 'UserNotFound');
    await expectError(auth().call('UserGrantRole', { user: 'nobody', role: 'role' }), 'UserNotFound');
    await expectError(auth().call('UserGrantRole', { user: 'exists', role: 'none' }), 'RoleNotFound');
    await expectError(auth().call('UserRevokeRole', { name: 'exists', role: 'role' }), 'RoleNotGranted');
    await expectError(auth().call('RoleAdd', { name: '' }), 'RoleEmpty');
    await expectError(auth().call('RoleAdd', { name: 'role' }), 'RoleAlreadyExist');
    await expectError(auth().call('RoleGet', { role: 'none' }), 'RoleNotFound');
    await expectError(auth().call('RoleDelete', { role: 'none' }), 'RoleNotFound');
  });

  it('hold permissions, the same range replaced, sorted by key', async () => {
    await auth().call('RoleAdd', { name: 'permitted' });
    const grant = (perm?: Permission): Promise<unknown> =>
      auth().call('RoleGrantPermission', { name: 'permitted', perm });
    await grant({ permType: 'READ', key: 'b', range_end: 'c' });
    await grant({ permType: 'WRITE', key: 'a' });
    await grant({ permType: 'READWRITE', key: 'b', range_end: 'c' });
    const { perm } = await auth().call<{ perm: Required<Permission>[] }>('RoleGet', { role: 'permitted' });
    expect(perm.map((p) => [p.permType, Buffer.from(p.key).toString(), Buffer.from(p.range_end).toString()])).toEqual([
      ['WRITE', 'a', ''],
      ['READWRITE', 'b', 'c'],
    ]);
    await expectError(grant(), 'PermissionNotGiven');
    await expectError(grant({ key: 'c', range_end: 'b' }), 'InvalidAuthMgmt');
    await expectError(grant({ key: '' }), 'InvalidAuthMgmt');
    await expectError(auth().call('RoleGrantPermission', { name: 'none', perm: { key: 'a' } }), 'RoleNotFound');
    const revoke = (key: string, range_end = ''): Promise<unknown> =>
      auth().call('RoleRevokePermission', { role: 'permitted', key, range_end });
    await expectError(revoke('b'), 'PermissionNotGranted');
    await revoke('b', 'c');
    await expectError(revoke('b', 'c'), 'PermissionNotGranted');
  });

  it('may have no password', async () => {
    await auth().addUser('passwordless', '', { options: { no_password: true } });
    expect((await auth().call<{ users: string[] }>('UserList', {})).users).toContain('passwordless');
    await auth().call('UserDelete', { name: 'passwordless' });
  });

  it('cannot log in while authentication is off, which may be switched off again', async () => {
    await expectError(auth().login('exists', 'secret'), 'AuthNotEnabled');
    await auth().call('AuthDisable');
  });

  it('need root before authentication is switched on', async () => {
    await expectError(auth().call('AuthEnable'), 'RootUserNotExist');
    await auth().addUser('root', 'secret');
    await expectError(auth().call('AuthEnable'), 'RootRoleNotExist');
  });

  it('count each change in the revision of the auth store', async () => {
    const revision = async (): Promise<bigint> =>
      (await auth().call<{ authRevision: bigint }>('AuthStatus')).authRevision;
    const before = await revision();
    await auth().call('RoleAdd', { name: 'counted' });
    await auth().call('RoleDelete', { role: 'counted' });
    expect(await revision()).toBe(before + 2n);
  });
});

describeTargets('authentication', (target) => {
  const nobody = (): AuthClient => new AuthClient(target().client);
  let root: AuthClient;
  let user: AuthClient;

  beforeEach(async () => {
    if (user !== undefined) return;
    await nobody().addUser('root', 'toor');
    await nobody().give('root', 'root');
    await nobody().addUser('user', 'secret');
    await nobody().give(
      'user',
      'role',
      { permType: 'READWRITE', key: 'own/', range_end: 'own0' },
      { permType: 'READ', key: 'read/', range_end: 'read0' },
      { permType: 'WRITE', key: 'write/', range_end: 'write0' },
    );
    await nobody().call('AuthEnable');
    await nobody()
      .call('AuthEnable')
      .catch(() => {});
    root = await nobody().login('root', 'toor');
    user = await nobody().login('user', 'secret');
  });

  it('takes the right password only', async () => {
    await expectError(nobody().login('user', 'wrong'), 'AuthFailed');
    await expectError(nobody().login('unknown', 'secret'), 'AuthFailed');
  });

  it('refuses nobody, and made-up tokens', async () => {
    const { client } = target();
    await expectError(client.range({ key: 'own/a' }), 'UserEmpty');
    await expectError(client.put({ key: 'own/a' }), 'UserEmpty');
    await expectError(client.range({ key: 'own/a' }, { metadata: { token: 'made.1' } }), 'InvalidAuthToken');
    await expectError(
      client.put({ key: 'own/a' }, { metadata: { authorization: 'Bearer made.1' } }),
      'InvalidAuthToken',
    );
  });

  it('lets root do everything', async () => {
    const { client } = target();
    await client.put({ key: 'anything' }, root.options);
    expect((await client.range({ key: '\0', range_end: OPEN_END }, root.options)).count).toBeGreaterThan(0n);
    const { perm } = await root.call<{ perm: Permission[] }>('RoleGet', { role: 'root' });
    // Until 3.5 the role shows what it was given, which is nothing, though it may do everything.
    const everything = { permType: 'READWRITE', key: new Uint8Array(), range_end: OPEN_END };
    expect(perm).toEqual(target().atLeast('3.6') ? [everything] : []);
  });

  it('checks reads and writes against the ranges of the roles', async () => {
    const { client } = target();
    const { options } = user;
    await client.put({ key: 'own/a', value: '1' }, options);
    expect((await client.range({ key: 'own/', range_end: 'own0' }, options)).count).toBe(1n);
    await client.range({ key: 'read/a' }, options);
    await client.put({ key: 'write/a' }, options);
    await client.deleteRange({ key: 'write/', range_end: 'write0' }, options);
    await expectError(client.range({ key: 'write/a' }, options), 'PermissionDenied');
    await expectError(client.put({ key: 'read/a' }, options), 'PermissionDenied');
    await expectError(client.put({ key: 'write/a', prev_kv: true }, options), 'PermissionDenied');
    await expectError(client.deleteRange({ key: 'write/a', prev_kv: true }, options), 'PermissionDenied');
    await expectError(client.range({ key: 'own/', range_end: 'own1' }, options), 'PermissionDenied');
    await expectError(client.range({ key: 'own/', range_end: OPEN_END }, options), 'PermissionDenied');
    await expectError(client.deleteRange({ key: 'elsewhere' }, options), 'PermissionDenied');
  });

  it('checks both branches of a txn, and its compares', async () => {
    const { client } = target();
    const put = (key: string) => ({ request_put: { key } });
    await client.txn({ compare: [{ key: 'own/a' }], success: [put('own/a')], failure: [put('write/a')] }, user.options);
    for (const request of [
      { success: [put('own/a')], failure: [put('elsewhere')] },
      { compare: [{ key: 'write/a' }], success: [put('own/a')] },
      { success: [{ request_txn: { failure: [put('elsewhere')] } }] },
    ]) {
      await expectError(client.txn(request, user.options), 'PermissionDenied');
    }
  });

  it('checks watches when they are created', async () => {
    const stream = target().client.watch(user.options);
    stream.send({ create_request: { key: 'own/a' } });
    expect(await stream.next()).toMatchObject({ created: true, canceled: false });
    stream.send({ create_request: { key: 'elsewhere' } });
    expect(await stream.next()).toMatchObject({
      watch_id: -1n,
      created: true,
      canceled: true,
      cancel_reason: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
    });
    stream.cancel();
  });

  it('checks leases by the keys that are attached to them', async () => {
    const { client } = target();
    const { ID } = await client.leaseGrant({ TTL: 60 }, user.options);
    await client.put({ key: 'own/leased', lease: ID }, user.options);
    await client.put({ key: 'elsewhere', lease: ID }, root.options);
    await expectError(client.leaseRevoke(ID, user.options), 'PermissionDenied');
    await expectError(client.leaseTimeToLive({ ID, keys: true }, user.options), 'PermissionDenied');
    expect((await client.leaseTimeToLive({ ID }, user.options)).grantedTTL).toBe(60n);
    await client.leaseRevoke(ID, root.options);
  });

  it('keeps administration for root', async () => {
    const { client } = target();
    for (const [method, request] of Object.entries({
      UserAdd: { name: 'x', password: 'y' },
      UserList: {},
      UserDelete: { name: 'user' },
      RoleAdd: { name: 'x' },
      RoleList: {},
      UserGrantRole: { user: 'user', role: 'root' },
      AuthDisable: {},
    })) {
      await expectError(user.call(method, request), 'PermissionDenied');
    }
    await expectError(client.compact({ revision: 1 }, user.options), 'PermissionDenied');
    for (const call of [() => client.defragment(user.options), () => client.hashKv(0, user.options)]) {
      // Until 3.5 the inner error comes out as it is.
      if (target().atLeast('3.6')) await expectError(call(), 'PermissionDenied');
      else await expectStatus(call(), Status.Unknown, 'auth: permission denied');
    }
    expect((await user.call<{ roles: string[] }>('UserGet', { name: 'user' })).roles).toEqual(['role']);
    await expectError(user.call('UserGet', { name: 'root' }), 'PermissionDenied');
    await expectError(root.call('UserDelete', { name: 'root' }), 'InvalidAuthMgmt');
    await expectError(root.call('RoleDelete', { role: 'root' }), 'InvalidAuthMgmt');
    await expectError(root.call('UserRevokeRole', { name: 'root', role: 'root' }), 'InvalidAuthMgmt');
  });

  it('refuses the password of a user who has none', async () => {
    await root.addUser('bare', '', { options: { no_password: true } });
    await expectStatus(
      nobody().login('bare', 'x'),
      Status.Unknown,
      'auth: authentication failed, password was given for no password user',
    );
  });

  it('ends the tokens of a user whose password changes', async () => {
    await root.addUser('changing', 'old');
    const before = await nobody().login('changing', 'old');
    await root.call('UserChangePassword', { name: 'changing', password: 'new' });
    await expectError(target().client.range({ key: 'x' }, before.options), 'InvalidAuthToken');
    await expectError(nobody().login('changing', 'old'), 'AuthFailed');
    await nobody().login('changing', 'new');
  });

  it('can be switched off by root', async () => {
    await root.call('AuthDisable');
    await target().client.put({ key: 'free' });
    expect(await nobody().call('AuthStatus')).toMatchObject({ enabled: false });
  });
});
