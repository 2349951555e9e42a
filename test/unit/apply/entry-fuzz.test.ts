/** Entries of the log as members of other versions may write them: read, or refused in a way that says so. */
import { expect, test } from 'vitest';
import { commandOf, encodeEmbedded, entryId } from '../../../src/apply/command.ts';
import { NOBODY } from '../../../src/auth/auth-info.ts';
import { legacyCommandOf } from '../../../src/apply/legacy-command.ts';
import { AssertionError } from '../../../src/base/assert.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { WireError } from '../../../src/base/wire.ts';
import { encodeRequest } from '../../../src/gen/etcdserver.ts';
import { decodeInternalRaftRequest, encodeInternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import { encodePutRequest, encodeTxnRequest } from '../../../src/gen/rpc.ts';
import { decodeConfState } from '../../../src/server/conf-state.ts';

const put = encodePutRequest({ key: utf8Encode('k'), value: utf8Encode('v'), lease: 7n });
const ENTRIES = [
  encodeEmbedded(5n, NOBODY, 'put', put),
  encodeEmbedded(6n, NOBODY, 'txn', encodeTxnRequest({ success: [{ requestPut: { key: utf8Encode('k') } }] })),
  encodeInternalRaftRequest({ header: { ID: 7n }, clusterVersionSet: { ver: '3.6.0' } }),
  encodeInternalRaftRequest({ ID: 8n, alarm: { action: 1, memberID: 3n, alarm: 1 } }),
  encodeRequest({ ID: 9n, method: 'PUT', path: '/0/version', val: '3.5.0' }),
  encodeRequest({
    ID: 10n,
    method: 'PUT',
    path: '/0/members/8e9e05/attributes',
    val: '{"name":"a","clientURLs":["http://h:1"]}',
  }),
];

function altered(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const out = random.below(4) === 0 ? bytes.slice(0, random.below(bytes.length + 1)) : bytes.slice();
  for (let changes = random.below(3); changes > 0 && out.length > 0; changes--) {
    out[random.below(out.length)] = random.below(256);
  }
  return out;
}

function isKnown(error: unknown): boolean {
  return error instanceof WireError || error instanceof SyntaxError || error instanceof AssertionError;
}

test('entries, altered', () => {
  let read = 0;
  let refused = 0;
  for (let seed = 0; seed < 6000; seed++) {
    const random = new SeededRandom(seed);
    const bytes = altered(ENTRIES[seed % ENTRIES.length] as Uint8Array, random);
    for (const work of [
      () => {
        const entry = decodeInternalRaftRequest(bytes);
        expect(entryId(entry)).toBeTypeOf('bigint');
        expect(commandOf(entry).kind).toBeTypeOf('string');
      },
      () => legacyCommandOf(bytes),
    ]) {
      try {
        work();
        read++;
      } catch (error) {
        if (!isKnown(error)) throw new Error(`seed ${seed}`, { cause: error });
        refused++;
      }
    }
  }
  expect(read).toBeGreaterThan(3000);
  expect(refused).toBeGreaterThan(300);
});

test('stored conf states, altered', () => {
  const text =
    '{"voters":[9372538179322589801,2],"learners":[3],"voters_outgoing":[2],"learners_next":[],"auto_leave":true}';
  for (let seed = 0; seed < 2000; seed++) {
    const bytes = altered(utf8Encode(text), new SeededRandom(seed));
    try {
      for (const id of decodeConfState(bytes).voters) expect(id).toBeTypeOf('bigint');
    } catch (error) {
      if (!isKnown(error)) throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
