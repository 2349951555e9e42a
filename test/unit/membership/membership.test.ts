import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../../src/membership/cluster.ts';
import { clusterId, memberId } from '../../../src/membership/ids.ts';
import { decodeMember, encodeMember, encodePromotion } from '../../../src/membership/member.ts';
import { checkPeerUrls } from '../../../src/membership/peer-urls.ts';

const sha1 = (bytes: Uint8Array): Uint8Array => createHash('sha1').update(bytes).digest();
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function tables() {
  const stored = new Map<string, Map<string, { key: Uint8Array; value: Uint8Array }>>();
  const of = (table: string) => {
    let rows = stored.get(table);
    if (rows === undefined) stored.set(table, (rows = new Map()));
    return rows;
  };
  return {
    put: (table: string, key: Uint8Array, value: Uint8Array) => void of(table).set(text(key), { key, value }),
    delete: (table: string, key: Uint8Array) => void of(table).delete(text(key)),
    rows: (table: string) => [...of(table).values()],
  };
}

const member = (id: bigint, url: string) => ({ id, name: '', peerURLs: [url], clientURLs: [], isLearner: false });

describe('ids', () => {
  it('are those that etcd derives', () => {
    const id = memberId(sha1, ['https://localhost:20001'], 'new');
    expect(id).toBe(0x00a8f3458387986dn);
    expect(clusterId(sha1, [id])).toBe(0x34c21a2d427db393n);
  });

  it('do not depend on the order of URLs and members', () => {
    expect(memberId(sha1, ['http://b:1', 'http://a:1'], 't')).toBe(memberId(sha1, ['http://a:1', 'http://b:1'], 't'));
    expect(clusterId(sha1, [2n, 1n, 3n])).toBe(clusterId(sha1, [3n, 2n, 1n]));
  });
});

describe('member JSON', () => {
  it('has etcd’s fields in its order, and exact ids', () => {
    const whole = {
      ...member(0x8e9e05c52164694dn, 'http://a:1'),
      name: 'n<1>',
      clientURLs: ['http://c:1'],
      isLearner: true,
    };
    const encoded = encodeMember(whole);
    expect(text(encoded)).toBe(
      '{"id":10276657743932975437,"peerURLs":["http://a:1"],"isLearner":true,"name":"n\\u003c1\\u003e","clientURLs":["http://c:1"]}',
    );
    expect(decodeMember(encoded)).toEqual({ ...whole, isPromote: false });
    expect(decodeMember(encodePromotion(2n ** 64n - 1n))).toMatchObject({ id: 2n ** 64n - 1n, isPromote: true });
  });

  it('is refused when it is none', () => {
    for (const bad of ['', '{', 'null', '[1', '"x"']) {
      expect(() => decodeMember(new TextEncoder().encode(bad))).toThrow();
    }
  });
});

describe('Cluster', () => {
  it('is read back from its tables', () => {
    const rows = tables();
    const cluster = new Cluster(rows);
    cluster.add(member(1n, 'http://a:1'));
    cluster.add({ ...member(2n, 'http://b:1'), isLearner: true });
    cluster.updateAttributes(1n, 'one', ['http://c:1']);
    cluster.promote(2n);
    cluster.add(member(3n, 'http://d:1'));
    cluster.remove(3n);
    cluster.setVersion('3.6.0');
    const again = new Cluster(rows);
    expect(again.members()).toEqual(cluster.members());
    expect(again.members().map(({ name, isLearner }) => [name, isLearner])).toEqual([
      ['one', false],
      ['', false],
    ]);
    expect([again.isRemoved(3n), again.version]).toEqual([true, '3.6.0']);
  });

  it('refuses a known id, a used URL, and an id that was removed', () => {
    const cluster = new Cluster(tables());
    cluster.add(member(1n, 'http://a:1'));
    expect(() => cluster.checkAdd(member(1n, 'http://b:1'))).toThrow('member ID already exist');
    expect(() => cluster.checkAdd(member(2n, 'http://a:1'))).toThrow('Peer URLs already exists');
    cluster.remove(1n);
    expect(() => cluster.checkAdd(member(1n, 'http://b:1'))).toThrow('member not found');
    expect(() => cluster.add(member(1n, 'http://b:1'))).toThrow('cannot come back');
  });
});

describe('peer URLs', () => {
  it('need a scheme, a host and a port, and nothing more', () => {
    expect(checkPeerUrls(['http://b:1', 'http://[::1]:2', 'https://a.example:65535'])).toHaveLength(3);
    for (const bad of [
      '',
      'a:1',
      'http://a',
      'ftp://a:1',
      'http://a:1/x',
      'http://a:1?x',
      'http://u@a:1',
      'http://:1',
    ]) {
      expect(() => checkPeerUrls([bad]), bad).toThrow('given member URLs are invalid');
    }
    expect(() => checkPeerUrls([])).toThrow('given member URLs are invalid');
  });
});
