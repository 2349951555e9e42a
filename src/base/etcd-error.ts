/**
 * The errors that etcd's API answers with. Clients match the message text exactly and then look up the code in a table of
 * their own, so both are fixed.
 */

export const Code = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** An answer other than OK: the gRPC status code and the exact text that goes to the client. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError';
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.code = code;
  }
}

const TABLE = {
  EmptyKey: [Code.InvalidArgument, 'key is not provided'],
  KeyNotFound: [Code.InvalidArgument, 'key not found'],
  ValueProvided: [Code.InvalidArgument, 'value is provided'],
  LeaseProvided: [Code.InvalidArgument, 'lease is provided'],
  TooManyOps: [Code.InvalidArgument, 'too many operations in txn request'],
  DuplicateKey: [Code.InvalidArgument, 'duplicate key given in txn request'],
  InvalidClientAPIVersion: [Code.InvalidArgument, 'invalid client api version'],
  InvalidSortOption: [Code.InvalidArgument, 'invalid sort option'],
  Compacted: [Code.OutOfRange, 'mvcc: required revision has been compacted'],
  FutureRev: [Code.OutOfRange, 'mvcc: required revision is a future revision'],
  NoSpace: [Code.ResourceExhausted, 'mvcc: database space exceeded'],
  LeaseNotFound: [Code.NotFound, 'requested lease not found'],
  LeaseExist: [Code.FailedPrecondition, 'lease already exists'],
  LeaseTTLTooLarge: [Code.OutOfRange, 'too large lease TTL'],
  WatchCanceled: [Code.Canceled, 'watch canceled'],
  MemberExist: [Code.FailedPrecondition, 'member ID already exist'],
  PeerURLExist: [Code.FailedPrecondition, 'Peer URLs already exists'],
  /** Unknown on the wire, though clients' tables say FailedPrecondition. */
  MemberNotEnoughStarted: [Code.Unknown, 're-configuration failed due to not enough started members'],
  MemberBadURLs: [Code.InvalidArgument, 'given member URLs are invalid'],
  MemberNotFound: [Code.NotFound, 'member not found'],
  MemberNotLearner: [Code.FailedPrecondition, 'can only promote a learner member'],
  LearnerNotReady: [Code.FailedPrecondition, 'can only promote a learner member which is in sync with leader'],
  TooManyLearners: [Code.FailedPrecondition, 'too many learner members in cluster'],
  ClusterIDMismatch: [Code.FailedPrecondition, 'cluster ID mismatch'],
  RequestTooLarge: [Code.InvalidArgument, 'request is too large'],
  /** Unknown on the wire, though clients' tables say ResourceExhausted. */
  TooManyRequests: [Code.Unknown, 'too many requests'],
  RootUserNotExist: [Code.FailedPrecondition, 'root user does not exist'],
  RootRoleNotExist: [Code.FailedPrecondition, 'root user does not have root role'],
  UserAlreadyExist: [Code.FailedPrecondition, 'user name already exists'],
  UserEmpty: [Code.InvalidArgument, 'user name is empty'],
  UserNotFound: [Code.FailedPrecondition, 'user name not found'],
  RoleAlreadyExist: [Code.FailedPrecondition, 'role name already exists'],
  RoleNotFound: [Code.FailedPrecondition, 'role name not found'],
  RoleEmpty: [Code.InvalidArgument, 'role name is empty'],
  AuthFailed: [Code.InvalidArgument, 'authentication failed, invalid user ID or password'],
  PermissionNotGiven: [Code.InvalidArgument, 'permission not given'],
  PermissionDenied: [Code.PermissionDenied, 'permission denied'],
  RoleNotGranted: [Code.FailedPrecondition, 'role is not granted to the user'],
  PermissionNotGranted: [Code.FailedPrecondition, 'permission is not granted to the role'],
  AuthNotEnabled: [Code.FailedPrecondition, 'authentication is not enabled'],
  InvalidAuthToken: [Code.Unauthenticated, 'invalid auth token'],
  InvalidAuthMgmt: [Code.InvalidArgument, 'invalid auth management'],
  AuthOldRevision: [Code.InvalidArgument, 'revision of auth store is old'],
  NoLeader: [Code.Unavailable, 'no leader'],
  NotLeader: [Code.FailedPrecondition, 'not leader'],
  LeaderChanged: [Code.Unavailable, 'leader changed'],
  NotCapable: [Code.FailedPrecondition, 'not capable'],
  Stopped: [Code.Unavailable, 'server stopped'],
  Timeout: [Code.Unavailable, 'request timed out'],
  TimeoutDueToLeaderFail: [Code.Unavailable, 'request timed out, possibly due to previous leader failure'],
  TimeoutDueToConnectionLost: [Code.Unavailable, 'request timed out, possibly due to connection lost'],
  TimeoutWaitAppliedIndex: [Code.Unavailable, 'request timed out, waiting for the applied index took too long'],
  TimeoutLeaderTransfer: [Code.Unknown, 'request timed out, leader transfer took too long'],
  Unhealthy: [Code.Unavailable, 'unhealthy cluster'],
  Corrupt: [Code.DataLoss, 'corrupt cluster'],
  NotSupportedForLearner: [Code.FailedPrecondition, 'rpc not supported for learner'],
  BadLeaderTransferee: [Code.FailedPrecondition, 'bad leader transferee'],
  WrongDowngradeVersionFormat: [Code.InvalidArgument, 'wrong downgrade target version format'],
  InvalidDowngradeTargetVersion: [Code.InvalidArgument, 'invalid downgrade target version'],
  ClusterVersionUnavailable: [Code.FailedPrecondition, 'cluster version not found during downgrade'],
  DowngradeInProcess: [Code.FailedPrecondition, 'cluster has a downgrade job in progress'],
  NoInflightDowngrade: [Code.FailedPrecondition, 'no inflight downgrade job'],
  Canceled: [Code.Canceled, 'request canceled'],
} as const satisfies Record<string, readonly [Code, string]>;

export type EtcdErrorName = keyof typeof TABLE;

/** A new error of etcd's own table, by name. */
export function etcdError(name: EtcdErrorName): EtcdError {
  const [code, message] = TABLE[name];
  return new EtcdError(code, `etcdserver: ${message}`);
}
