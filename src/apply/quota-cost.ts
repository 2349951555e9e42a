/** How much a request may grow the database, as etcd estimates it for the quota. */
import type { PutRequest, RequestOp, TxnRequest } from '../gen/rpc.ts';

const PUT_OVERHEAD_BYTES = 256;
export const LEASE_COST_BYTES = 64;

export function putCost(request: PutRequest): number {
  return PUT_OVERHEAD_BYTES + request.key.length + request.value.length;
}

/** The dearer branch, nested txns included. */
export function txnCost(request: TxnRequest): number {
  return Math.max(branchCost(request.success), branchCost(request.failure));
}

function branchCost(ops: readonly RequestOp[]): number {
  let cost = 0;
  for (const op of ops) {
    if (op.requestPut !== undefined) cost += putCost(op.requestPut);
    else if (op.requestTxn !== undefined) cost += txnCost(op.requestTxn);
  }
  return cost;
}
