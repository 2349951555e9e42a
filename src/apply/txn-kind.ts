/** Which way a txn takes: through the log, or answered as a read. */
import type { TxnRequest } from '../gen/rpc.ts';

/** Every operation of both branches is a range; a nested txn counts as a write, whatever is in it. */
export function isReadOnlyTxn(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.requestRange !== undefined);
}

/** A read-only txn all of whose ranges allow a stale answer; one without operations allows it too. */
export function isSerializableTxn(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.requestRange?.serializable === true);
}
