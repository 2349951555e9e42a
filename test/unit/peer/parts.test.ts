/** The small parts of the transport, each by itself. */
import type { LookupAddress } from 'node:dns';
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import type { Member } from '../../../src/membership/member.ts';
import { parseHexId, refusal, requestHeaders } from '../../../src/peer/headers.ts';
import {
  hashKvJson,
  membersJson,
  parseHashKv,
  parseMembers,
  parseRevision,
  parseVersions,
  versionsJson,
} from '../../../src/peer/member-json.ts';
import { NameLookup } from '../../../src/peer/name-lookup.ts';
import { parsePeerAddress } from '../../../src/peer/peer-address.ts';
import { SendQueue } from '../../../src/peer/send-queue.ts';
import { UrlPicker } from '../../../src/peer/url-picker.ts';
import { append, heartbeat } from './support/node.ts';

describe('addresses', () => {
  test('of the four schemes', () => {
    expect(parsePeerAddress('http://etcd-0.etcd:2380')).toMatchObject({
      secure: false,
      host: 'etcd-0.etcd',
      port: 2380,
    });
    expect(parsePeerAddress('https://[fe80::1%25eth0]:1')).toMatchObject({
      secure: true,
      host: 'fe80::1%eth0',
      port: 1,
    });
    expect(parsePeerAddress('unix:///run/peer.sock')).toMatchObject({ secure: false, path: '/run/peer.sock' });
    expect(parsePeerAddress('unixs://localhost:2380')).toMatchObject({ secure: true, path: 'localhost:2380' });
  });

  test.for([
    '',
    'http://',
    'http://host',
    'http://host:',
    'http://host:65536',
    'http://host:1/path',
    'ftp://host:1',
    'host:1',
    'http://a b:1',
  ])('not %s', (url) => expect(parsePeerAddress(url)).toBeUndefined());

  test('are used in turn, each until it fails', () => {
    const picker = new UrlPicker(['http://a:1', 'nonsense', 'http://b:2']);
    const first = picker.pick();
    expect(first?.url).toBe('http://a:1');
    expect(picker.pick()).toBe(first);
    if (first !== undefined) {
      picker.failed(first);
      // Two channels may find out about the same failure.
      picker.failed(first);
    }
    expect(picker.pick()?.url).toBe('http://b:2');
    picker.update([]);
    expect(picker.pick()).toBeUndefined();
  });
});

describe('headers', () => {
  const self = { id: 0xabn, clusterId: 0xcn, serverVersion: '3.6.12', urls: ['http://a:1', 'http://b:2'] };
  const from = (more: Record<string, string>): Record<string, string> => ({
    'x-server-version': '3.5.0',
    'x-min-cluster-version': '3.0.0',
    'x-etcd-cluster-id': 'c',
    ...more,
  });

  test('say who asks', () => {
    expect(requestHeaders(self)).toEqual({
      'X-Server-From': 'ab',
      'X-Server-Version': '3.6.12',
      'X-Min-Cluster-Version': '3.0.0',
      'X-Etcd-Cluster-ID': 'c',
      'X-PeerURLs': 'http://a:1,http://b:2',
    });
  });

  test.for<[string, Record<string, string>, string | undefined]>([
    ['an older minor', {}, undefined],
    ['a newer minor', { 'x-server-version': '3.9.1' }, undefined],
    ['a pre-release', { 'x-server-version': '3.7.0-rc.1' }, undefined],
    ['the oldest', { 'x-server-version': '3.0.0' }, undefined],
    ['too old', { 'x-server-version': '2.3.8' }, 'incompatible version'],
    ['no version', { 'x-server-version': '' }, 'incompatible version'],
    ['nonsense for a version', { 'x-server-version': 'three' }, 'incompatible version'],
    ['a minimum that this one meets', { 'x-min-cluster-version': '3.6.0' }, undefined],
    ['a minimum above this one', { 'x-min-cluster-version': '3.7.0' }, 'incompatible version'],
    ['nonsense for a minimum', { 'x-min-cluster-version': 'x' }, 'incompatible version'],
    ['another cluster', { 'x-etcd-cluster-id': 'd' }, 'cluster ID mismatch'],
    ['padding', { 'x-etcd-cluster-id': '0c' }, 'cluster ID mismatch'],
  ])('%s', ([, more, expected]) => expect(refusal(self, from(more))).toBe(expected));

  test('ids are hex of 64 bits', () => {
    expect(parseHexId('ffffffffffffffff')).toBe(2n ** 64n - 1n);
    for (const text of ['', 'g', '-1', '0x1', '10000000000000000']) expect(parseHexId(text)).toBeUndefined();
  });
});

describe('names', () => {
  const pending: { hostname: string; answer: () => void }[] = [];
  const asked = (names: NameLookup, hostname: string, got: string[]): void =>
    names.lookup(hostname, { all: true }, (_, addresses) => got.push(`${hostname} ${JSON.stringify(addresses)}`));
  const fresh = (): NameLookup => {
    pending.length = 0;
    return new NameLookup((hostname, _, callback) => {
      const addresses: LookupAddress[] = [{ address: `1.1.1.${pending.length}`, family: 4 }];
      pending.push({ hostname, answer: () => callback(null, addresses) });
    });
  };

  test('are looked up each time, but once for all that ask meanwhile', () => {
    const names = fresh();
    const got: string[] = [];
    asked(names, 'a', got);
    asked(names, 'a', got);
    expect(pending.length).toBe(1);
    pending[0]?.answer();
    expect(got).toEqual(Array<string>(2).fill('a [{"address":"1.1.1.0","family":4}]'));
    asked(names, 'a', got);
    pending[1]?.answer();
    expect(got[2]).toBe('a [{"address":"1.1.1.1","family":4}]');
  });

  test('are looked up two at a time', () => {
    const names = fresh();
    const got: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) asked(names, name, got);
    expect(pending.map(({ hostname }) => hostname)).toEqual(['a', 'b']);
    pending[1]?.answer();
    expect(pending.map(({ hostname }) => hostname)).toEqual(['a', 'b', 'c']);
    for (const { answer } of pending.splice(2, 1)) answer();
    for (const { answer } of pending.splice(0, 1)) answer();
    expect(got.map((text) => text[0])).toEqual(['b', 'c', 'a']);
  });
});

describe('queue', () => {
  test('is bounded by count', () => {
    const queue = new SendQueue(3, 1 << 20);
    expect([1, 2, 3, 4].map((commit) => queue.push(heartbeat(1n, 2n, commit)))).toEqual([true, true, true, false]);
    expect(queue.shift()?.commit).toBe(1);
    expect(queue.push(heartbeat(1n, 2n, 5))).toBe(true);
    expect(queue.take(1 << 20).messages.map(({ commit }) => commit)).toEqual([2, 3, 5]);
    expect(queue.size).toBe(0);
  });

  test('is bounded by size, but takes one message of any size', () => {
    const queue = new SendQueue(100, 1000);
    expect(queue.push(append(1n, 2n, 1, new Uint8Array(5000)))).toBe(true);
    expect(queue.push(append(1n, 2n, 2, EMPTY))).toBe(false);
    expect(queue.take(10).messages.length).toBe(1);
    expect(queue.push(append(1n, 2n, 3, new Uint8Array(500)))).toBe(true);
    expect(queue.push(append(1n, 2n, 4, new Uint8Array(500)))).toBe(false);
    queue.clear();
    expect(queue.push(append(1n, 2n, 5, new Uint8Array(800)))).toBe(true);
  });

  test('gives out pieces of a size', () => {
    const queue = new SendQueue(100, 1 << 20);
    for (let i = 0; i < 5; i++) queue.push(append(1n, 2n, i, new Uint8Array(1000)));
    expect([1, 2, 3, 4].map(() => queue.take(2500).messages.length)).toEqual([2, 2, 1, 0]);
  });
});

describe('JSON', () => {
  const members: Member[] = [
    { id: 2n ** 64n - 1n, name: 'a "id":5 b', peerURLs: ['http://a:1'], clientURLs: ['http://a:2'], isLearner: false },
    { id: 9n, name: '', peerURLs: ['http://b:1', 'http://c:1'], clientURLs: [], isLearner: true },
  ];

  test('keeps ids beyond 2^53', () => {
    const text = membersJson(members);
    expect(text).toContain('"id":18446744073709551615,');
    expect(parseMembers(text)).toMatchObject(members);
    const header = { clusterId: 2n ** 63n, memberId: 2n ** 60n + 1n, revision: 5, raftTerm: 2 };
    const hash = { header, hash: 4_000_000_000, compactRevision: -1, hashRevision: 5 };
    expect(parseHashKv(hashKvJson(hash))).toEqual(hash);
  });

  test('of a hash leaves zeros out', () => {
    const hash = {
      header: { clusterId: 0n, memberId: 0n, revision: 7, raftTerm: 0 },
      hash: 1,
      compactRevision: 0,
      hashRevision: 0,
    };
    expect(hashKvJson(hash)).toBe('{"header":{"revision":7},"hash":1}');
  });

  test('of versions names what is not known', () => {
    const none = { server: '3.6.12', cluster: undefined, storage: undefined };
    expect(versionsJson(none)).toBe('{"etcdserver":"3.6.12","etcdcluster":"not_decided","storage":"unknown"}');
    expect(parseVersions(versionsJson(none))).toEqual(none);
    expect(parseVersions('{"etcdserver":"3.5.30","etcdcluster":"3.5.0"}')).toEqual({
      server: '3.5.30',
      cluster: '3.5.0',
      storage: undefined,
    });
  });

  test.for(['', 'null', '{', '5', '"x"', '{}', '[5]', '[null]'])('%s is no list of members', (text) => {
    expect(() => parseMembers(text)).toThrow(SyntaxError);
  });

  test.for(['', 'null', '{"revision":"5"}', '{"revision":1.5}', '{"revision":1e300}'])(
    '%s names no revision',
    (text) => {
      expect(() => parseRevision(text)).toThrow(SyntaxError);
    },
  );
});
