import { describe, expect, test } from 'vitest';
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { decodeKeyValue } from '../../../src/mvcc/key-value.ts';
import { MvccStore } from '../../../src/mvcc/store.ts';
import { WriteBuffer } from '../../../src/mvcc/write-buffer.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import type { Job } from '../../../src/ports/job.ts';
import { modelQuery } from '../../model/mvcc-model.ts';
import { StoreRig, runJob, toQuery } from '../../model/mvcc-rig.ts';

const NO_END = new Uint8Array(0);

function put(rig: StoreRig, key: string, value = 'v', lease = 0n): void {
  const txn = rig.store.begin();
  txn.put(fromBinaryString(key), fromBinaryString(value), lease);
  txn.end();
  rig.model.put(key, value, lease);
  rig.model.end();
}

function remove(rig: StoreRig, key: string): void {
  const txn = rig.store.begin();
  txn.deleteRange(fromBinaryString(key), NO_END);
  txn.end();
  rig.model.deleteRange(key, '');
  rig.model.end();
}

function scrub(rig: StoreRig): void {
  rig.scrub(new SeededRandom(1), () => {});
}

function run<T>(job: Job<T>): T {
  return runJob(job, new SeededRandom(1), () => {});
}

/** The hashes at all readable revisions, of the store and of the model. */
function hashes(rig: StoreRig): { store: number[]; model: number[] } {
  const store: number[] = [];
  const model: number[] = [];
  for (let revision = Math.max(1, rig.model.compactRev); revision <= rig.model.currentRev; revision++) {
    store.push(run(rig.store.hashKvJob(revision)).hash);
    model.push(rig.model.hashKv(revision).hash);
  }
  return { store, model };
}

function keysAt(rig: StoreRig, revision: number): string[] {
  const { kvs } = rig.store.range(toQuery(modelQuery('\0', '\0', { revision })));
  return kvs.map((kv) => toBinaryString(decodeKeyValue(kv).key));
}

describe('MvccStore', () => {
  test('starts at revision 1, never compacted', () => {
    const { store } = StoreRig.inMemory();
    expect([store.currentRev, store.compactRev, store.finishedCompactRev, store.keyCount]).toEqual([1, -1, -1, 0]);
    expect(store.compactionJob()).toBeUndefined();
  });

  test('accepts a compaction at 0 once', () => {
    const { store } = StoreRig.inMemory();
    expect(() => store.compact(-1)).toThrow('compacted');
    store.compact(0);
    expect(() => store.compact(0)).toThrow('compacted');
    expect(() => store.compact(2)).toThrow('future revision');
    expect(run(store.compactionJob()!)).toBe(0);
  });

  test('bumps the revision only for changes', () => {
    const rig = StoreRig.inMemory();
    remove(rig, 'absent');
    expect(rig.store.currentRev).toBe(1);
    expect(rig.store.begin().end()).toEqual([]);
    put(rig, 'a');
    expect(rig.store.currentRev).toBe(2);
  });

  test('has one write transaction at a time', () => {
    const { store } = StoreRig.inMemory();
    const txn = store.begin();
    expect(() => store.begin()).toThrow('within another');
    txn.end();
    expect(() => txn.put(fromBinaryString('a'), NO_END, 0n)).toThrow('after its end');
    store.begin().end();
  });

  test('refuses reads below a compaction as soon as it is accepted', () => {
    const rig = StoreRig.inMemory();
    for (let i = 0; i < 5; i++) put(rig, 'a', String(i));
    rig.compact(4);
    expect(() => keysAt(rig, 3)).toThrow('compacted');
    expect(keysAt(rig, 4)).toEqual(['a']);
    expect(() => rig.store.history(3, 10)).toThrow('compacted');
    expect(rig.store.history(4, 10).revisions.map(({ revision }) => revision)).toEqual([4, 5, 6]);
    expect(() => run(rig.store.hashKvJob(3))).toThrow('compacted');
  });

  test('keeps a tombstone at the compact revision until the next compaction', () => {
    const rig = StoreRig.inMemory();
    put(rig, 'a');
    remove(rig, 'a');
    rig.compact(3);
    scrub(rig);
    expect(rig.store.history(3, 10).revisions.map(({ events }) => events[0]!.type)).toEqual([1]);
    put(rig, 'b');
    rig.compact(4);
    scrub(rig);
    expect(rig.buffer.last('rev', rig.buffer.last('rev')!.key)).toBeUndefined();
    const { store, model } = hashes(rig);
    expect(store).toEqual(model);
  });

  test('hashes what is left when no key is live', () => {
    const rig = StoreRig.inMemory();
    put(rig, 'a');
    put(rig, 'b');
    put(rig, 'a');
    rig.compact(4);
    remove(rig, 'a');
    remove(rig, 'b');
    // The values at or before the compact revision count although no key keeps them.
    const pending = hashes(rig);
    expect(pending.store).toEqual(pending.model);
    scrub(rig);
    const scrubbed = hashes(rig);
    expect(scrubbed.store).toEqual(scrubbed.model);
    // Of the compact revision itself the compaction has hashed what it then deleted.
    expect(scrubbed.store.slice(1)).toEqual(pending.store.slice(1));
    put(rig, 'c');
    const after = hashes(rig);
    expect(after.store).toEqual(after.model);
  });

  test('answers with what a compaction has hashed, until ten later ones have', () => {
    const rig = StoreRig.inMemory();
    for (let i = 0; i < 12; i++) {
      put(rig, 'a', String(i));
      put(rig, 'a', String(i));
      if (i > 0) rig.compact(rig.store.currentRev - 1);
      scrub(rig);
    }
    expect(rig.store.compactionHashes).toEqual(
      rig.model.compactionHashes.map(({ hash, compactRev, revision }) => ({
        hash,
        compactRevision: compactRev,
        hashRevision: revision,
      })),
    );
    expect(rig.store.compactionHashes.map(({ hashRevision }) => hashRevision)).toEqual([
      6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
    ]);
    expect(run(rig.store.hashKvJob(6))).toEqual({ ...rig.store.compactionHashes[0]!, revision: 25 });
    expect(() => run(rig.store.hashKvJob(4))).toThrow('compacted');
  });

  test('of a store that is empty: with and without a compaction there, each tells the other', () => {
    const rig = StoreRig.inMemory();
    put(rig, 'a', '1');
    put(rig, 'a', '2');
    rig.compact(2);
    scrub(rig);
    remove(rig, 'a');
    const before = run(rig.store.hashKvJob(0));
    rig.compact(rig.store.currentRev);
    scrub(rig);
    const made = run(rig.store.hashKvJob(before.hashRevision));
    expect(made.compactRevision).toBe(before.compactRevision);
    expect(made.hash).not.toBe(before.hash);
    expect([made.hash, made.twin]).toEqual([before.twin, before.hash]);
  });

  test('does not store the hash of a compaction that follows one cut short', () => {
    const rig = StoreRig.inMemory();
    for (let i = 0; i < 30; i++) put(rig, 'a', String(i));
    rig.compact(20);
    rig.scrub(new SeededRandom(1), () => {}, true);
    rig.compact(25);
    scrub(rig);
    expect([rig.store.finishedCompactRev, rig.store.compactionHashes]).toEqual([25, []]);
    rig.compact(30);
    rig.reopenIfItCan();
    scrub(rig);
    expect([rig.store.finishedCompactRev, rig.store.compactionHashes]).toEqual([30, []]);
  });

  test('never goes back to an earlier revision, whatever compaction leaves', () => {
    const rig = StoreRig.inMemory();
    put(rig, 'a');
    put(rig, 'a');
    remove(rig, 'a');
    put(rig, 'b');
    remove(rig, 'b');
    rig.compact(6);
    scrub(rig);
    rig.reopenIfItCan();
    expect([rig.store.currentRev, rig.store.compactRev, rig.store.finishedCompactRev]).toEqual([6, 6, 6]);
    rig.buffer.delete('rev', rig.buffer.last('rev')!.key);
    rig.reopenIfItCan();
    expect(rig.store.currentRev).toBe(6);
  });

  test('goes on with a compaction that a crash interrupted', () => {
    const rig = StoreRig.inMemory();
    for (let i = 0; i < 40; i++) {
      put(rig, `k${i % 5}`);
      if (i % 7 === 0) remove(rig, `k${i % 5}`);
    }
    rig.compact(40);
    const job = rig.store.compactionJob()!;
    expect(job.step(10)).toBe(false);
    rig.flush();
    job.step(10);
    // What was deleted since the flush is lost with the process.
    const buffer = new WriteBuffer(rig.backend.afterCrash());
    const reopened = new MvccStore(buffer);
    expect([reopened.compactRev, reopened.finishedCompactRev]).toEqual([40, -1]);
    expect(run(reopened.compactionJob()!)).toBe(40);
    let rows = 0;
    const cursor = buffer.cursor('rev');
    for (let found = cursor.seek(new Uint8Array(1)); found; found = cursor.next()) rows++;
    expect(rows).toBe(rig.model.rows.length);
    expect(run(reopened.hashKvJob(0)).hash).toBe(rig.model.hashKv(0).hash);
  });

  test('does bounded work per step of a range, of a compaction and of a hash', () => {
    const rig = StoreRig.inMemory();
    for (let i = 0; i < 300; i++) put(rig, `k${i % 150}`);
    const query = toQuery(modelQuery('\0', '\0', { sortOrder: 2, sortTarget: 3 }));
    rig.compact(301);
    const jobs: [string, Job<unknown>, number][] = [
      ['range', rig.store.rangeJob(query), 30],
      ['hash', rig.store.hashKvJob(0), 30],
      ['whole hash', rig.store.hashJob(), 30],
      ['compaction', rig.store.compactionJob()!, 30],
    ];
    for (const [name, job, stepsMin] of jobs) {
      let steps = 1;
      while (!job.step(10)) steps++;
      job.close();
      expect([name, steps > stepsMin]).toEqual([name, true]);
    }
    expect([...rig.buffer.pins()]).toEqual([]);
  });

  test('makes no new cursor per read: a view keeps them until it is closed', () => {
    const backend = new MemoryBackend();
    let made = 0;
    const view = backend.view.bind(backend);
    backend.view = () => {
      const inner = view();
      const cursor = inner.cursor.bind(inner);
      inner.cursor = (table) => {
        made++;
        return cursor(table);
      };
      return inner;
    };
    const store = new MvccStore(new WriteBuffer(backend));
    for (let i = 0; i < 100; i++) {
      const txn = store.begin();
      txn.put(fromBinaryString(`k${i}`), NO_END, 1n);
      txn.deleteRange(fromBinaryString('k0'), fromBinaryString('k1'));
      txn.end();
      store.range(toQuery(modelQuery('k', 'l', { limit: 2 })));
      store.range(toQuery(modelQuery('k', 'l', { limit: 2, revision: store.currentRev - 1 })));
      run(store.rangeJob(toQuery(modelQuery('k', 'l', { sortOrder: 2, sortTarget: 4 }))));
      run(store.rangeStream(toQuery(modelQuery('k', 'l'))).next(3));
      run(store.hashKvJob(store.currentRev));
      run(store.hashJob());
      store.history(store.currentRev - 1, 10);
      store.keysOf(1n);
      store.versionAt(fromBinaryString('k1'), 2);
      const closedEarly = store.rangeJob(toQuery(modelQuery('k', 'l')));
      closedEarly.step(1);
      closedEarly.close();
      if (i % 10 === 5) {
        store.compact(store.currentRev - 5);
        run(store.compactionJob()!);
      }
    }
    expect(made).toBeLessThan(40);
  });

  test('the hash of the whole database sees every bucket, but not what may differ between members', () => {
    const rig = StoreRig.inMemory();
    const hash = (): number => run(rig.store.hashJob()).hash;
    const empty = hash();
    const row = (table: 'meta' | 'alarm', key: string): void =>
      rig.buffer.put(table, fromBinaryString(key), fromBinaryString('1'));
    for (const key of ['term', 'consistent_index', 'storageVersion', 'currentRevision', 'quorateMember'])
      row('meta', key);
    expect(hash()).toBe(empty);
    row('alarm', 'x');
    const withAlarm = hash();
    expect(withAlarm).not.toBe(empty);
    row('meta', 'confState');
    expect(hash()).not.toBe(withAlarm);
  });

  test('lists the keys of a lease', () => {
    const rig = StoreRig.inMemory();
    put(rig, 'b', 'v', 7n);
    put(rig, 'a', 'v', 7n);
    put(rig, 'c', 'v', 8n);
    put(rig, 'b', 'v', 8n);
    const keys = (lease: bigint): string[] => rig.store.keysOf(lease).map(toBinaryString);
    expect([keys(7n), keys(8n), keys(9n)]).toEqual([['a'], ['b', 'c'], []]);
    rig.reopenIfItCan();
    remove(rig, 'c');
    put(rig, 'a');
    expect([keys(7n), keys(8n)]).toEqual([[], ['b']]);
  });
});
