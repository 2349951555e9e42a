import { describe, expect, test } from 'vitest';
import { ApiError, type Api, type KeyValue, type WatchBatch, type WatchEvent } from '../../../src/ui/api.ts';
import { earlierLives, olderVersions } from '../../../src/ui/key-history.ts';

const KEY = Uint8Array.of(7);

function put(modRevision: number, version: number, createRevision: number): KeyValue {
  return { key: KEY, value: Uint8Array.of(modRevision), createRevision, modRevision, version, lease: 0n };
}

/** Two lives: put at 3, 5, 6, deleted at 8; put at 20, 30, 31, 40. */
const EVENTS: readonly WatchEvent[] = [
  { type: 'PUT', kv: put(3, 1, 3) },
  { type: 'PUT', kv: put(5, 2, 3) },
  { type: 'PUT', kv: put(6, 3, 3) },
  { type: 'DELETE', kv: { ...put(8, 0, 0), value: new Uint8Array() } },
  { type: 'PUT', kv: put(20, 1, 20) },
  { type: 'PUT', kv: put(30, 2, 20) },
  { type: 'PUT', kv: put(31, 3, 20) },
  { type: 'PUT', kv: put(40, 4, 20) },
];

function store(compacted = 0): Pick<Api, 'range' | 'watch'> {
  return {
    range: async ({ revision = 0 }) => {
      if (revision < compacted) throw new ApiError('etcdserver: mvcc: required revision has been compacted', 11);
      const last = EVENTS.findLast(({ kv }) => kv.modRevision <= revision);
      const kvs = last === undefined || last.type === 'DELETE' ? [] : [last.kv];
      return { revision: 40, kvs, more: false, count: kvs.length };
    },
    async *watch({ startRevision = 0 }, signal): AsyncGenerator<WatchBatch> {
      const batch = { revision: 40, created: false, compactRevision: 0, events: [] };
      yield { ...batch, created: true };
      if (startRevision < compacted) {
        yield { ...batch, ended: 'compacted', compactRevision: compacted };
        return;
      }
      const events = EVENTS.filter(({ kv }) => kv.modRevision >= startRevision);
      for (const event of events) yield { ...batch, events: [event] };
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    },
  };
}

const revisions = (list: readonly (KeyValue | WatchEvent)[]): number[] =>
  list.map((one) => ('kv' in one ? one.kv : one).modRevision);

describe('older versions', () => {
  test('back to the creation', async () => {
    const { versions, end } = await olderVersions(store(), put(40, 4, 20), 10);
    expect(revisions(versions)).toEqual([31, 30, 20]);
    expect(end).toBe('created');
  });

  test('some at a time', async () => {
    const first = await olderVersions(store(), put(40, 4, 20), 2);
    expect(revisions(first.versions)).toEqual([31, 30]);
    expect(first.end).toBe('more');
    const second = await olderVersions(store(), put(30, 2, 20), 2);
    expect(revisions(second.versions)).toEqual([20]);
    expect(second.end).toBe('created');
  });

  test('down to a compaction', async () => {
    const { versions, end } = await olderVersions(store(30), put(40, 4, 20), 10);
    expect(revisions(versions)).toEqual([31, 30]);
    expect(end).toBe('compacted');
  });

  test('of the first version there are none', async () => {
    expect(await olderVersions(store(), put(20, 1, 20), 10)).toEqual({ versions: [], end: 'created' });
  });

  test('other errors are told', async () => {
    const range = async (): Promise<never> => Promise.reject(new ApiError('etcdserver: permission denied', 7));
    await expect(olderVersions({ range }, put(40, 4, 20), 10)).rejects.toThrow('permission denied');
  });
});

describe('earlier lives', () => {
  test('end where the present one begins', async () => {
    expect(revisions(await earlierLives(store(), KEY, 20, 10, 5000))).toEqual([8, 6, 5, 3]);
  });

  test('of a key that is gone end when nothing more comes', async () => {
    expect(revisions(await earlierLives(store(), KEY, Infinity, 100, 30))).toEqual([40, 31, 30, 20, 8, 6, 5, 3]);
  });

  test('are no more than asked for: the last ones', async () => {
    expect(revisions(await earlierLives(store(), KEY, 20, 2, 5000))).toEqual([8, 6]);
  });

  test('begin after a compaction', async () => {
    expect(revisions(await earlierLives(store(6), KEY, 20, 10, 5000))).toEqual([8, 6]);
  });
});
