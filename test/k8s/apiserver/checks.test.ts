/** Every promise that the model holds a store to: a store that breaks it is found out. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Event, KeyValue, WatchResponse } from '../../support/api-messages.ts';
import { bytes } from '../../support/values.ts';
import { CacheState } from './cache-state.ts';
import { Errors, isCompacted, isLeaseNotFound } from './errors.ts';
import { Figures } from './figures.ts';
import { Findings } from './findings.ts';
import { Ledger } from './ledger.ts';
import { RpcError } from '../../support/raw-client.ts';

let findings: Findings;
let ledger: Ledger;
let cache: CacheState;

beforeEach(() => {
  findings = new Findings();
  ledger = new Ledger('pods', findings);
  cache = new CacheState('pods', 1, ledger, findings);
  cache.reset([], 10);
});

function kv(
  key: string,
  modified: number,
  more: Partial<{ created: number; version: number; value: string }> = {},
): KeyValue {
  const { created = modified, version = 1, value = `v${modified}` } = more;
  return {
    key: bytes(key),
    value: bytes(value),
    create_revision: BigInt(created),
    mod_revision: BigInt(modified),
    version: BigInt(version),
    lease: 0n,
  };
}

const put = (now: KeyValue, before?: KeyValue): Event => ({ type: 'PUT', kv: now, ...(before && { prev_kv: before }) });

function deletion(key: string, revision: number, before?: KeyValue): Event {
  const bare = kv(key, revision, { created: 0, version: 0, value: '' });
  return { type: 'DELETE', kv: bare, ...(before && { prev_kv: before }) };
}

function response(events: Event[], revision = Number(events.at(-1)?.kv.mod_revision ?? 0)): WatchResponse {
  return {
    header: { cluster_id: 1n, member_id: 1n, revision: BigInt(revision), raft_term: 1n },
    watch_id: events.length === 0 ? -1n : 0n,
    created: false,
    canceled: false,
    compact_revision: 0n,
    cancel_reason: '',
    fragment: false,
    events,
  };
}

const tell = (...events: Event[]): void => void cache.apply(response(events), 0);
const notice = (revision: number): void => void cache.apply(response([], revision), 0);
const rules = (): string[] => [...findings.counts.keys()];

describe('a watch cache', () => {
  it('accepts what a store tells that keeps its promises', () => {
    tell(put(kv('a', 11)), put(kv('b', 12)));
    tell(put(kv('a', 13, { created: 11, version: 2 }), kv('a', 11)), deletion('b', 13, kv('b', 12)));
    notice(20);
    tell(put(kv('b', 21)));
    expect(findings.told).toEqual([]);
    expect([...cache.objects.keys()]).toEqual(['a', 'b']);
    expect(cache.revision).toBe(21);
  });

  it.each<[string, string, () => void]>([
    ['an event twice', 'each event once', () => (tell(put(kv('a', 11))), tell(put(kv('a', 11), kv('a', 11))))],
    ['events out of order', 'in order', () => tell(put(kv('a', 12)), put(kv('b', 11)))],
    [
      'a revision in two responses',
      'in order, whole revisions, none after a notice of its revision',
      () => (tell(put(kv('a', 11))), tell(put(kv('b', 11)))),
    ],
    [
      'an event after a notice of its revision',
      'in order, whole revisions, none after a notice of its revision',
      () => (notice(15), tell(put(kv('a', 15)))),
    ],
    [
      'no prev_kv',
      'prev_kv is what was there',
      () => tell(put(kv('a', 11)), put(kv('a', 12, { created: 11, version: 2 }))),
    ],
    [
      'a prev_kv that is older',
      'prev_kv is what was there',
      () =>
        tell(
          put(kv('a', 11)),
          put(kv('a', 12, { created: 11, version: 2 }), kv('a', 11)),
          put(kv('a', 13, { created: 11, version: 3 }), kv('a', 11)),
        ),
    ],
    [
      'a change as a creation',
      'create and modify are told apart',
      () => tell(put(kv('a', 11)), put(kv('a', 12), kv('a', 11))),
    ],
    [
      'a change whose version jumps',
      'create and modify are told apart',
      () => tell(put(kv('a', 11)), put(kv('a', 12, { created: 11, version: 3 }), kv('a', 11))),
    ],
    ['a deletion of nothing', 'only what is there is deleted', () => tell(deletion('a', 11))],
    [
      'a deletion with a value',
      'a deletion tells the key and its revision only',
      () => tell(put(kv('a', 11)), { ...deletion('a', 12, kv('a', 11)), kv: kv('a', 12) }),
    ],
    [
      'a header older than its events',
      'the header is not before the events',
      () => void cache.apply(response([put(kv('a', 11))], 10), 0),
    ],
  ])('finds %s', (_what, rule, act) => {
    act();
    expect(rules()).toContain(rule);
  });
});

describe('the ledger', () => {
  const change = { revision: 12, key: 'a', type: 'PUT', value: 'v12', prevRevision: 0 } as const;

  it('is content when answers and watches agree, whichever comes first', () => {
    ledger.acknowledged(change, 0);
    tell(put(kv('a', 12)));
    tell(put(kv('a', 13, { created: 12, version: 2 }), kv('a', 12)));
    ledger.acknowledged({ revision: 13, key: 'a', type: 'PUT', value: 'v13', prevRevision: 12 }, 0);
    notice(30);
    expect(findings.told).toEqual([]);
    expect(ledger.checked).toBe(2);
  });

  it('finds an acknowledged write that a watch skipped', () => {
    ledger.acknowledged(change, 0);
    tell(put(kv('b', 13)));
    expect(rules()).toEqual(['a watch has no gap']);
  });

  it('finds a notice that comes before an acknowledged write', () => {
    ledger.acknowledged(change, 0);
    notice(12);
    expect(rules()).toEqual(['a watch has no gap']);
  });

  it('finds a gap also when the answer comes after the notice', () => {
    notice(12);
    ledger.acknowledged(change, 0);
    expect(rules()).toEqual(['a watch has no gap']);
  });

  it('finds what one watch was told and another was not', () => {
    const other = new CacheState('pods', 2, ledger, findings);
    other.reset([], 10);
    tell(put(kv('a', 12)));
    other.apply(response([], 12), 0);
    expect(rules()).toEqual(['a watch has no gap']);
  });

  it.each([
    ['another value', { ...change, value: 'v' }],
    ['another revision before it: two updates of one object', { ...change, prevRevision: 11 }],
    ['a deletion', { ...change, type: 'DELETE' as const }],
  ])('finds a writer who was told of %s', (_what, told) => {
    tell(put(kv('a', 12)));
    ledger.acknowledged(told, 0);
    expect(rules()).toEqual(['all are told the same']);
  });

  it('forgets what all have, and nothing else', () => {
    tell(put(kv('a', 12)));
    ledger.forgetOld(1e9);
    ledger.acknowledged({ ...change, revision: 20 }, 0);
    ledger.forgetOld(1e9);
    notice(20);
    expect(rules()).toEqual(['a watch has no gap']);
  });
});

describe('errors', () => {
  it('count unless a fault excuses them', () => {
    const figures = new Figures();
    const errors = new Errors(findings, figures);
    errors.faultBegins();
    errors.note('write', new Error('down'));
    expect([findings.total, figures.excused]).toEqual([0, 1]);
    const others = new Errors(findings, figures);
    others.note('write', new Error('down'));
    expect(rules()).toEqual(['no errors without a fault']);
  });

  it('are told apart by code and text, exactly', () => {
    const text = 'etcdserver: mvcc: required revision has been compacted';
    expect(isCompacted(new RpcError(11, text))).toBe(true);
    expect(isCompacted(new RpcError(3, text))).toBe(false);
    expect(isCompacted(new RpcError(11, `${text}.`))).toBe(false);
    expect(isLeaseNotFound(new RpcError(5, 'etcdserver: requested lease not found'))).toBe(true);
    expect(isLeaseNotFound(new RpcError(5, 'not found'))).toBe(false);
  });
});
