/**
 * Users, roles and their permissions: what etcd keeps in its buckets auth, authUsers and authRoles, in the same bytes. All of it
 * is held in memory too. Changed by log entries only, so that it is the same on every member (etcd-behaviour §2.12).
 */
import { compareBytes, copyBytes, equalBytes, getUint64BE, putUint64BE, toBinaryString } from '../base/bytes.ts';
import { etcdError } from '../base/etcd-error.ts';
import { utf8Decode, utf8Encode } from '../base/utf8.ts';
import {
  PermissionType,
  decodeRole,
  decodeUser,
  encodeRole,
  encodeUser,
  type Permission,
  type Role,
  type User,
} from '../gen/authpb.ts';
import { ROOT, type AuthInfo } from './auth-info.ts';
import { intervalOf, isOpenEnd } from './key-interval.ts';
import { KeyRanges } from './key-ranges.ts';

export type AuthTable = 'auth' | 'authUsers' | 'authRoles';

/** Writes are part of the same atomic commit as the log entry being applied. */
export interface AuthTables {
  put(table: AuthTable, key: Uint8Array, value: Uint8Array): void;
  delete(table: AuthTable, key: Uint8Array): void;
  rows(table: AuthTable): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
}

/** What a user proves himself with. */
export interface Credentials {
  /** bcrypt. */
  readonly passwordHash: Uint8Array;
  readonly hasNoPassword: boolean;
}

interface UserRanges {
  readonly read: KeyRanges;
  readonly write: KeyRanges;
}

const ENABLED = utf8Encode('authEnabled');
const REVISION = utf8Encode('authRevision');
const FIRST_REVISION = 1;

export class AuthStore {
  readonly #tables: AuthTables;
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();
  #enabled = false;
  #revision = FIRST_REVISION;
  /** Of the users who asked since the last change. */
  readonly #ranges = new Map<string, UserRanges>();

  /** Reads what the tables hold. The first revision is stored with the first change. */
  constructor(tables: AuthTables) {
    this.#tables = tables;
    for (const { key, value } of tables.rows('auth')) {
      if (equalBytes(key, ENABLED)) this.#enabled = value[0] === 1;
      else if (equalBytes(key, REVISION)) this.#revision = getUint64BE(value, 0);
    }
    for (const { key, value } of tables.rows('authUsers')) this.#users.set(textOf(key), decodeUser(value));
    for (const { key, value } of tables.rows('authRoles')) this.#roles.set(textOf(key), decodeRole(value));
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** One more with every change of users and roles, and when auth is switched off. */
  get revision(): number {
    return this.#revision;
  }

  // ---- What somebody may do. Nothing is refused while auth is off. ----

  /** Throws UserEmpty, AuthOldRevision or PermissionDenied. */
  checkRead(who: AuthInfo, key: Uint8Array, rangeEnd: Uint8Array): void {
    if (this.#enabled) this.#check(who, 'read', key, rangeEnd);
  }

  /** Throws UserEmpty, AuthOldRevision or PermissionDenied. */
  checkWrite(who: AuthInfo, key: Uint8Array, rangeEnd: Uint8Array): void {
    if (this.#enabled) this.#check(who, 'write', key, rangeEnd);
  }

  /** Throws UserEmpty, UserNotFound or PermissionDenied. */
  checkAdmin(who: AuthInfo): void {
    if (!this.#enabled) return;
    if (who.username === '') throw etcdError('UserEmpty');
    const user = this.#users.get(who.username);
    if (user === undefined) throw etcdError('UserNotFound');
    if (!user.roles.includes(ROOT)) throw etcdError('PermissionDenied');
  }

  /** Any user will do. Throws UserEmpty. */
  checkUser(who: AuthInfo): void {
    if (this.#enabled && who.revision === 0) throw etcdError('UserEmpty');
  }

  hasRole(username: string, role: string): boolean {
    return this.#users.get(username)?.roles.includes(role) ?? false;
  }

  #check(who: AuthInfo, kind: keyof UserRanges, key: Uint8Array, rangeEnd: Uint8Array): void {
    if (who.revision === 0) throw etcdError('UserEmpty');
    if (who.revision < this.#revision) throw etcdError('AuthOldRevision');
    const user = this.#users.get(who.username);
    if (user === undefined) throw etcdError('PermissionDenied');
    if (user.roles.includes(ROOT)) return;
    if (!this.#rangesOf(who.username, user)[kind].covers(key, rangeEnd)) throw etcdError('PermissionDenied');
  }

  #rangesOf(username: string, user: User): UserRanges {
    let ranges = this.#ranges.get(username);
    if (ranges === undefined) this.#ranges.set(username, (ranges = this.#unite(user)));
    return ranges;
  }

  #unite(user: User): UserRanges {
    const granted = user.roles.flatMap((role) => this.#roles.get(role)?.keyPermission ?? []);
    const without = (type: number): KeyRanges =>
      new KeyRanges(
        granted.filter(({ permType }) => permType !== type).map(({ key, rangeEnd }) => intervalOf(key, rangeEnd)),
      );
    return { read: without(PermissionType.WRITE), write: without(PermissionType.READ) };
  }

  // ---- Switching ----

  /** Throws RootUserNotExist or RootRoleNotExist. */
  enable(): void {
    if (this.#enabled) return;
    const root = this.#users.get(ROOT);
    if (root === undefined) throw etcdError('RootUserNotExist');
    if (!root.roles.includes(ROOT)) throw etcdError('RootRoleNotExist');
    this.#setEnabled(true);
  }

  disable(): void {
    if (!this.#enabled) return;
    this.#setEnabled(false);
    this.#changed();
  }

  // ---- Users ----

  credentialsOf(username: string): Credentials | undefined {
    const user = this.#users.get(username);
    if (user === undefined) return undefined;
    return { passwordHash: user.password, hasNoPassword: user.options?.noPassword ?? false };
  }

  /** In the byte order of their names. */
  userNames(): string[] {
    return sortedNames(this.#users.keys());
  }

  /** Throws UserNotFound. */
  rolesOf(username: string): string[] {
    return [...this.#user(username).roles];
  }

  /** `passwordHash` undefined: a user without a password. Throws UserEmpty or UserAlreadyExist. */
  addUser(username: string, passwordHash: Uint8Array | undefined): void {
    if (username === '') throw etcdError('UserEmpty');
    if (this.#users.has(username)) throw etcdError('UserAlreadyExist');
    this.#putUser(username, {
      name: utf8Encode(username),
      password: passwordHash ?? new Uint8Array(0),
      roles: [],
      options: { noPassword: passwordHash === undefined },
    });
    this.#changed();
  }

  /** Throws UserNotFound, or InvalidAuthMgmt for root while auth is on. */
  deleteUser(username: string): void {
    if (this.#enabled && username === ROOT) throw etcdError('InvalidAuthMgmt');
    this.#user(username);
    this.#users.delete(username);
    this.#tables.delete('authUsers', utf8Encode(username));
    this.#changed();
  }

  /** A user without a password keeps none. Throws UserNotFound. */
  changePassword(username: string, passwordHash: Uint8Array): void {
    const user = this.#user(username);
    const password = user.options?.noPassword === true ? new Uint8Array(0) : passwordHash;
    this.#putUser(username, { ...user, password });
    this.#changed();
  }

  /** Throws UserNotFound or RoleNotFound. The role root need not exist. */
  grantRole(username: string, role: string): void {
    const user = this.#user(username);
    if (role !== ROOT) this.#role(role);
    if (user.roles.includes(role)) return;
    this.#putUser(username, { ...user, roles: sortedNames([...user.roles, role]) });
    this.#changed();
  }

  /** Throws UserNotFound or RoleNotGranted, or InvalidAuthMgmt for root's role root while auth is on. */
  revokeRole(username: string, role: string): void {
    if (this.#enabled && username === ROOT && role === ROOT) throw etcdError('InvalidAuthMgmt');
    const user = this.#user(username);
    if (!user.roles.includes(role)) throw etcdError('RoleNotGranted');
    this.#putUser(username, { ...user, roles: user.roles.filter((granted) => granted !== role) });
    this.#changed();
  }

  // ---- Roles ----

  /** In the byte order of their names. */
  roleNames(): string[] {
    return sortedNames(this.#roles.keys());
  }

  /** Of the role root: everything. Throws RoleNotFound. */
  permissionsOf(role: string): readonly Permission[] {
    const { keyPermission } = this.#role(role);
    return role === ROOT ? [EVERYTHING] : keyPermission;
  }

  /** Throws RoleEmpty or RoleAlreadyExist. */
  addRole(role: string): void {
    if (role === '') throw etcdError('RoleEmpty');
    if (this.#roles.has(role)) throw etcdError('RoleAlreadyExist');
    this.#putRole(role, { name: utf8Encode(role), keyPermission: [] });
    this.#changed();
  }

  /** Takes it from its users too. Throws RoleNotFound, or InvalidAuthMgmt for root while auth is on. */
  deleteRole(role: string): void {
    if (this.#enabled && role === ROOT) throw etcdError('InvalidAuthMgmt');
    this.#role(role);
    this.#roles.delete(role);
    this.#tables.delete('authRoles', utf8Encode(role));
    for (const [username, user] of this.#users) {
      if (!user.roles.includes(role)) continue;
      this.#putUser(username, { ...user, roles: user.roles.filter((granted) => granted !== role) });
    }
    this.#changed();
  }

  /**
   * Of a range that the role has already the type is replaced: only where it is the first that begins with this key, as in etcd.
   * Else it is added, and the role then has both. Throws PermissionNotGiven, InvalidAuthMgmt or RoleNotFound.
   */
  grantPermission(role: string, given: Permission | undefined): void {
    if (given === undefined) throw etcdError('PermissionNotGiven');
    if (!isRange(given)) throw etcdError('InvalidAuthMgmt');
    const { name, keyPermission } = this.#role(role);
    const permission = { ...given, key: copyBytes(given.key), rangeEnd: copyBytes(given.rangeEnd) };
    const at = keyPermission.findIndex((known) => compareBytes(known.key, given.key) >= 0);
    const known = keyPermission[at];
    const isSame = known !== undefined && hasRange(known, given.key, given.rangeEnd);
    const changed = isSame
      ? keyPermission.with(at, permission)
      : [...keyPermission, permission].sort((a, b) => compareBytes(a.key, b.key));
    this.#putRole(role, { name, keyPermission: changed });
    this.#changed();
  }

  /** Throws RoleNotFound, or PermissionNotGranted unless the role has exactly this range. */
  revokePermission(role: string, key: Uint8Array, rangeEnd: Uint8Array): void {
    const { name, keyPermission } = this.#role(role);
    const kept = keyPermission.filter((permission) => !hasRange(permission, key, rangeEnd));
    if (kept.length === keyPermission.length) throw etcdError('PermissionNotGranted');
    this.#putRole(role, { name, keyPermission: kept });
    this.#changed();
  }

  #user(username: string): User {
    const user = this.#users.get(username);
    if (user === undefined) throw etcdError('UserNotFound');
    return user;
  }

  #role(name: string): Role {
    const role = this.#roles.get(name);
    if (role === undefined) throw etcdError('RoleNotFound');
    return role;
  }

  #putUser(username: string, user: User): void {
    this.#users.set(username, user);
    this.#tables.put('authUsers', utf8Encode(username), encodeUser(user));
  }

  #putRole(name: string, role: Role): void {
    this.#roles.set(name, role);
    this.#tables.put('authRoles', utf8Encode(name), encodeRole(role));
  }

  #changed(): void {
    this.#ranges.clear();
    this.#setRevision(this.#revision + 1);
  }

  #setRevision(revision: number): void {
    this.#revision = revision;
    const row = new Uint8Array(8);
    putUint64BE(row, 0, revision);
    this.#tables.put('auth', REVISION, row);
  }

  #setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    this.#tables.put('auth', ENABLED, new Uint8Array([enabled ? 1 : 0]));
  }
}

const EVERYTHING: Permission = {
  permType: PermissionType.READWRITE,
  key: new Uint8Array(0),
  rangeEnd: new Uint8Array(1),
};

function isRange({ key, rangeEnd }: Permission): boolean {
  if (key.length === 0) return false;
  return rangeEnd.length === 0 || isOpenEnd(rangeEnd) || compareBytes(key, rangeEnd) < 0;
}

function hasRange(permission: Permission, key: Uint8Array, rangeEnd: Uint8Array): boolean {
  return equalBytes(permission.key, key) && equalBytes(permission.rangeEnd, rangeEnd);
}

function textOf(name: Uint8Array): string {
  return utf8Decode(name) ?? toBinaryString(name);
}

/** In byte order, which is not the order of JavaScript's strings. */
function sortedNames(names: Iterable<string>): string[] {
  return [...names]
    .map((name) => ({ name, bytes: utf8Encode(name) }))
    .sort((a, b) => compareBytes(a.bytes, b.bytes))
    .map(({ name }) => name);
}
