import { expect } from 'vitest';
import { RpcError } from './raw-client.ts';

/** gRPC status codes. */
export const Status = {
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

/** Code and exact message of etcd's errors, written down here a second time so that a slip in the server's table shows. */
const ERRORS = {
  EmptyKey: [Status.InvalidArgument, 'etcdserver: key is not provided'],
  KeyNotFound: [Status.InvalidArgument, 'etcdserver: key not found'],
  ValueProvided: [Status.InvalidArgument, 'etcdserver: value is provided'],
  LeaseProvided: [Status.InvalidArgument, 'etcdserver: lease is provided'],
  TooManyOps: [Status.InvalidArgument, 'etcdserver: too many operations in txn request'],
  DuplicateKey: [Status.InvalidArgument, 'etcdserver: duplicate key given in txn request'],
  InvalidSortOption: [Status.InvalidArgument, 'etcdserver: invalid sort option'],
  Compacted: [Status.OutOfRange, 'etcdserver: mvcc: required revision has been compacted'],
  FutureRev: [Status.OutOfRange, 'etcdserver: mvcc: required revision is a future revision'],
  NoSpace: [Status.ResourceExhausted, 'etcdserver: mvcc: database space exceeded'],
  LeaseNotFound: [Status.NotFound, 'etcdserver: requested lease not found'],
  LeaseExist: [Status.FailedPrecondition, 'etcdserver: lease already exists'],
  LeaseTTLTooLarge: [Status.OutOfRange, 'etcdserver: too large lease TTL'],
  RequestTooLarge: [Status.InvalidArgument, 'etcdserver: request is too large'],
  Corrupt: [Status.DataLoss, 'etcdserver: corrupt cluster'],
  BadLeaderTransferee: [Status.FailedPrecondition, 'etcdserver: bad leader transferee'],
  MemberNotFound: [Status.NotFound, 'etcdserver: member not found'],
  MemberNotLearner: [Status.FailedPrecondition, 'etcdserver: can only promote a learner member'],
  MemberBadURLs: [Status.InvalidArgument, 'etcdserver: given member URLs are invalid'],
  PeerURLExist: [Status.FailedPrecondition, 'etcdserver: Peer URLs already exists'],
  AuthNotEnabled: [Status.FailedPrecondition, 'etcdserver: authentication is not enabled'],
  RootRoleNotExist: [Status.FailedPrecondition, 'etcdserver: root user does not have root role'],
  UserAlreadyExist: [Status.FailedPrecondition, 'etcdserver: user name already exists'],
  UserEmpty: [Status.InvalidArgument, 'etcdserver: user name is empty'],
  UserNotFound: [Status.FailedPrecondition, 'etcdserver: user name not found'],
  RoleAlreadyExist: [Status.FailedPrecondition, 'etcdserver: role name already exists'],
  RoleNotFound: [Status.FailedPrecondition, 'etcdserver: role name not found'],
  RoleEmpty: [Status.InvalidArgument, 'etcdserver: role name is empty'],
  AuthFailed: [Status.InvalidArgument, 'etcdserver: authentication failed, invalid user ID or password'],
  PermissionNotGiven: [Status.InvalidArgument, 'etcdserver: permission not given'],
  PermissionDenied: [Status.PermissionDenied, 'etcdserver: permission denied'],
  RoleNotGranted: [Status.FailedPrecondition, 'etcdserver: role is not granted to the user'],
  PermissionNotGranted: [Status.FailedPrecondition, 'etcdserver: permission is not granted to the role'],
  InvalidAuthToken: [Status.Unauthenticated, 'etcdserver: invalid auth token'],
  AuthOldRevision: [Status.InvalidArgument, 'etcdserver: revision of auth store is old'],
  InvalidAuthMgmt: [Status.InvalidArgument, 'etcdserver: invalid auth management'],
  RootUserNotExist: [Status.FailedPrecondition, 'etcdserver: root user does not exist'],
  WrongDowngradeVersionFormat: [Status.InvalidArgument, 'etcdserver: wrong downgrade target version format'],
  DowngradeInProcess: [Status.FailedPrecondition, 'etcdserver: cluster has a downgrade job in progress'],
  InvalidDowngradeTargetVersion: [Status.InvalidArgument, 'etcdserver: invalid downgrade target version'],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorName = keyof typeof ERRORS;

export function errorOf(name: ErrorName): { code: number; message: string } {
  const [code, message] = ERRORS[name];
  return { code, message };
}

/** Expects the call to fail with exactly etcd's error `name`. */
export async function expectError(call: Promise<unknown>, name: ErrorName): Promise<void> {
  await expectStatus(call, ERRORS[name][0], ERRORS[name][1]);
}

export async function expectStatus(call: Promise<unknown>, code: number, message: string | RegExp): Promise<void> {
  const outcome = await call.then(
    () => 'OK',
    (error: unknown) => error,
  );
  if (!(outcome instanceof RpcError))
    throw new Error(`expected error ${code} ${String(message)}, got ${String(outcome)}`);
  if (typeof message === 'string') expect({ code: outcome.code, message: outcome.message }).toEqual({ code, message });
  else {
    expect(outcome.code).toBe(code);
    expect(outcome.message).toMatch(message);
  }
}
