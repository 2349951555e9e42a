/** Which way a txn takes: through the log, or answered as a read. */
import type { TxnRequest } from '../gen/rpc.ts';

/** Every operation of both branches is a range; a nested txn counts as a write, whatever is in it. */
export function isReadOnlyTxn(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.requestRange !== undefined);
}

/** No operation and no comparison looks at more than one key. */
export function readsSingleKeys({ compare, success, failure }: TxnRequest): boolean {
  return (
    compare.every(({ rangeEnd }) => rangeEnd.length === 0) &&
    [...success, ...failure].every(({ requestRange }) => requestRange?.rangeEnd.length === 0)
  );
}

/** A read-only txn all of whose ranges allow a stale answer; one without operations allows it too. */
export function isSerializableTxn(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.requestRange?.serializable === true);
}
