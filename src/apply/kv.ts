/** Puts, deletes, ranges and txns as they are carried out on the store. */
import { intervalHolds, intervalOf } from '../auth/key-interval.ts';
import { EMPTY } from '../base/bytes.ts';
import { etcdError } from '../base/etcd-error.ts';
import { decodeKeyValue } from '../gen/mvccpb.ts';
import type {
  DeleteRangeRequest,
  DeleteRangeResponseInit,
  PutRequest,
  PutResponseInit,
  RangeRequest,
  RangeResponseInit,
  RequestOp,
  ResponseOpInit,
  TxnRequest,
  TxnResponseInit,
} from '../gen/rpc.ts';
import type { MvccStore } from '../mvcc/store.ts';
import type { WriteTxn } from '../mvcc/write-txn.ts';
import { allHold } from './compare.ts';
import { rangeOf } from './range-of.ts';

/** Whether a lease is known: puts may only attach to one that is. */
export type LeaseExists = (id: bigint) => boolean;

export function applyPut(txn: WriteTxn, leaseExists: LeaseExists, request: PutRequest): PutResponseInit {
  if (request.lease !== 0n && !leaseExists(request.lease)) throw etcdError('LeaseNotFound');
  return putInTxn(txn, request);
}

function putInTxn(txn: WriteTxn, request: PutRequest): PutResponseInit {
  const needsOld = request.prevKv || request.ignoreValue || request.ignoreLease;
  const old = needsOld ? txn.get(request.key) : undefined;
  let { value, lease } = request;
  if (request.ignoreValue || request.ignoreLease) {
    if (old === undefined) throw etcdError('KeyNotFound');
    const kv = decodeKeyValue(old);
    if (request.ignoreValue) value = kv.value;
    if (request.ignoreLease) lease = kv.lease;
  }
  txn.put(request.key, value, lease);
  return { header: { revision: txn.revision }, prevKv: request.prevKv ? old : undefined };
}

export function applyDeleteRange(txn: WriteTxn, request: DeleteRangeRequest): DeleteRangeResponseInit {
  const prevKvs = request.prevKv ? txn.range(rangeOf(request.key, request.rangeEnd)).kvs : [];
  const deleted = txn.deleteRange(request.key, request.rangeEnd);
  return { header: { revision: txn.revision }, deleted, prevKvs };
}

export function applyRange(txn: WriteTxn, request: RangeRequest): RangeResponseInit {
  const { kvs, count, more } = txn.range(request);
  return { header: { revision: txn.revision }, kvs, count, more };
}

/**
 * Runs a txn: all comparisons, of nested txns too, look at the state before it; what the chosen branches would do is checked
 * as a whole before the first write, so that a txn fails without a trace.
 */
export function applyTxn(
  store: MvccStore,
  txn: WriteTxn,
  leaseExists: LeaseExists,
  request: TxnRequest,
): TxnResponseInit {
  const plan = choosePath(txn, request);
  checkPath(store, txn, leaseExists, plan);
  txn.endReads();
  const { succeeded, responses } = runPath(txn, plan);
  return { header: { revision: txn.revision }, succeeded, responses };
}

/** A read-only txn, answered from the store without going through the log: one that reads single keys, and so takes no time. */
export function readOnlyTxn(store: MvccStore, request: TxnRequest): TxnResponseInit {
  const revision = store.currentRev;
  const { totals } = store;
  const rangesBefore = totals.ranges;
  const succeeded = allHold(request.compare, store);
  const responses = readQueries(store, request, succeeded).map((query) => {
    const { kvs, count, more } = store.range(query);
    return { responseRange: { header: { revision }, kvs, count, more } };
  });
  if (totals.ranges - rangesBefore > 1) totals.txns++;
  return { header: { revision }, succeeded, responses };
}

type Revisions = Pick<MvccStore, 'currentRev' | 'compactRev'>;

/** The ranges of one branch of a read-only txn, all checked before anything is read. */
export function readQueries(revisions: Revisions, request: TxnRequest, succeeded: boolean): RangeRequest[] {
  return (succeeded ? request.success : request.failure).map(({ requestRange }) => {
    if (requestRange === undefined) throw etcdError('KeyNotFound');
    checkRangeRevision(revisions, requestRange);
    return requestRange;
  });
}

/** Which branch each txn of the tree takes. */
interface Path {
  readonly succeeded: boolean;
  readonly steps: readonly Step[];
}

interface Step {
  readonly op: RequestOp;
  /** The path of a nested txn. */
  readonly nested: Path | undefined;
}

function choosePath(txn: WriteTxn, request: TxnRequest): Path {
  const succeeded = allHold(request.compare, txn);
  const steps = (succeeded ? request.success : request.failure).map((op) => ({
    op,
    nested: op.requestTxn === undefined ? undefined : choosePath(txn, op.requestTxn),
  }));
  return { succeeded, steps };
}

/** Operation by operation, in their order, as etcd does since 3.6: the first error is the one that is answered. */
function checkPath(store: MvccStore, txn: WriteTxn, leaseExists: LeaseExists, path: Path): void {
  const ops = operationsOf(path, []);
  for (const [at, { requestRange, requestPut }] of ops.entries()) {
    if (requestRange !== undefined) checkRangeRevision(store, requestRange);
    if (requestPut !== undefined) checkPut(txn, leaseExists, ops, at, requestPut);
  }
}

/** In the order in which they will be carried out. */
function operationsOf(path: Path, into: RequestOp[]): readonly RequestOp[] {
  for (const { op, nested } of path.steps) {
    if (nested === undefined) into.push(op);
    else operationsOf(nested, into);
  }
  return into;
}

/** `request` is the put at `at`. */
function checkPut(
  txn: WriteTxn,
  leaseExists: LeaseExists,
  ops: readonly RequestOp[],
  at: number,
  request: PutRequest,
): void {
  if (request.ignoreValue || request.ignoreLease) {
    // A key that another nested txn of the path deletes first passes etcd's own check, and then etcd's process panics.
    const last = ops.slice(0, at).findLast((op) => writesKey(op, request.key));
    if (last?.requestDeleteRange !== undefined || txn.get(request.key) === undefined) throw etcdError('KeyNotFound');
  }
  if (request.lease !== 0n && !leaseExists(request.lease)) throw etcdError('LeaseNotFound');
}

function writesKey({ requestPut: put, requestDeleteRange: del }: RequestOp, key: Uint8Array): boolean {
  if (put !== undefined) return intervalHolds(intervalOf(put.key, EMPTY), key);
  return del !== undefined && intervalHolds(intervalOf(del.key, del.rangeEnd), key);
}

/** Inside a txn only 0 means "now": a negative revision is compared as it stands. */
function checkRangeRevision({ currentRev, compactRev }: Revisions, request: RangeRequest): void {
  if (request.revision === 0) return;
  if (request.revision > currentRev) throw etcdError('FutureRev');
  if (request.revision < compactRev) throw etcdError('Compacted');
}

function runPath(txn: WriteTxn, path: Path): TxnResponseInit {
  return { succeeded: path.succeeded, responses: path.steps.map((step) => runStep(txn, step)) };
}

function runStep(txn: WriteTxn, { op, nested }: Step): ResponseOpInit {
  // The header of a nested txn's answer is there, and empty.
  if (nested !== undefined) return { responseTxn: { ...runPath(txn, nested), header: {} } };
  if (op.requestRange !== undefined) return { responseRange: applyRange(txn, op.requestRange) };
  if (op.requestPut !== undefined) return { responsePut: putInTxn(txn, op.requestPut) };
  if (op.requestDeleteRange !== undefined) return { responseDeleteRange: applyDeleteRange(txn, op.requestDeleteRange) };
  throw etcdError('KeyNotFound');
}
