/**
 * mvccpb.KeyValue as bytes: what the store keeps and what answers are put together from. Encoding here is by hand and
 * canonical (fields in order, defaults left out), because HashKV is computed over these bytes and must agree with etcd's.
 */
import { EMPTY } from '../base/bytes.ts';
import { Slab } from '../base/slab.ts';
import { WireReader } from '../base/wire.ts';

/**
 * A KeyValue that somebody holds for long keeps its slab in memory, at most. Objects of Kubernetes have mostly 1 to 4 kB: an array
 * buffer for each would cost more than filling it.
 */
const VALUES = new Slab(65_536, 4096);

const KEY_TAG = 0x0a;
const CREATE_REVISION_TAG = 0x10;
const MOD_REVISION_TAG = 0x18;
const VERSION_TAG = 0x20;
const VALUE_TAG = 0x2a;
const LEASE_TAG = 0x30;

export interface KeyValueFields {
  key: Uint8Array;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Uint8Array;
  /** int64; 0n is none. */
  lease: bigint;
}

export function encodeKeyValue(
  key: Uint8Array,
  createRevision: number,
  modRevision: number,
  version: number,
  value: Uint8Array,
  lease: bigint,
): Uint8Array {
  const length =
    bytesFieldLength(key) +
    numberFieldLength(createRevision) +
    numberFieldLength(modRevision) +
    numberFieldLength(version) +
    bytesFieldLength(value) +
    (lease === 0n ? 0 : 1 + bigVarintLength(lease));
  const out = VALUES.take(length);
  let at = putBytesField(out, 0, KEY_TAG, key);
  at = putNumberField(out, at, CREATE_REVISION_TAG, createRevision);
  at = putNumberField(out, at, MOD_REVISION_TAG, modRevision);
  at = putNumberField(out, at, VERSION_TAG, version);
  at = putBytesField(out, at, VALUE_TAG, value);
  if (lease !== 0n) {
    out[at] = LEASE_TAG;
    putBigVarint(out, at + 1, lease);
  }
  return out;
}

/** The value of a tombstone's row. */
export function encodeTombstone(key: Uint8Array): Uint8Array {
  return encodeKeyValue(key, 0, 0, 0, EMPTY, 0n);
}

/** The kv of a DELETE event: the key and the revision of the delete. */
export function encodeDeleted(key: Uint8Array, modRevision: number): Uint8Array {
  return encodeKeyValue(key, 0, modRevision, 0, EMPTY, 0n);
}

/** The key of an encoded KeyValue, as a view into it. */
export function keyOf(kv: Uint8Array): Uint8Array {
  // The key is the first field of all that encodeKeyValue and etcd write.
  if (kv[0] === KEY_TAG) {
    const short = kv[1] as number;
    if (short < 0x80 && 2 + short <= kv.length) return kv.subarray(2, 2 + short);
  }
  return decodeKeyValue(kv).key;
}

/** The value of an encoded KeyValue, as a view into it. */
export function valueOf(kv: Uint8Array): Uint8Array {
  return decodeKeyValue(kv).value;
}

/** `key` and `value` are views into the input. */
export function decodeKeyValue(kv: Uint8Array): KeyValueFields {
  const out: KeyValueFields = { key: EMPTY, createRevision: 0, modRevision: 0, version: 0, value: EMPTY, lease: 0n };
  const reader = new WireReader(kv);
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === KEY_TAG) out.key = reader.bytes();
    else if (tag === CREATE_REVISION_TAG) out.createRevision = reader.int64();
    else if (tag === MOD_REVISION_TAG) out.modRevision = reader.int64();
    else if (tag === VERSION_TAG) out.version = reader.int64();
    else if (tag === VALUE_TAG) out.value = reader.bytes();
    else if (tag === LEASE_TAG) out.lease = reader.int64Big();
    else reader.skip(tag);
  }
  return out;
}

function varintLength(value: number): number {
  let length = 1;
  for (let bound = 0x80; value >= bound; bound *= 0x80) length++;
  return length;
}

function bigVarintLength(value: bigint): number {
  if (value < 0n) return 10;
  let length = 1;
  for (let rest = value >> 7n; rest !== 0n; rest >>= 7n) length++;
  return length;
}

function bytesFieldLength(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 1 + varintLength(bytes.length) + bytes.length;
}

function numberFieldLength(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value);
}

function putVarint(out: Uint8Array, at: number, value: number): number {
  let pos = at;
  let rest = value;
  while (rest >= 0x1000_0000) {
    out[pos++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    out[pos++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[pos++] = rest;
  return pos;
}

function putBigVarint(out: Uint8Array, at: number, value: bigint): void {
  let pos = at;
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) out[pos++] = Number(rest & 0x7fn) | 0x80;
  out[pos] = Number(rest);
}

function putNumberField(out: Uint8Array, at: number, tag: number, value: number): number {
  if (value === 0) return at;
  out[at] = tag;
  return putVarint(out, at + 1, value);
}

function putBytesField(out: Uint8Array, at: number, tag: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return at;
  out[at] = tag;
  const start = putVarint(out, at + 1, bytes.length);
  out.set(bytes, start);
  return start + bytes.length;
}
