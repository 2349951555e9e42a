/** JSON from other members: whatever comes, it is read or refused as text of the wrong form. */
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { decodeMember } from '../../../src/membership/member.ts';
import { parseHashKv, parseMembers, parseRevision, parseVersions } from '../../../src/peer/member-json.ts';
import { parseHexId, refusal } from '../../../src/peer/headers.ts';

const SEEDS = [
  '[{"id":9372538179322589801,"peerURLs":["http://10.0.0.1:2380"],"name":"a","clientURLs":["http://10.0.0.1:2379"]}]',
  '[{"id":1,"peerURLs":null,"isLearner":true},{"id":2,"peerURLs":["http://h:1"]}]',
  '{"etcdserver":"3.5.30","etcdcluster":"3.5.0","storage":"3.5.0"}',
  '{"header":{"cluster_id":14841639068965178418,"member_id":10276657743932975437,"revision":5,"raft_term":2},"hash":77,"compact_revision":3,"hash_revision":5}',
  '{"revision":12}',
];
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '"id":',
  '18446744073709551616',
  '-1',
  '1e400',
  'null',
  '\u0000',
];

function altered(text: string, random: SeededRandom): string {
  let out = text;
  for (let changes = random.below(4); changes >= 0; changes--) {
    const at = random.below(out.length + 1);
    const removed = random.below(4) === 0 ? random.below(12) : 0;
    out = out.slice(0, at) + (PIECES[random.below(PIECES.length)] ?? '') + out.slice(at + removed);
  }
  return out;
}

const PARSERS: [string, (text: string) => unknown][] = [
  ['members', parseMembers],
  ['versions', parseVersions],
  ['hash', parseHashKv],
  ['revision', parseRevision],
  ['a member', (text) => decodeMember(new TextEncoder().encode(text))],
];

describe('JSON of peers', () => {
  test.each(PARSERS)('%s', (_, parse) => {
    let refused = 0;
    let read = 0;
    for (let seed = 0; seed < 2000; seed++) {
      const random = new SeededRandom(seed);
      const text = seed < SEEDS.length ? (SEEDS[seed] ?? '') : altered(SEEDS[seed % SEEDS.length] ?? '', random);
      try {
        parse(text);
        read++;
      } catch (error) {
        if (!(error instanceof SyntaxError) && !(error instanceof AssertionError)) {
          throw new Error(`seed ${seed}: ${text}`, { cause: error });
        }
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(read).toBeGreaterThan(20);
  });

  test('what is not there is told', () => {
    for (const text of ['', 'null', '7', '"x"', '{}']) expect(() => parseMembers(text), text).toThrow(SyntaxError);
    for (const text of ['', 'null', '[]', '{"etcdserver":3}'])
      expect(() => parseVersions(text), text).toThrow(SyntaxError);
    for (const text of ['', 'null', '{"hash":"x"}', '{"hash":1.5}'])
      expect(() => parseHashKv(text), text).toThrow(SyntaxError);
  });
});

test('headers of peers', () => {
  const self = { id: 1n, clusterId: 0xabcn, serverVersion: '3.6.12', urls: [] };
  const good = { 'x-server-version': '3.5.30', 'x-min-cluster-version': '3.0.0', 'x-etcd-cluster-id': 'abc' };
  expect(refusal(self, good)).toBeUndefined();
  for (let seed = 0; seed < 500; seed++) {
    const random = new SeededRandom(seed);
    const headers = Object.fromEntries(Object.entries(good).map(([name, value]) => [name, altered(value, random)]));
    expect(['incompatible version', 'cluster ID mismatch', undefined]).toContain(refusal(self, headers));
    const id = parseHexId(altered('8e9e05c52164694d', random));
    expect(id === undefined || (id >= 0n && id < 2n ** 64n)).toBe(true);
  }
});
