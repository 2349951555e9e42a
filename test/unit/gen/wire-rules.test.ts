/** The rules of the format that a round trip of well-formed messages does not reach. */
import { expect, test } from 'vitest';
import { WireError } from '../../../src/base/wire.ts';
import { decodeMetadata, decodeRequest } from '../../../src/gen/etcdserver.ts';
import { decodeEvent } from '../../../src/gen/mvccpb.ts';
import { decodeInternalRaftRequest, encodeInternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import * as raftpb from '../../../src/gen/raftpb.ts';
import * as rpc from '../../../src/gen/rpc.ts';
import { ALL_SERVICES, KVService } from '../../../src/gen/services.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (buf: Uint8Array): string => Buffer.from(buf).toString('hex');
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test('decoding nothing gives every field its default', () => {
  expect(rpc.decodePutRequest(bytes(''))).toStrictEqual({
    key: new Uint8Array(0),
    value: new Uint8Array(0),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  });
});

test('64-bit ids are exact at both ends', () => {
  for (const lease of [2n ** 63n - 1n, -(2n ** 63n), -1n]) {
    expect(rpc.decodePutRequest(rpc.encodePutRequest({ lease })).lease).toBe(lease);
  }
  const clusterId = 2n ** 64n - 1n;
  expect(rpc.decodeResponseHeader(rpc.encodeResponseHeader({ clusterId })).clusterId).toBe(clusterId);
  expect(() => rpc.encodePutRequest({ lease: 2n ** 64n })).toThrow(WireError);
});

test('64-bit numbers keep their sign, and round instead of wrapping at the top', () => {
  const limits = [-1, -(2 ** 53) + 1, 2 ** 53 - 1, 2 ** 63];
  for (const limit of limits) {
    expect(rpc.decodeRangeRequest(rpc.encodeRangeRequest({ limit })).limit).toBe(limit);
  }
  expect(hex(rpc.encodeRangeRequest({ limit: 2 ** 63 }))).toBe('18ffffffffffffffff7f');
  expect(hex(rpc.encodeResponseHeader({ raftTerm: 2 ** 64 }))).toBe('20ffffffffffffffffff01');
  expect(() => rpc.encodeRangeRequest({ limit: 1.5 })).toThrow(WireError);
  expect(() => rpc.encodeRangeRequest({ limit: Number.NaN })).toThrow(WireError);
});

test('of several members of a oneof the last one on the wire wins', () => {
  const first = rpc.encodeRequestOp({ requestPut: { key: text('a') } });
  const second = rpc.encodeRequestOp({ requestRange: { key: text('b') } });
  const op = rpc.decodeRequestOp(Buffer.concat([first, second]));
  expect(op.requestPut).toBeUndefined();
  expect(op.requestRange?.key).toStrictEqual(text('b'));
});

test('a zero inside a oneof is written, outside it is not', () => {
  expect(hex(rpc.encodeCompare({ version: 0 }))).toBe('2000');
  expect(hex(rpc.encodeCompare({ result: 0, value: new Uint8Array(0) }))).toBe('3a00');
});

test('repeated numbers are read packed and unpacked', () => {
  expect(rpc.decodeWatchCreateRequest(bytes('2a020001')).filters).toEqual([0, 1]);
  expect(rpc.decodeWatchCreateRequest(bytes('28002801')).filters).toEqual([0, 1]);
  expect(hex(rpc.encodeWatchCreateRequest({ filters: [0, 1] }))).toBe('2a020001');
  expect(raftpb.decodeConfState(bytes('0a0201020803')).voters).toEqual([1n, 2n, 3n]);
  expect(hex(raftpb.encodeConfState({ voters: [1n, 2n] }))).toBe('080108022800');
});

test('unknown fields of every wire type are passed over; a known one under a foreign type is refused', () => {
  const unknown = ['9a0603616263', '980601', '99060102030405060708', '9d0601020304', '9b0608019c06'].join('');
  expect(rpc.decodePutRequest(bytes(`${unknown}0a0161`)).key).toStrictEqual(text('a'));
  expect(() => rpc.decodePutRequest(bytes('08010a0161'))).toThrow('wrong wireType = 0 for field 1');
});

test.each([
  ['field number 0', '0001'],
  ['wire type 6', '0e'],
  ['wire type 7', '0f'],
  ['end of a group that never began', '0c'],
  ['group closed by another number', '9b0694060000'],
  ['group never closed', '9b060801'],
  ['length past the end', '0a05616263'],
  ['length of 2^63', '0affffffffffffffffff01'],
  ['varint of eleven bytes', '18ffffffffffffffffffff01'],
  ['varint above 64 bits', '18ffffffffffffffffff02'],
  ['tag above 32 bits', '8080808080010a'],
])('malformed input is refused: %s', (_name, input) => {
  expect(() => rpc.decodePutRequest(bytes(input))).toThrow(WireError);
});

test('a nested message cannot read past its own length', () => {
  expect(() => rpc.decodePutResponse(bytes('0a0218ff01'))).toThrow(WireError);
});

test('strings must be UTF-8', () => {
  expect(() => rpc.decodeMember(bytes('1201ff'))).toThrow(WireError);
});

test('messages may nest 100 deep, no deeper', () => {
  let txn: Uint8Array = new Uint8Array(0);
  const wrap = (inner: Uint8Array): Uint8Array => {
    const frame = (tag: number, body: Uint8Array): Uint8Array => {
      const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7];
      return Uint8Array.from([tag, ...length, ...body]);
    };
    return frame(0x12, frame(0x22, inner));
  };
  for (let level = 0; level < 50; level++) txn = wrap(txn);
  expect(rpc.decodeTxnRequest(txn).success.length).toBe(1);
  expect(() => rpc.decodeTxnRequest(wrap(txn))).toThrow(WireError);
});

test('groups nested without end are refused', () => {
  expect(() => rpc.decodePutRequest(new Uint8Array(100_000).fill(0x53))).toThrow(WireError);
});

test('raw fields carry encoded messages through, and tell absent from empty', () => {
  const put = rpc.encodePutRequest({ key: text('k'), value: text('v') });
  expect(decodeInternalRaftRequest(encodeInternalRaftRequest({ put })).put).toStrictEqual(put);
  expect(decodeInternalRaftRequest(encodeInternalRaftRequest({ range: new Uint8Array(0) })).range).toHaveLength(0);
  expect(decodeInternalRaftRequest(bytes('')).range).toBeUndefined();
  expect(decodeEvent(bytes('1200')).kv).toHaveLength(0);
});

test('a decoded byte string is a view, and no Buffer even when the input is one', () => {
  const input = Buffer.from(rpc.encodePutRequest({ key: text('key') }));
  const { key } = rpc.decodePutRequest(input);
  expect(Object.getPrototypeOf(key)).toBe(Uint8Array.prototype);
  expect(key.buffer).toBe(input.buffer);
});

test('an encoder does not share memory with an earlier result', () => {
  const first = rpc.encodePutRequest({ key: text('first') });
  const kept = hex(first);
  rpc.encodePutRequest({ key: text('other') });
  expect(hex(first)).toBe(kept);
});

test('an encoder that failed leaves nothing behind for the next one', () => {
  expect(() => rpc.encodePutRequest({ key: text('x'), lease: 2n ** 70n })).toThrow(WireError);
  expect(hex(rpc.encodePutRequest({ key: text('k') }))).toBe('0a016b');
});

test('records of a WAL written by etcd 3.5.30 decode, and encode to the same bytes', () => {
  const metadata = decodeMetadata(bytes('08b2d6c8d5b5c8f5d7dd011084d9a5c4d3d1a599e901'));
  expect(metadata).toStrictEqual({ nodeID: 15974221988079217458n, clusterID: 16803658692955827332n });

  const putEntry = '080010021805221522060a0161120162a2060a0883e88fe7b1bfa8992b';
  const entry = raftpb.decodeEntry(bytes(putEntry));
  expect([entry.type, entry.term, entry.index]).toEqual([raftpb.EntryType.EntryNormal, 2, 5]);
  expect(hex(raftpb.encodeEntry(entry))).toBe(putEntry);
  const request = decodeInternalRaftRequest(entry.data);
  expect(request.header).toStrictEqual({ ID: 3112728392359998467n, username: '', authRevision: 0 });
  expect(rpc.decodePutRequest(request.put ?? bytes(''))).toMatchObject({ key: text('a'), value: text('b') });
  expect(hex(encodeInternalRaftRequest(request))).toBe(hex(entry.data));

  const hardState = '080210b2d6c8d5b5c8f5d7dd011803';
  expect(hex(raftpb.encodeHardState(raftpb.decodeHardState(bytes(hardState))))).toBe(hardState);
  expect(hex(raftpb.encodeEntry(raftpb.decodeEntry(bytes('080010021802'))))).toBe('080010021802');
});

test('a v2 request logged by etcd 3.5.30 is no InternalRaftRequest', () => {
  const logged =
    '0882e88fe7b1bfa8992b12035055541a0a2f302f76657273696f6e2205332e352e30' +
    '2800320038004800500058006000680070007800800100';
  expect(() => decodeInternalRaftRequest(bytes(logged))).toThrow(WireError);
  const request = decodeRequest(bytes(logged));
  expect(request).toMatchObject({ method: 'PUT', path: '/0/version', val: '3.5.0', prevExist: undefined });
});

test('the service tables carry paths and stream kinds', () => {
  expect(ALL_SERVICES).toHaveLength(9);
  expect(KVService.methods.RangeStream).toEqual({
    name: 'RangeStream',
    path: '/etcdserverpb.KV/RangeStream',
    requestStream: false,
    responseStream: true,
    request: 'RangeRequest',
    response: 'RangeStreamResponse',
  });
});
