/**
 * Whether a user may do what a request asks for (etcd-behaviour §2.12): for entries when they are applied, and for reads when
 * they are answered. Each function throws UserEmpty, AuthOldRevision or PermissionDenied.
 */
import type { AuthInfo } from '../auth/auth-info.ts';
import type { AuthStore } from '../auth/auth-store.ts';
import { EMPTY } from '../base/bytes.ts';
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../gen/rpc.ts';
import { authorizeAuth, isAuthCommand } from './auth-command.ts';
import type { Command } from './command.ts';

/** The keys attached to a lease. */
export type KeysOfLease = (id: bigint) => readonly Uint8Array[];

/** What is not named is for the API to check: members of every version apply it whoever asked. */
export function authorize(auth: AuthStore, keysOf: KeysOfLease, who: AuthInfo, command: Command): void {
  switch (command.kind) {
    case 'range':
      return authorizeRange(auth, who, command.request);
    case 'put':
      return authorizePut(auth, keysOf, who, command.request);
    case 'deleteRange':
      return authorizeDelete(auth, who, command.request);
    case 'txn':
      return authorizeTxn(auth, keysOf, who, command.request);
    case 'leaseRevoke':
      return authorizeLeaseWrite(auth, keysOf, who, command.request.ID);
    default:
      if (isAuthCommand(command)) authorizeAuth(auth, who, command);
  }
}

export function authorizeRange(auth: AuthStore, who: AuthInfo, { key, rangeEnd }: RangeRequest): void {
  auth.checkRead(who, key, rangeEnd);
}

/** Both branches, whichever will be taken. */
export function authorizeTxn(auth: AuthStore, keysOf: KeysOfLease, who: AuthInfo, request: TxnRequest): void {
  for (const { key, rangeEnd } of request.compare) auth.checkRead(who, key, rangeEnd);
  for (const op of request.success) authorizeOp(auth, keysOf, who, op);
  for (const op of request.failure) authorizeOp(auth, keysOf, who, op);
}

/** Whoever ends or prolongs a lease decides over the keys that are attached to it. */
export function authorizeLeaseWrite(auth: AuthStore, keysOf: KeysOfLease, who: AuthInfo, id: bigint): void {
  for (const key of keysOf(id)) auth.checkWrite(who, key, EMPTY);
}

export function authorizeLeaseRead(auth: AuthStore, keysOf: KeysOfLease, who: AuthInfo, id: bigint): void {
  for (const key of keysOf(id)) auth.checkRead(who, key, EMPTY);
}

function authorizeOp(auth: AuthStore, keysOf: KeysOfLease, who: AuthInfo, op: RequestOp): void {
  if (op.requestRange !== undefined) authorizeRange(auth, who, op.requestRange);
  if (op.requestPut !== undefined) authorizePut(auth, keysOf, who, op.requestPut);
  if (op.requestDeleteRange !== undefined) authorizeDelete(auth, who, op.requestDeleteRange);
  if (op.requestTxn !== undefined) authorizeTxn(auth, keysOf, who, op.requestTxn);
}

/** Attaching a key to a lease shares the fate of the keys that are attached already. */
function authorizePut(auth: AuthStore, keysOf: KeysOfLease, who: AuthInfo, request: PutRequest): void {
  auth.checkWrite(who, request.key, EMPTY);
  if (request.lease !== 0n) authorizeLeaseWrite(auth, keysOf, who, request.lease);
  if (request.prevKv) auth.checkRead(who, request.key, EMPTY);
}

function authorizeDelete(auth: AuthStore, who: AuthInfo, { key, rangeEnd, prevKv }: DeleteRangeRequest): void {
  auth.checkWrite(who, key, rangeEnd);
  if (prevKv) auth.checkRead(who, key, rangeEnd);
}
