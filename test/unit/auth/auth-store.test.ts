import { beforeEach, describe, expect, test } from 'vitest';
import { AuthStore, type AuthTable, type AuthTables } from '../../../src/auth/auth-store.ts';
import { NOBODY } from '../../../src/auth/auth-info.ts';
import { compareBytes } from '../../../src/base/bytes.ts';
import { decodeRole, decodeUser, PermissionType } from '../../../src/gen/authpb.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const HASH = bytes('$2a$10$hash');
const END = new Uint8Array(0);

class MemoryTables implements AuthTables {
  readonly tables = { auth: new Map<string, Uint8Array>(), authUsers: new Map(), authRoles: new Map() };

  put(table: AuthTable, key: Uint8Array, value: Uint8Array): void {
    this.tables[table].set(Buffer.from(key).toString('latin1'), value);
  }

  delete(table: AuthTable, key: Uint8Array): void {
    this.tables[table].delete(Buffer.from(key).toString('latin1'));
  }

  rows(table: AuthTable): { key: Uint8Array; value: Uint8Array }[] {
    const rows = [...this.tables[table]].map(([key, value]) => ({ key: bytes(key), value: value as Uint8Array }));
    return rows.sort((a, b) => compareBytes(a.key, b.key));
  }
}

let tables: MemoryTables;
let store: AuthStore;

beforeEach(() => {
  tables = new MemoryTables();
  store = new AuthStore(tables);
});

function switchOn(): void {
  store.addUser('root', HASH);
  store.grantRole('root', 'root');
  store.enable();
}

describe('the auth store', () => {
  test('begins empty, off and at revision 1, and leaves no trace of that', () => {
    expect([store.enabled, store.revision, store.userNames(), store.roleNames()]).toEqual([false, 1, [], []]);
    expect(tables.rows('auth')).toEqual([]);
  });

  test('writes rows in etcd’s bytes', () => {
    switchOn();
    store.addRole('r');
    store.grantPermission('r', { permType: PermissionType.WRITE, key: bytes('k'), rangeEnd: bytes('l') });
    expect(tables.tables.auth.get('authEnabled')).toEqual(new Uint8Array([1]));
    expect(tables.tables.auth.get('authRevision')).toEqual(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 5]));
    // name, password, roles, and options that are there though empty.
    expect(Buffer.from(tables.tables.authUsers.get('root')).toString('latin1')).toBe(
      '\n\x04root\x12\x0b$2a$10$hash\x1a\x04root"\x00',
    );
    expect(Buffer.from(tables.tables.authRoles.get('r')).toString('latin1')).toBe(
      '\n\x01r\x12\x08\b\x01\x12\x01k\x1a\x01l',
    );
  });

  test('reads back what it wrote', () => {
    switchOn();
    store.addUser('bare', undefined);
    store.addRole('r');
    store.grantPermission('r', { permType: PermissionType.READ, key: bytes('k'), rangeEnd: END });
    store.grantRole('bare', 'r');
    const again = new AuthStore(tables);
    expect([again.enabled, again.revision]).toEqual([true, store.revision]);
    expect(again.credentialsOf('bare')).toEqual({ passwordHash: END, hasNoPassword: true });
    expect(again.credentialsOf('root')).toEqual({ passwordHash: new Uint8Array(HASH), hasNoPassword: false });
    again.checkRead({ username: 'bare', revision: again.revision }, bytes('k'), END);
    expect(() => again.checkWrite({ username: 'bare', revision: again.revision }, bytes('k'), END)).toThrow('denied');
  });

  test('counts each change once, and refusals and what is so already not at all', () => {
    switchOn();
    const before = store.revision;
    store.enable();
    store.grantRole('root', 'root');
    expect(() => store.addUser('root', HASH)).toThrow('user name already exists');
    expect(() => store.deleteUser('nobody')).toThrow('user name not found');
    expect(store.revision).toBe(before);
    store.addRole('r');
    store.addUser('u', HASH);
    store.grantRole('u', 'r');
    expect(store.revision).toBe(before + 3);
    // Though it takes the role from its users too.
    store.deleteRole('r');
    expect(store.rolesOf('u')).toEqual([]);
    expect(store.revision).toBe(before + 4);
    store.disable();
    store.disable();
    expect(store.revision).toBe(before + 5);
  });

  test('keeps names in byte order, beyond the basic plane too', () => {
    const names = ['b', 'a', '\u{1f600}', '\uffee', 'é'];
    for (const name of names) store.addUser(name, HASH);
    expect(store.userNames()).toEqual(['a', 'b', 'é', '\uffee', '\u{1f600}']);
  });

  test('a password is replaced, except where there is none', () => {
    store.addUser('u', HASH);
    store.addUser('bare', undefined);
    store.changePassword('u', bytes('other'));
    store.changePassword('bare', bytes('other'));
    expect(store.credentialsOf('u')?.passwordHash).toEqual(bytes('other'));
    expect(store.credentialsOf('bare')?.passwordHash).toEqual(END);
  });

  test('a permission that is given again replaces its like, if that is the first of its key', () => {
    store.addRole('r');
    const grant = (permType: number, key: string, end: string): void =>
      store.grantPermission('r', { permType, key: bytes(key), rangeEnd: bytes(end) });
    grant(PermissionType.READ, 'b', 'd');
    grant(PermissionType.READ, 'b', 'c');
    grant(PermissionType.READ, 'a', '');
    grant(PermissionType.WRITE, 'b', 'd');
    // As etcd: it looks at the first only, and adds what it does not find there.
    grant(PermissionType.WRITE, 'b', 'c');
    const shown = store.permissionsOf('r').map(({ permType, key, rangeEnd }) => [permType, key, rangeEnd].join('/'));
    expect(shown).toEqual(['0/97/', '1/98/100', '0/98/99', '1/98/99']);
    expect(decodeRole(tables.tables.authRoles.get('r')).keyPermission).toHaveLength(4);
    store.revokePermission('r', bytes('b'), bytes('c'));
    expect(store.permissionsOf('r')).toHaveLength(2);
  });

  test('does not keep the bytes of a request', () => {
    store.addRole('r');
    const key = Buffer.from('k');
    store.grantPermission('r', { permType: PermissionType.READ, key, rangeEnd: END });
    key.fill(0);
    expect(store.permissionsOf('r')[0]?.key).toEqual(new Uint8Array([0x6b]));
  });

  test('users of old, without options, stay so', () => {
    tables.put('authUsers', bytes('old'), bytes('\n\x03old\x12\x01x'));
    const again = new AuthStore(tables);
    again.grantRole('old', 'root');
    expect(decodeUser(tables.tables.authUsers.get('old')).options).toBeUndefined();
  });
});

describe('checks', () => {
  const at = (username: string, revision = store.revision) => ({ username, revision });

  test('refuse nobody while auth is off', () => {
    store.checkRead(NOBODY, bytes('k'), END);
    store.checkWrite(NOBODY, bytes('k'), END);
    store.checkAdmin(NOBODY);
    store.checkUser(NOBODY);
  });

  test('look at the name, at the revision, at the user, at the ranges, in this order', () => {
    switchOn();
    store.addUser('u', HASH);
    const read = (who: { username: string; revision: number }) => () => store.checkRead(who, bytes('k'), END);
    expect(read(NOBODY)).toThrow('etcdserver: user name is empty');
    expect(read(at('u', store.revision - 1))).toThrow('etcdserver: revision of auth store is old');
    expect(read(at('gone', store.revision - 1))).toThrow('etcdserver: revision of auth store is old');
    expect(read(at('gone'))).toThrow('etcdserver: permission denied');
    expect(read(at('u'))).toThrow('etcdserver: permission denied');
    // What another member knows already may be ahead of this one.
    expect(read(at('root', store.revision + 1))).not.toThrow();
    expect(() => store.checkAdmin(at('root', 1))).not.toThrow();
    expect(() => store.checkAdmin(at('u'))).toThrow('etcdserver: permission denied');
    expect(() => store.checkAdmin(at('gone'))).toThrow('etcdserver: user name not found');
    expect(() => store.checkAdmin(NOBODY)).toThrow('etcdserver: user name is empty');
  });

  test('know of a change at once', () => {
    switchOn();
    store.addUser('u', HASH);
    store.addRole('r');
    store.grantRole('u', 'r');
    const mayRead = (): boolean => {
      try {
        store.checkRead(at('u'), bytes('k'), END);
        return true;
      } catch {
        return false;
      }
    };
    expect(mayRead()).toBe(false);
    store.grantPermission('r', { permType: PermissionType.READ, key: bytes('k'), rangeEnd: END });
    expect(mayRead()).toBe(true);
    store.grantPermission('r', { permType: PermissionType.WRITE, key: bytes('k'), rangeEnd: END });
    expect(mayRead()).toBe(false);
    store.grantRole('u', 'root');
    expect(mayRead()).toBe(true);
    store.deleteUser('u');
    expect(mayRead()).toBe(false);
  });
});
