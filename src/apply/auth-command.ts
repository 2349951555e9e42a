/** Log entries of the Auth service: carried out on the users and roles, and on the tokens that logins made. */
import { NOBODY, type AuthInfo } from '../auth/auth-info.ts';
import type { AuthStore } from '../auth/auth-store.ts';
import { simpleToken, type SimpleTokens } from '../auth/simple-tokens.ts';
import { etcdError } from '../base/etcd-error.ts';
import type { InternalAuthenticateRequest, InternalRaftRequest } from '../gen/raft-internal.ts';
import type {
  AuthenticateResponseInit,
  AuthEnableResponseInit,
  AuthRoleGetResponseInit,
  AuthRoleListResponseInit,
  AuthStatusResponseInit,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserGetResponseInit,
  AuthUserListResponseInit,
} from '../gen/rpc.ts';

/** Named as the fields of etcd's InternalRaftRequest. */
export const AUTH_KINDS = [
  'authEnable',
  'authDisable',
  'authStatus',
  'authenticate',
  'authUserAdd',
  'authUserDelete',
  'authUserGet',
  'authUserChangePassword',
  'authUserGrantRole',
  'authUserRevokeRole',
  'authUserList',
  'authRoleList',
  'authRoleAdd',
  'authRoleDelete',
  'authRoleGet',
  'authRoleGrantPermission',
  'authRoleRevokePermission',
] as const;
export type AuthKind = (typeof AUTH_KINDS)[number];

export type AuthRequest<K extends AuthKind> = NonNullable<InternalRaftRequest[K]>;

export type AuthCommand = { [K in AuthKind]: { readonly kind: K; readonly request: AuthRequest<K> } }[AuthKind];

/** Those not named answer with nothing but a header. */
export interface AuthResponses extends Record<AuthKind, AuthEnableResponseInit> {
  authStatus: AuthStatusResponseInit;
  authenticate: AuthenticateResponseInit;
  authUserGet: AuthUserGetResponseInit;
  authUserList: AuthUserListResponseInit;
  authRoleGet: AuthRoleGetResponseInit;
  authRoleList: AuthRoleListResponseInit;
}

export function authCommandOf(entry: InternalRaftRequest): AuthCommand | undefined {
  for (const kind of AUTH_KINDS) {
    const request = entry[kind];
    if (request !== undefined) return { kind, request } as AuthCommand;
  }
  return undefined;
}

export function isAuthCommand(command: { readonly kind: string }): command is AuthCommand {
  return command.kind.startsWith('auth');
}

export interface AuthParts {
  readonly store: AuthStore;
  readonly tokens: SimpleTokens;
  /** The bcrypt hash in an entry: decodes base64. */
  readonly hashOf: (base64: string) => Uint8Array;
  /** bcrypt, at once: for entries of members before 3.5, which put passwords into the log as they are. */
  readonly hashNow: (password: string) => Uint8Array;
}

/** Where an entry comes from, as far as carrying it out depends on that. */
export interface EntryOrigin {
  readonly username: string;
  readonly authRevision: number;
}

export function authInfoOf(origin: EntryOrigin | undefined): AuthInfo {
  return origin === undefined ? NOBODY : { username: origin.username, revision: origin.authRevision };
}

/** Throws UserEmpty, UserNotFound or PermissionDenied. Who asks about himself, or about a role of his, need not be root. */
export function authorizeAuth(store: AuthStore, who: AuthInfo, command: AuthCommand): void {
  switch (command.kind) {
    case 'authenticate':
      return;
    case 'authUserGet':
      if (who.username === '' || who.username !== command.request.name) store.checkAdmin(who);
      return;
    case 'authRoleGet':
      if (!store.hasRole(who.username, command.request.role)) store.checkAdmin(who);
      return;
    default:
      store.checkAdmin(who);
  }
}

/** `header` has only the revision. Throws EtcdError. */
export function applyAuth(
  parts: AuthParts,
  command: AuthCommand,
  header: { readonly revision: number },
  index: number,
  nowMs: number,
): AuthResponses[AuthKind] {
  const { store } = parts;
  switch (command.kind) {
    case 'authStatus':
      return { header, enabled: store.enabled, authRevision: store.revision };
    case 'authenticate':
      return { header, token: authenticate(parts, command.request, index, nowMs) };
    case 'authUserGet':
      return { header, roles: store.rolesOf(command.request.name) };
    case 'authUserList':
      return { header, users: store.userNames() };
    case 'authRoleGet':
      return { header, perm: store.permissionsOf(command.request.role) };
    case 'authRoleList':
      return { header, roles: store.roleNames() };
    default:
      change(parts, command);
      return { header };
  }
}

/** The password was checked by the member that proposed this. The token is empty where none goes through the log. */
function authenticate(
  { store, tokens }: AuthParts,
  { name, simpleToken: prefix }: InternalAuthenticateRequest,
  index: number,
  nowMs: number,
): string {
  if (!store.enabled) throw etcdError('AuthNotEnabled');
  const credentials = store.credentialsOf(name);
  if (credentials === undefined || credentials.hasNoPassword) throw etcdError('AuthFailed');
  if (prefix === '') return '';
  const token = simpleToken(prefix, index);
  tokens.assign(token, name, nowMs);
  return token;
}

type ChangeKind = Exclude<
  AuthKind,
  'authStatus' | 'authenticate' | 'authUserGet' | 'authUserList' | 'authRoleGet' | 'authRoleList'
>;

function change(parts: AuthParts, { kind, request }: AuthCommand & { readonly kind: ChangeKind }): void {
  const { store, tokens } = parts;
  switch (kind) {
    case 'authEnable':
      return store.enable();
    case 'authDisable':
      store.disable();
      return tokens.clear();
    case 'authUserAdd':
      return store.addUser(request.name, request.options?.noPassword === true ? undefined : hashIn(parts, request));
    case 'authUserDelete':
      store.deleteUser(request.name);
      return tokens.invalidateUser(request.name);
    case 'authUserChangePassword':
      store.changePassword(request.name, hashIn(parts, request));
      return tokens.invalidateUser(request.name);
    case 'authUserGrantRole':
      return store.grantRole(request.user, request.role);
    case 'authUserRevokeRole':
      return store.revokeRole(request.name, request.role);
    case 'authRoleAdd':
      return store.addRole(request.name);
    case 'authRoleDelete':
      return store.deleteRole(request.role);
    case 'authRoleGrantPermission':
      return store.grantPermission(request.name, request.perm);
    case 'authRoleRevokePermission':
      return store.revokePermission(request.role, request.key, request.rangeEnd);
  }
}

function hashIn(
  { hashOf, hashNow }: AuthParts,
  { password, hashedPassword }: AuthUserAddRequest | AuthUserChangePasswordRequest,
): Uint8Array {
  return hashedPassword === '' && password !== '' ? hashNow(password) : hashOf(hashedPassword);
}
