/** Requests and answers against protobufjs, which knows the wire format by itself, and requests that are none. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRequest, RequestError } from '../../../../src/http/gateway/request-decoder.ts';
import { JsonScanner, JsonSyntaxError } from '../../../../src/http/gateway/json-scanner.ts';
import { ResponsePrinter } from '../../../../src/http/gateway/response-printer.ts';
import { messageSchema } from '../../../../src/http/gateway/schema.ts';
import { decode, encode, messageType, type Plain } from '../../../support/proto-codec.ts';

const printer = new ResponsePrinter({ separator: ',', quote: (text) => JSON.stringify(text) });

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ maxLength: 40 });

const header = fc.record({ cluster_id: uint64, member_id: uint64, revision: int64, raft_term: uint64 });
const keyValue = fc.record({
  key: bytes,
  value: bytes,
  create_revision: int64,
  mod_revision: int64,
  version: int64,
  lease: int64,
});
const answers: Readonly<Record<string, fc.Arbitrary<Plain>>> = {
  'etcdserverpb.RangeResponse': fc.record({
    header,
    kvs: fc.array(keyValue, { maxLength: 4 }),
    more: fc.boolean(),
    count: int64,
  }),
  'etcdserverpb.WatchResponse': fc.record({
    header,
    watch_id: int64,
    created: fc.boolean(),
    cancel_reason: fc.string({ unit: 'grapheme' }),
    events: fc.array(fc.record({ type: fc.constantFrom('PUT', 'DELETE'), kv: keyValue, prev_kv: keyValue }), {
      maxLength: 3,
    }),
  }),
  'etcdserverpb.AlarmResponse': fc.record({
    alarms: fc.array(fc.record({ memberID: uint64, alarm: fc.constantFrom('NONE', 'NOSPACE', 'CORRUPT', 9) })),
  }),
  'etcdserverpb.HashKVResponse': fc.record({
    header,
    hash: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    compact_revision: int64,
  }),
  'etcdserverpb.AuthUserListResponse': fc.record({ users: fc.array(fc.string()) }),
};

describe('an answer', () => {
  it.each(Object.keys(answers))('%s says in JSON what it says on the wire', (name) => {
    const type = messageType(name);
    fc.assert(
      fc.property(answers[name] ?? fc.constant({}), (message) => {
        const wire = encode(type, message);
        const json = printer.print(messageSchema(name), wire);
        // Back by way of the requests' decoder: an answer is a message like any other.
        expect(decode(type, decodeRequest(messageSchema(name), Buffer.from(json)))).toEqual(decode(type, wire));
        const plain = JSON.parse(json) as { header?: { revision?: string }; kvs?: { value?: string }[] };
        const { header: given, kvs } = message as { header?: { revision: bigint }; kvs?: { value: Uint8Array }[] };
        expect(plain.header?.revision ?? '0').toBe(String(given?.revision ?? '0'));
        for (const [i, kv] of (kvs ?? []).entries()) {
          expect(plain.kvs?.[i]?.value ?? '').toBe(Buffer.from(kv.value).toString('base64'));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('leaves out zeros, but tells empty messages and members of a list', () => {
    const type = messageType('etcdserverpb.AuthUserListResponse');
    const print = (message: Plain): string =>
      printer.print(messageSchema('etcdserverpb.AuthUserListResponse'), encode(type, message));
    expect(print({ header: { revision: 0n }, users: ['', '0'] })).toBe('{"header":{},"users":["","0"]}');
    expect(print({})).toBe('{}');
  });

  it('in turns is the same as at once', async () => {
    const name = 'etcdserverpb.RangeResponse';
    const kvs = Array.from({ length: 50 }, (_, i) => ({ key: `key${i}`, value: 'v', mod_revision: i }));
    const wire = encode(messageType(name), { kvs, count: 50n });
    let turns = 0;
    const counting = { isOver: () => true, next: async () => void turns++ };
    const pieces = await printer.printInTurns(messageSchema(name), wire, counting);
    expect(pieces.join('')).toBe(printer.print(messageSchema(name), wire));
    expect(turns).toBe(51);
  });
});

describe('a request', () => {
  const parse = (name: string, json: string): Plain =>
    decode(messageType(name), decodeRequest(messageSchema(name), Buffer.from(json)));

  it('takes integers in every spelling', () => {
    const limit = (text: string): unknown => parse('etcdserverpb.RangeRequest', `{"limit":${text}}`)['limit'];
    for (const text of ['"9007199254740993"', '9007199254740993', '9007199254740993.0', '900719925474099.3e1']) {
      expect(limit(text)).toBe(9007199254740993n);
    }
    expect(limit('-9223372036854775808')).toBe(-(2n ** 63n));
    expect(limit('"-0"')).toBe(0n);
    expect(limit('0e99999999999')).toBe(0n);
    for (const text of [
      '9223372036854775808',
      '1e99999999999',
      '1.5',
      '1e-1',
      '" 1"',
      '"1 "',
      '""',
      '"0x1"',
      'true',
      '{}',
      '[]',
    ]) {
      expect(() => limit(text), text).toThrow(RequestError);
    }
  });

  it('never brings down what reads it', () => {
    const seeds = [
      '{"compare":[{"target":"CREATE","key":"Zm9v","createRevision":"2"}],"success":[{"requestPut":{"key":"Zm9v","value":"eA==","lease":5}}]}',
      '{"success":[{"request_txn":{"failure":[{"request_range":{"key":"\\u0041A==","limit":1e2,"serializable":true}}]}}],"x":[{"a":null}]}',
    ];
    const edit = fc.record({
      at: fc.nat(200),
      drop: fc.nat(4),
      insert: fc.constantFrom(
        '',
        '{',
        '}',
        '[',
        ']',
        '"',
        ',',
        ':',
        'null',
        '1e9',
        '\\',
        '\\ud800',
        '\u00ff',
        'é',
        '-',
      ),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(edit, { maxLength: 4 }),
        fc.constantFrom<BufferEncoding>('utf8', 'latin1'),
        (seed, edits, encoding) => {
          let text = seed;
          for (const { at, drop, insert } of edits) text = text.slice(0, at) + insert + text.slice(at + drop);
          try {
            const scanner = new JsonScanner(BYTES_MAX);
            for (const json of scanner.push(Buffer.from(text, encoding))) {
              decode(
                messageType('etcdserverpb.TxnRequest'),
                decodeRequest(messageSchema('etcdserverpb.TxnRequest'), json),
              );
            }
            scanner.end();
          } catch (error) {
            if (!(error instanceof RequestError) && !(error instanceof JsonSyntaxError)) throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('may not nest without end', () => {
    const nested = (depth: number): string =>
      depth === 0 ? '{}' : `{"success":[{"request_txn":${nested(depth - 1)}}]}`;
    expect(() => parse('etcdserverpb.TxnRequest', nested(200))).toThrow('exceeded max recursion depth');
    expect(parse('etcdserverpb.TxnRequest', `{"x":${'['.repeat(9000)}${']'.repeat(9000)}}`)).toMatchObject({
      success: [],
    });
  });
});

const BYTES_MAX = 1024 * 1024;
