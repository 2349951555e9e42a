/**
 * What etcd checks of a KV request before it is proposed, in etcd's order, so that the first error found is the one etcd
 * would answer. Pure: a request either passes or throws an EtcdError.
 */
import { compareBytes, toBinaryString } from '../base/bytes.ts';
import { etcdError } from '../base/etcd-error.ts';
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../gen/rpc.ts';

const SORT_ORDER_MAX = 2;
const SORT_TARGET_MAX = 4;

export function validateRange(request: RangeRequest): void {
  if (request.key.length === 0) throw etcdError('EmptyKey');
  if (request.sortOrder < 0 || request.sortOrder > SORT_ORDER_MAX) throw etcdError('InvalidSortOption');
  if (request.sortTarget < 0 || request.sortTarget > SORT_TARGET_MAX) throw etcdError('InvalidSortOption');
}

export function validatePut(request: PutRequest): void {
  if (request.key.length === 0) throw etcdError('EmptyKey');
  if (request.ignoreValue && request.value.length !== 0) throw etcdError('ValueProvided');
  if (request.ignoreLease && request.lease !== 0n) throw etcdError('LeaseProvided');
}

export function validateDeleteRange(request: DeleteRangeRequest): void {
  if (request.key.length === 0) throw etcdError('EmptyKey');
}

/** `opsMax`: how many operations each of the three lists may have (max-txn-ops). */
export function validateTxn(request: TxnRequest, opsMax: number): void {
  validateTxnOps(request, opsMax);
  checkWrites(request.success);
  checkWrites(request.failure);
}

/** One operation that is no txn cannot write a key twice: the case of nearly all txns. */
function checkWrites(ops: readonly RequestOp[]): void {
  if (ops.length > 1 || ops[0]?.requestTxn !== undefined) branchWrites(ops);
}

function validateTxnOps(request: TxnRequest, opsMax: number): void {
  const ops = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (ops > opsMax) throw etcdError('TooManyOps');
  for (const compare of request.compare) if (compare.key.length === 0) throw etcdError('EmptyKey');
  for (const op of request.success) validateOp(op, opsMax - ops);
  for (const op of request.failure) validateOp(op, opsMax - ops);
}

function validateOp(op: RequestOp, opsMax: number): void {
  if (op.requestRange !== undefined) validateRange(op.requestRange);
  else if (op.requestPut !== undefined) validatePut(op.requestPut);
  else if (op.requestDeleteRange !== undefined) validateDeleteRange(op.requestDeleteRange);
  else if (op.requestTxn !== undefined) validateTxnOps(op.requestTxn, opsMax);
  else throw etcdError('KeyNotFound');
}

/** What one branch of a txn writes, its nested txns included. */
interface BranchWrites {
  /** Keys put, one char per byte. */
  readonly puts: Map<string, Uint8Array>;
  readonly deletes: DeleteInterval[];
}

interface DeleteInterval {
  readonly from: Uint8Array;
  /** Exclusive; undefined: exactly `from`. */
  readonly to: Uint8Array | undefined;
}

/**
 * Throws DuplicateKey when a branch would write a key twice. The two branches of a nested txn exclude each other, so they
 * may put the same key. A range end of one zero byte is compared literally, as etcd does: "delete from key" overlaps nothing.
 */
function branchWrites(ops: readonly RequestOp[]): BranchWrites {
  const puts = new Map<string, Uint8Array>();
  const deletes: DeleteInterval[] = [];
  for (const { requestDeleteRange: del } of ops) {
    if (del !== undefined) deletes.push({ from: del.key, to: del.rangeEnd.length === 0 ? undefined : del.rangeEnd });
  }
  for (const { requestTxn: txn } of ops) {
    if (txn === undefined) continue;
    const success = branchWrites(txn.success);
    const failure = branchWrites(txn.failure);
    addPuts(puts, success.puts, deletes, undefined);
    addPuts(puts, failure.puts, deletes, success.puts);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const { requestPut: put } of ops) {
    if (put !== undefined) addPuts(puts, new Map([[toBinaryString(put.key), put.key]]), deletes, undefined);
  }
  return { puts, deletes };
}

function addPuts(
  into: Map<string, Uint8Array>,
  puts: ReadonlyMap<string, Uint8Array>,
  deletes: readonly DeleteInterval[],
  alternative: ReadonlyMap<string, Uint8Array> | undefined,
): void {
  for (const [name, key] of puts) {
    if (into.has(name) && alternative?.has(name) !== true) throw etcdError('DuplicateKey');
    if (deletes.some((interval) => covers(interval, key))) throw etcdError('DuplicateKey');
    into.set(name, key);
  }
}

function covers(interval: DeleteInterval, key: Uint8Array): boolean {
  const order = compareBytes(key, interval.from);
  if (interval.to === undefined) return order === 0;
  return order >= 0 && compareBytes(key, interval.to) < 0;
}
