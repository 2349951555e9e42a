import type protobuf from 'protobufjs';
import type {
  KeyValue,
  LeaseLeasesResponse,
  LeaseTimeToLiveResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
} from '../support/api-messages.ts';
import { decode, methodShape, type Plain } from '../support/proto-codec.ts';
import { show } from '../support/stream-inbox.ts';
import { RPCS, type RpcName } from './operation.ts';

/** An answer in a form that must be equal on both sides. */
export type Answer =
  { readonly error: string } | { readonly bytes: string; readonly shown: string } | { readonly value: string };

/**
 * The answer without what may differ: the ids of cluster and member and the raft term, remaining times, the order where etcd
 * leaves it open. Where nothing else may differ the bytes are compared, otherwise the decoded message.
 */
export function normaliseAnswer(rpc: RpcName, request: Plain, bytes: Uint8Array): Answer {
  const { response } = methodShape(RPCS[rpc], rpc);
  if (rpc === 'Range' && hasTies(request)) return untied(response, request, bytes, rpc);
  if (rpc === 'Txn' && txnHasTies(request)) return untied(response, request, bytes, rpc);
  if (rpc === 'LeaseTimeToLive') {
    const { header, TTL, keys, ...rest } = decode(response, bytes) as unknown as LeaseTimeToLiveResponse;
    return { value: show({ ...rest, revision: header.revision, found: TTL >= 0n, keys: sortedBytes(keys) }) };
  }
  if (rpc === 'LeaseLeases') {
    const { header, leases } = decode(response, bytes) as unknown as LeaseLeasesResponse;
    const ids = leases.map((lease) => lease.ID).toSorted((a, b) => Number(a - b));
    return { value: show({ revision: header.revision, ids }) };
  }
  if (rpc === 'HashKV') {
    // hash_revision came with 3.6.
    const { hash, compact_revision, header } = decode(response, bytes) as {
      hash: number;
      compact_revision: bigint;
      header: { revision: bigint };
    };
    return { value: show({ hash, compact_revision, revision: header.revision }) };
  }
  return { bytes: Buffer.from(withoutIds(bytes)).toString('hex'), shown: show(decode(response, bytes)) };
}

/** KEY is the only sort target without equal neighbours: even revisions repeat within one txn. */
function hasTies(request: RangeRequest): boolean {
  return request.sort_target !== undefined && request.sort_target !== 0;
}

function txnHasTies(request: TxnRequest): boolean {
  return [...(request.success ?? []), ...(request.failure ?? [])].some(
    (op) => (op.request_range && hasTies(op.request_range)) || (op.request_txn && txnHasTies(op.request_txn)),
  );
}

function untied(response: protobuf.Type, request: Plain, bytes: Uint8Array, rpc: 'Range' | 'Txn'): Answer {
  const message = decode(response, bytes);
  if (rpc === 'Range') untieRange(request, message as unknown as RangeResponse);
  else untieTxn(request, message as unknown as TxnResponse);
  const { header, ...rest } = message as unknown as RangeResponse;
  return { value: show({ revision: header.revision, ...rest }) };
}

function untieTxn(request: TxnRequest, response: TxnResponse): void {
  const ops = (response.succeeded ? request.success : request.failure) ?? [];
  for (const [i, op] of ops.entries()) {
    const answer = response.responses[i];
    if (op.request_range && answer?.response_range) untieRange(op.request_range, answer.response_range);
    if (op.request_txn && answer?.response_txn) untieTxn(op.request_txn, answer.response_txn);
  }
}

/** Brings equal neighbours into key order; of a group that the limit cut, only the number can be compared. */
function untieRange(request: RangeRequest, response: RangeResponse): void {
  if (!hasTies(request)) return;
  const groups: KeyValue[][] = [];
  let last: string | undefined;
  for (const kv of response.kvs) {
    const value = request.keys_only && request.sort_target === 4 ? '' : sortValue(request.sort_target, kv);
    if (value !== last) groups.push([]);
    groups.at(-1)?.push(kv);
    last = value;
  }
  response.kvs = groups.flatMap((group, i) => {
    const cut = response.more && i === groups.length - 1;
    const sorted = group.toSorted((a, b) => Buffer.compare(a.key, b.key));
    return cut ? sorted.map((kv) => ({ ...kv, ...ANYTHING, ...sortField(request.sort_target, kv) })) : sorted;
  });
}

const ANYTHING = {
  key: new Uint8Array(),
  value: new Uint8Array(),
  version: 0n,
  create_revision: 0n,
  mod_revision: 0n,
  lease: 0n,
};

function sortField(target: RangeRequest['sort_target'], kv: KeyValue): Partial<KeyValue> {
  if (target === 1) return { version: kv.version };
  if (target === 2) return { create_revision: kv.create_revision };
  if (target === 3) return { mod_revision: kv.mod_revision };
  return { value: kv.value };
}

function sortValue(target: RangeRequest['sort_target'], kv: KeyValue): string {
  return show(sortField(target, kv));
}

function sortedBytes(list: readonly Uint8Array[]): string[] {
  return list.map((item) => Buffer.from(item).toString('latin1')).toSorted();
}

const HEADER_FIELD = 1;
const REVISION_FIELD = 3;

/** The encoded response with only the revision left in its header. */
export function withoutIds(bytes: Uint8Array): Uint8Array {
  const out: Uint8Array[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number !== HEADER_FIELD || !field.content) {
      out.push(field.whole);
      continue;
    }
    const kept = [...fieldsOf(field.content)]
      .filter((inner) => inner.number === REVISION_FIELD)
      .map((inner) => inner.whole);
    const header = Buffer.concat(kept);
    out.push(Uint8Array.of(0x0a, header.length), header);
  }
  return Buffer.concat(out);
}

interface WireField {
  readonly number: number;
  readonly whole: Uint8Array;
  /** Of a length-delimited field. */
  readonly content: Uint8Array | undefined;
}

function* fieldsOf(bytes: Uint8Array): Iterable<WireField> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('truncated message');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const tag = varint();
    const wireType = tag & 7;
    let content: Uint8Array | undefined;
    if (wireType === 0) varint();
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) {
      const length = varint();
      content = bytes.subarray(at, at + length);
      at += length;
    } else throw new Error(`wire type ${wireType}`);
    yield { number: tag >>> 3, whole: bytes.subarray(start, at), content };
  }
}
