/** Operations of a plan as encoded requests. */
import { fromBinaryString } from '../../../src/base/bytes.ts';
import {
  CompareResult,
  CompareTarget,
  encodeDeleteRangeRequest,
  encodePutRequest,
  encodeTxnRequest,
  type PutRequestInit,
  type RequestOpInit,
} from '../../../src/gen/rpc.ts';
import { withTag } from '../model/tags.ts';
import type { Action, PutAction, TxnAction, TxnStep } from '../plan.ts';

/** Which lease a plan's slot is; 0n when none was granted for it yet. */
export type LeaseOfSlot = (slot: number) => bigint;

export function valueOf(tag: number, part: number, bytes = 0): Uint8Array {
  return fromBinaryString(`v${tag}.${part}`.padEnd(bytes, '.'));
}

export function putRequest(action: PutAction, tag: number, leaseOf: LeaseOfSlot): Uint8Array {
  const { key, bytes, slot, prevKv = false, ignoreValue = false, ignoreLease = false } = action;
  const request: PutRequestInit = {
    key: fromBinaryString(key),
    value: ignoreValue ? undefined : valueOf(tag, 0, bytes),
    lease: slot === undefined || ignoreLease ? undefined : leaseOf(slot),
    prevKv,
    ignoreValue,
    ignoreLease,
  };
  return withTag(encodePutRequest(request), tag);
}

export function deleteRequest(action: Extract<Action, { kind: 'delete' }>, tag: number): Uint8Array {
  const { key, end = '', prevKv = false } = action;
  const request = { key: fromBinaryString(key), rangeEnd: fromBinaryString(end), prevKv };
  return withTag(encodeDeleteRangeRequest(request), tag);
}

export function txnRequest(action: TxnAction, tag: number, leaseOf: LeaseOfSlot): Uint8Array {
  const { ifKey, exists, success, failure } = action;
  const compare = {
    key: fromBinaryString(ifKey),
    target: CompareTarget.VERSION,
    result: exists ? CompareResult.GREATER : CompareResult.EQUAL,
    version: 0,
  };
  const step = (one: TxnStep, at: number): RequestOpInit => txnStep(one, tag, at, leaseOf);
  return withTag(encodeTxnRequest({ compare: [compare], success: success.map(step), failure: failure.map(step) }), tag);
}

export function fillRequest(from: number, count: number, tag: number): Uint8Array {
  const success: RequestOpInit[] = [];
  for (let at = 0; at < count; at++) {
    const key = fromBinaryString(`f${String(from + at).padStart(4, '0')}`);
    success.push({ requestPut: { key, value: valueOf(tag, at) } });
  }
  return withTag(encodeTxnRequest({ success }), tag);
}

/** Whether it is answered without the log. */
export function isReadOnly({ success, failure }: TxnAction): boolean {
  return [...success, ...failure].every((step) => 'range' in step);
}

/** Puts `key` if its last change was at `modRevision` (0: if there is none), else reads it. */
export function swapRequest(key: string, modRevision: number, tag: number): Uint8Array {
  const name = fromBinaryString(key);
  return withTag(
    encodeTxnRequest({
      compare: [{ key: name, target: CompareTarget.MOD, result: CompareResult.EQUAL, modRevision }],
      success: [{ requestPut: { key: name, value: valueOf(tag, 0) } }],
      failure: [{ requestRange: { key: name } }],
    }),
    tag,
  );
}

function txnStep(step: TxnStep, tag: number, at: number, leaseOf: LeaseOfSlot): RequestOpInit {
  if ('put' in step) {
    const { put, slot, prevKv = false } = step;
    const lease = slot === undefined ? 0n : leaseOf(slot);
    return { requestPut: { key: fromBinaryString(put), value: valueOf(tag, at), lease, prevKv } };
  }
  if ('delete' in step) {
    const { delete: key, end = '', prevKv = false } = step;
    return { requestDeleteRange: { key: fromBinaryString(key), rangeEnd: fromBinaryString(end), prevKv } };
  }
  return { requestRange: { key: fromBinaryString(step.range), rangeEnd: fromBinaryString(step.end ?? '') } };
}
