/** Who may do what while authentication is on: every request, as nobody, as a user, with a bad token, and as root. */
import { beforeEach, expect, it } from 'vitest';
import { AuthClient } from '../../support/auth-client.ts';
import { expectError, expectStatus, Status } from '../../support/expect-error.ts';
import type { CallOptions, RawClient } from '../../support/raw-client.ts';
import { RpcError } from '../../support/raw-client.ts';
import { describeTargets, type Target } from '../../support/target.ts';
import { OPEN_END, text } from '../../support/values.ts';

const FLAGS = { flags: ['--bcrypt-cost=4'] };

/** The users of a server with auth on. Permissions: own/ everything, read/ and write/ as the names say. */
class Cast {
  readonly target: Target;
  readonly nobody: AuthClient;
  readonly root: AuthClient;
  readonly user: AuthClient;
  /** May read and write everything, and is not root. */
  readonly worker: AuthClient;

  private constructor(target: Target, root: AuthClient, user: AuthClient, worker: AuthClient) {
    this.target = target;
    this.nobody = new AuthClient(target.client);
    this.root = root;
    this.user = user;
    this.worker = worker;
  }

  static async gather(target: Target): Promise<Cast> {
    const nobody = new AuthClient(target.client);
    await nobody.addUser('root', 'toor');
    await nobody.give('root', 'root');
    await nobody.addUser('user', 'secret');
    await nobody.give(
      'user',
      'role',
      { permType: 'READWRITE', key: 'own/', range_end: 'own0' },
      { permType: 'READ', key: 'read/', range_end: 'read0' },
      { permType: 'WRITE', key: 'write/', range_end: 'write0' },
    );
    await nobody.addUser('worker', 'work');
    await nobody.give('worker', 'all', { permType: 'READWRITE', key: '\0', range_end: OPEN_END });
    await nobody.call('AuthEnable');
    const root = await nobody.login('root', 'toor');
    return new Cast(target, root, await nobody.login('user', 'secret'), await nobody.login('worker', 'work'));
  }

  get client(): RawClient {
    return this.target.client;
  }
}

type Call = (client: RawClient, options: CallOptions) => Promise<unknown>;

/** The name of the error, or that there is none. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    // Until 3.5 some inner errors come out as they are.
    return error.message.replace(/^(?:etcdserver|auth): /, '');
  }
}

const EMPTY_NAME = 'user name is empty';
const BAD_TOKEN = 'invalid auth token';
const DENIED = 'permission denied';

const put = (key: string, more: object = {}) => ({ request_put: { key, ...more } });
const unary =
  (service: string, method: string, request: object): Call =>
  (client, options) =>
    client.unary(`etcdserverpb.${service}`, method, request, options);

async function first<T>(stream: { next(): Promise<T>; cancel(): void }): Promise<T> {
  try {
    return await stream.next();
  } finally {
    stream.cancel();
  }
}

describeTargets(
  'with authentication on',
  (target) => {
    let cast: Cast;
    /** Leases with a key of the user's, with one he may not touch, and with none. */
    const leases = { own: 0n, alien: 0n, bare: 0n };

    beforeEach(async () => {
      if (cast !== undefined) return;
      cast = await Cast.gather(target());
      const { client, root } = cast;
      for (const name of ['own', 'alien', 'bare'] as const) {
        leases[name] = (await client.leaseGrant({ TTL: 600 }, root.options)).ID;
      }
      await client.put({ key: 'own/leased', lease: leases.own }, root.options);
      await client.put({ key: 'alien/leased', lease: leases.alien }, root.options);
    });

    const keepAlive =
      (id: () => bigint): Call =>
      (client, options) => {
        const stream = client.leaseKeepAlive(options);
        stream.send({ ID: id() });
        return first(stream);
      };

    /** For root only: what root gets is in the last place. */
    const administration: readonly (readonly [string, Call, string])[] = [
      ['Compact', (client, options) => client.compact({ revision: 1 }, options), 'OK'],
      ['Alarm, clearing', unary('Maintenance', 'Alarm', { action: 'DEACTIVATE', alarm: 'NOSPACE' }), 'OK'],
      ['Alarm, setting none', unary('Maintenance', 'Alarm', { action: 'ACTIVATE', alarm: 'NONE' }), 'OK'],
      ['Hash', (client, options) => client.hash(options), 'OK'],
      ['HashKV', (client, options) => client.hashKv(0, options), 'OK'],
      ['Defragment', (client, options) => client.defragment(options), 'OK'],
      ['Snapshot', (client, options) => first(client.snapshot(options)), 'OK'],
      ['MoveLeader', (client, options) => client.moveLeader(5, options), 'bad leader transferee'],
      [
        'Downgrade',
        (client, options) => client.downgrade('VALIDATE', '1.2', options),
        'invalid downgrade target version',
      ],
      ['MemberAdd', unary('Cluster', 'MemberAdd', { peerURLs: ['http://127.0.0.1:1'], isLearner: true }), 'OK'],
      ['MemberRemove', unary('Cluster', 'MemberRemove', { ID: 5 }), 'member not found'],
      [
        'MemberUpdate',
        unary('Cluster', 'MemberUpdate', { ID: 5, peerURLs: ['http://127.0.0.1:2'] }),
        'member not found',
      ],
      ['MemberPromote', unary('Cluster', 'MemberPromote', { ID: 5 }), 'member not found'],
      ['AuthEnable', unary('Auth', 'AuthEnable', {}), 'OK'],
      ['AuthStatus', unary('Auth', 'AuthStatus', {}), 'OK'],
      ['UserAdd', unary('Auth', 'UserAdd', { name: '', password: 'x' }), EMPTY_NAME],
      ['UserDelete', unary('Auth', 'UserDelete', { name: 'none' }), 'user name not found'],
      [
        'UserChangePassword',
        unary('Auth', 'UserChangePassword', { name: 'none', password: 'x' }),
        'user name not found',
      ],
      ['UserGrantRole', unary('Auth', 'UserGrantRole', { user: 'none', role: 'role' }), 'user name not found'],
      ['UserRevokeRole', unary('Auth', 'UserRevokeRole', { name: 'none', role: 'role' }), 'user name not found'],
      ['UserList', unary('Auth', 'UserList', {}), 'OK'],
      ['UserGet of somebody else', unary('Auth', 'UserGet', { name: 'root' }), 'OK'],
      ['RoleAdd', unary('Auth', 'RoleAdd', { name: 'role' }), 'role name already exists'],
      ['RoleDelete', unary('Auth', 'RoleDelete', { role: 'none' }), 'role name not found'],
      ['RoleList', unary('Auth', 'RoleList', {}), 'OK'],
      ['RoleGet of a role one has not', unary('Auth', 'RoleGet', { role: 'root' }), 'OK'],
      ['RoleGrantPermission', unary('Auth', 'RoleGrantPermission', { name: 'role' }), 'permission not given'],
      [
        'RoleRevokePermission',
        unary('Auth', 'RoleRevokePermission', { role: 'role', key: 'none' }),
        'permission is not granted to the role',
      ],
    ];

    it.each(administration)('%s is for root', async (_, call, asRoot) => {
      const { client, nobody, user, worker, root } = cast;
      const stranger = { metadata: { token: 'made.1' } };
      expect(await outcome(call(client, nobody.options))).toBe(EMPTY_NAME);
      expect(await outcome(call(client, stranger))).toBe(BAD_TOKEN);
      expect(await outcome(call(client, user.options))).toBe(DENIED);
      expect(await outcome(call(client, worker.options))).toBe(DENIED);
      expect(await outcome(call(client, root.options))).toBe(asRoot);
    });

    /** The last place: what the user gets, where that is not OK. */
    const forUsers: readonly (readonly [string, Call, string?])[] = [
      ['LeaseGrant', (client, options) => client.leaseGrant({ TTL: 60 }, options)],
      ['MemberList', (client, options) => client.memberList({}, options)],
      ['MemberList, linearizable', (client, options) => client.memberList({ linearizable: true }, options)],
      ['Alarm, asking', unary('Maintenance', 'Alarm', { action: 'GET' })],
      ['LeaseRevoke of none', (client, options) => client.leaseRevoke(5n, options), 'requested lease not found'],
      ['TimeToLive', (client, options) => client.leaseTimeToLive({ ID: leases.alien }, options)],
      ['TimeToLive of none', (client, options) => client.leaseTimeToLive({ ID: 5n, keys: true }, options)],
      [
        'TimeToLive with own keys',
        (client, options) => client.leaseTimeToLive({ ID: leases.own, keys: true }, options),
      ],
      [
        'TimeToLive with keys of others',
        (client, options) => client.leaseTimeToLive({ ID: leases.alien, keys: true }, options),
        DENIED,
      ],
      ['KeepAlive of none', keepAlive(() => 5n)],
      ['KeepAlive without keys', keepAlive(() => leases.bare)],
      ['KeepAlive with own keys', keepAlive(() => leases.own)],
      ['KeepAlive with keys of others', keepAlive(() => leases.alien), DENIED],
      ['LeaseRevoke with keys of others', (client, options) => client.leaseRevoke(leases.alien, options), DENIED],
      ['LeaseLeases, keys of others among them', (client, options) => client.leaseLeases(options), DENIED],
      ['UserGet of oneself', unary('Auth', 'UserGet', { name: 'user' })],
      ['UserGet of nobody', unary('Auth', 'UserGet', { name: 'none' }), DENIED],
      ['RoleGet of a role one has', unary('Auth', 'RoleGet', { role: 'role' })],
      ['RoleGet of none', unary('Auth', 'RoleGet', { role: 'none' }), DENIED],
    ];

    for (const [what, call, asUser = 'OK'] of forUsers) {
      it(`${what} needs a user`, async () => {
        const { client, nobody, user } = cast;
        expect(await outcome(call(client, nobody.options))).toBe(EMPTY_NAME);
        expect(await outcome(call(client, { metadata: { token: 'made' } }))).toBe(BAD_TOKEN);
        expect(await outcome(call(client, user.options))).toBe(asUser);
      });
    }

    it('Status needs a user, until 3.5 root', async () => {
      const { client, nobody, user, root } = cast;
      expect(await outcome(client.status(nobody.options))).toBe(EMPTY_NAME);
      expect(await outcome(client.status(user.options))).toBe(target().atLeast('3.6') ? 'OK' : DENIED);
      expect(await outcome(client.status(root.options))).toBe('OK');
    });

    const onKeys: readonly (readonly [string, Call, string?])[] = [
      ['a range from an own key to the next beyond', (c, o) => c.range({ key: 'own/', range_end: 'own0' }, o)],
      ['a range one key too far', (c, o) => c.range({ key: 'own/', range_end: 'own1' }, o), DENIED],
      ['a range to the end', (c, o) => c.range({ key: 'own/', range_end: OPEN_END }, o), DENIED],
      ['a serializable range', (c, o) => c.range({ key: 'alien/a', serializable: true }, o), DENIED],
      ['an empty range inside', (c, o) => c.range({ key: 'own/b', range_end: 'own/a' }, o)],
      ['an empty range that ends outside', (c, o) => c.range({ key: 'own/b', range_end: 'a' }, o)],
      ['an empty range that begins outside', (c, o) => c.range({ key: 'z', range_end: 'own/a' }, o), DENIED],
      ['a put', (c, o) => c.put({ key: 'write/a' }, o)],
      ['a put that asks for what was there', (c, o) => c.put({ key: 'write/a', prev_kv: true }, o), DENIED],
      ['a put that keeps the value', (c, o) => c.put({ key: 'write/a', ignore_value: true }, o)],
      ['a put on a lease with own keys', (c, o) => c.put({ key: 'own/a', lease: leases.own }, o)],
      ['a put on a lease with keys of others', (c, o) => c.put({ key: 'own/a', lease: leases.alien }, o), DENIED],
      ['a delete', (c, o) => c.deleteRange({ key: 'write/', range_end: 'write0' }, o)],
      ['a delete that asks for what was there', (c, o) => c.deleteRange({ key: 'write/a', prev_kv: true }, o), DENIED],
      ['a read-only txn', (c, o) => c.txn({ success: [{ request_range: { key: 'read/a' } }] }, o)],
      ['a read-only txn of others', (c, o) => c.txn({ success: [{ request_range: { key: 'alien/a' } }] }, o), DENIED],
      [
        'a read-only txn that compares keys of others',
        (c, o) => c.txn({ compare: [{ key: 'alien/a' }], success: [{ request_range: { key: 'read/a' } }] }, o),
        DENIED,
      ],
      ['a txn that puts', (c, o) => c.txn({ success: [put('own/a')] }, o)],
      [
        'a txn with the wrong branch',
        (c, o) => c.txn({ success: [put('own/a')], failure: [put('read/a')] }, o),
        DENIED,
      ],
      ['a put in a txn, prev_kv', (c, o) => c.txn({ success: [put('write/a', { prev_kv: true })] }, o), DENIED],
      ['a put in a txn, lease', (c, o) => c.txn({ success: [put('own/a', { lease: leases.alien })] }, o), DENIED],
      [
        'a delete in a nested txn, prev_kv',
        (c, o) => {
          const success = [{ request_delete_range: { key: 'write/a', prev_kv: true } }];
          return c.txn({ success: [{ request_txn: { success } }] }, o);
        },
        DENIED,
      ],
      [
        'a compare in a nested txn',
        (c, o) => c.txn({ success: [{ request_txn: { compare: [{ key: 'alien/a' }], success: [put('own/a')] } }] }, o),
        DENIED,
      ],
    ];

    for (const [what, call, asUser = 'OK'] of onKeys) {
      it(`${what}: as the ranges say`, async () => {
        const { client, nobody, user, worker } = cast;
        expect(await outcome(call(client, nobody.options))).toBe(EMPTY_NAME);
        expect(await outcome(call(client, user.options))).toBe(asUser);
        expect(await outcome(call(client, worker.options))).toBe('OK');
      });
    }

    it('a txn without operations is everybody’s', async () => {
      expect(await outcome(cast.client.txn({}, cast.nobody.options))).toBe('OK');
    });

    it('watches say why they are refused, and the stream goes on', async () => {
      const { client, user, nobody } = cast;
      const reasonFor = async (options: CallOptions): Promise<string> => {
        const stream = client.watch(options);
        stream.send({ create_request: { key: 'alien/a' } });
        return (await first(stream)).cancel_reason;
      };
      const reason = (code: string, message: string): string =>
        `rpc error: code = ${code} desc = etcdserver: ${message}`;
      expect(await reasonFor(nobody.options)).toBe(reason('InvalidArgument', EMPTY_NAME));
      expect(await reasonFor({ metadata: { token: 'made.1' } })).toBe(reason('Unauthenticated', BAD_TOKEN));
      expect(await reasonFor(user.options)).toBe(reason('PermissionDenied', DENIED));
      const stream = client.watch(user.options);
      for (const key of ['alien/a', 'own/w', 'write/w']) stream.send({ create_request: { key } });
      expect((await stream.next()).watch_id).toBe(-1n);
      expect(await stream.next()).toMatchObject({ watch_id: 0n, canceled: false });
      expect((await stream.next()).watch_id).toBe(-1n);
      await client.put({ key: 'own/w', value: 'seen' }, user.options);
      expect((await stream.next()).events.map(({ kv }) => text(kv.value))).toEqual(['seen']);
      stream.cancel();
    });

    it('a token counts in either header, and `token` before `authorization`', async () => {
      const { client, user } = cast;
      const token = user.options.metadata?.['token'] ?? '';
      expect(token).toMatch(/^[a-zA-Z]{16}\.\d+$/);
      const range = (metadata: Record<string, string>): Promise<unknown> =>
        client.range({ key: 'own/a' }, { metadata });
      await range({ authorization: token });
      await range({ token, authorization: 'made.1' });
      await expectError(range({ token: 'made.1', authorization: token }), 'InvalidAuthToken');
      await expectError(range({ token: '' }), 'InvalidAuthToken');
      if (target().atLeast('3.6')) await range({ authorization: `Bearer ${token}` });
    });

    it('a token of a log entry that there is not leads to no answer before its time', async () => {
      const far = { metadata: { token: 'abcdefghijklmnop.999999' }, timeoutMs: 300 };
      const askedMs = performance.now();
      const error: unknown = await cast.client.range({ key: 'own/a' }, far).catch((reason: unknown) => reason);
      expect(performance.now() - askedMs).toBeGreaterThan(250);
      // Either end may be the first to notice; to a server whose wait ends with the call the token is not valid.
      expect([Status.DeadlineExceeded, Status.Canceled, Status.Unauthenticated]).toContain((error as RpcError).code);
    });

    it('passwords of more than 72 bytes are refused, before names are looked at', async () => {
      const long = 'bcrypt: password length exceeds 72 bytes';
      await expectStatus(cast.root.addUser('', 'x'.repeat(73)), Status.Unknown, long);
      await expectStatus(cast.root.addUser('long', 'é'.repeat(37)), Status.Unknown, long);
      await cast.root.addUser('long', 'é'.repeat(36));
      await cast.nobody.login('long', 'é'.repeat(36));
      await expectError(cast.nobody.login('long', 'é'.repeat(35)), 'AuthFailed');
    });

    it('an empty password is one, a cleared one is none', async () => {
      await cast.root.addUser('blank', '');
      await cast.nobody.login('blank', '');
      await expectError(cast.nobody.login('blank', 'x'), 'AuthFailed');
      await cast.root.call('UserChangePassword', { name: 'blank', password: '' });
      await expectError(cast.nobody.login('blank', ''), 'AuthFailed');
    });

    it('what is granted and revoked counts at once', async () => {
      const { client, root, nobody } = cast;
      await root.addUser('temp', 'x');
      await root.call('RoleAdd', { name: 'temp' });
      const temp = await nobody.login('temp', 'x');
      const range = (): Promise<string> => outcome(client.range({ key: 'temp/a' }, temp.options));
      expect(await range()).toBe(DENIED);
      await root.call('UserGrantRole', { user: 'temp', role: 'temp' });
      expect(await range()).toBe(DENIED);
      await root.call('RoleGrantPermission', { name: 'temp', perm: { permType: 'READ', key: 'temp/a' } });
      expect(await range()).toBe('OK');
      await root.call('RoleRevokePermission', { role: 'temp', key: 'temp/a' });
      expect(await range()).toBe(DENIED);
      await root.call('RoleDelete', { role: 'temp' });
      expect((await root.call<{ roles: string[] }>('UserGet', { name: 'temp' })).roles).toEqual([]);
      await root.call('UserGrantRole', { user: 'temp', role: 'root' });
      expect(await range()).toBe('OK');
      await root.call('UserDelete', { name: 'temp' });
      expect(await range()).toBe(BAD_TOKEN);
    });

    it('ranges of several roles and permissions count as one where they touch', async () => {
      const { client, root, nobody } = cast;
      await root.addUser('patch', 'x');
      const pieces = [
        ['patch-1', 'p1', 'p3'],
        ['patch-2', 'p3', 'p5'],
        ['patch-3', 'p6', 'p7'],
      ] as const;
      for (const [role, key, range_end] of pieces) await root.give('patch', role, { permType: 'READ', key, range_end });
      const { options } = await nobody.login('patch', 'x');
      expect(await outcome(client.range({ key: 'p1', range_end: 'p5' }, options))).toBe('OK');
      expect(await outcome(client.range({ key: 'p2', range_end: 'p4' }, options))).toBe('OK');
      expect(await outcome(client.range({ key: 'p1', range_end: 'p6' }, options))).toBe(DENIED);
      expect(await outcome(client.range({ key: 'p1', range_end: 'p7' }, options))).toBe(DENIED);
    });
  },
  FLAGS,
);
