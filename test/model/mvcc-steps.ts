/** Random operations on a store and the model, each checked. */
import assert from 'node:assert/strict';
import { fromBinaryString, toBinaryString } from '../../src/base/bytes.ts';
import type { SeededRandom } from '../../src/base/random.ts';
import { EtcdError, etcdError } from '../../src/base/etcd-error.ts';
import { type Table, WriteBatch } from '../../src/mvcc/backend.ts';
import { IndexRebuildJob, indexesAreMissing } from '../../src/mvcc/index-rebuild.ts';
import { MvccStore } from '../../src/mvcc/store.ts';
import { WriteBuffer } from '../../src/mvcc/write-buffer.ts';
import { MemoryBackend } from '../../src/storage/memory-backend.ts';
import type { MvccEvent } from '../../src/mvcc/event.ts';
import { histMain, histSub, histUserKey } from '../../src/mvcc/key-index.ts';
import { encodeRevision } from '../../src/mvcc/revision.ts';
import { type ModelResult, bothOrError, encodeModelRow, modelQuery } from './mvcc-model.ts';
import type { StoreRig } from './mvcc-rig.ts';
import {
  KEYS,
  LEASES,
  expectSameEvents,
  expectSameRange,
  hex,
  pick,
  randomQuery,
  randomTxn,
  runJob,
  toQuery,
} from './mvcc-rig.ts';

/** One random operation on the store and the model. */
export function step(rig: StoreRig, random: SeededRandom): void {
  const { model, store } = rig;
  const choice = random.below(27);
  if (choice < 9) randomTxn(rig, random);
  else if (choice < 13) {
    const query = randomQuery(random, model);
    const both = bothOrError(
      () => store.range(toQuery(query)),
      () => model.range(query),
    );
    expectSameRange(both, query);
  } else if (choice < 15) {
    rangeInSlices(rig, random);
  } else if (choice === 15) {
    rig.compact(random.below(model.currentRev + 2) - (random.below(10) === 0 ? 1 : 0));
  } else if (choice === 16) {
    const lease = pick(random, LEASES.slice(2));
    assert.deepEqual(store.keysOf(lease).map(toBinaryString), model.keysOf(lease));
  } else if (choice === 17) rig.beginFlush();
  else if (choice === 18) rig.endFlush();
  else if (choice === 19) rig.reopenIfItCan();
  else if (choice === 20) compactInSlices(rig, random);
  else if (choice === 21) catchUp(rig, random);
  else if (choice < 24) hashInSlices(rig, random);
  else if (choice === 24) rebuildIndexes(rig, random);
  else rangeInChunks(rig, random);
}

/** Writes and flushes, as they come between two slices of a job. */
function meanwhile(rig: StoreRig, random: SeededRandom): void {
  const choice = random.below(4);
  if (choice === 0) randomTxn(rig, random);
  else if (choice === 1) rig.beginFlush();
  else if (choice === 2) rig.endFlush();
}

/** Runs the pending compaction to its end, or leaves it unfinished as a crash would. */
function compactInSlices(rig: StoreRig, random: SeededRandom): void {
  rig.scrub(random, () => meanwhile(rig, random), random.below(3) === 0);
  if (rig.store.finishedCompactRev === rig.store.compactRev) expectExactRows(rig);
}

/** Once no compaction is pending, the tables hold exactly the rows that etcd would hold, and the history rows of those. */
function expectExactRows(rig: StoreRig): void {
  const rev = rows(rig.buffer, 'rev').map(({ key, value }) => `${hex(key)} ${hex(value)}`);
  const expected = rig.model.rows.map((row) => {
    return `${hex(encodeRevision(row.main, row.sub, row.tombstone))} ${hex(encodeModelRow(row))}`;
  });
  assert.deepEqual(rev, expected);
  const hist = rows(rig.buffer, 'hist').map(
    ({ key }) => `${toBinaryString(histUserKey(key))} ${histMain(key)} ${histSub(key)}`,
  );
  assert.deepEqual(hist.sort(), rig.model.rows.map((row) => `${row.key} ${row.main} ${row.sub}`).sort());
}

function rows(buffer: WriteBuffer, table: Table): { key: Uint8Array; value: Uint8Array }[] {
  const out: { key: Uint8Array; value: Uint8Array }[] = [];
  const cursor = buffer.cursor(table);
  for (let found = cursor.seek(new Uint8Array([0])); found; found = cursor.next()) {
    out.push({ key: cursor.key, value: cursor.value });
  }
  return out;
}

function catchUp(rig: StoreRig, random: SeededRandom): void {
  const { store, model } = rig;
  let next = Math.max(0, model.compactRev) + random.below(10);
  const changes = model.rows.filter(({ main }) => main >= next);
  const events: MvccEvent[] = [];
  while (next <= store.currentRev) {
    const slice = store.history(next, 1 + random.below(5));
    for (const { revision, events: ofRevision } of slice.revisions) {
      assert.ok(revision >= next);
      assert.equal(
        ofRevision.every(({ main }) => main === revision),
        true,
      );
      events.push(...ofRevision);
    }
    assert.ok(slice.nextRevision > next);
    next = slice.nextRevision;
  }
  // Of the compact revision itself an unfinished compaction may still hold what the model has deleted.
  expectSameEvents(
    rig,
    events.filter(({ main }) => main > model.compactRev),
    changes.filter(({ main }) => main > model.compactRev),
  );
}

/** What is made from `rev` alone equals what was kept up to date all along. */
function rebuildIndexes(rig: StoreRig, random: SeededRandom): void {
  const backend = new MemoryBackend({ later: (run) => run() });
  const batch = new WriteBatch();
  for (const { key, value } of rows(rig.buffer, 'rev')) batch.put('rev', key, value);
  backend.commit(batch, () => {});
  const buffer = new WriteBuffer(backend);
  assert.equal(indexesAreMissing(buffer), rig.model.rows.length > 0);
  runJob(new IndexRebuildJob(buffer), random, () => {
    const flushed = random.below(2) === 0 ? buffer.beginFlush() : undefined;
    if (flushed !== undefined) backend.commit(flushed, () => buffer.endFlush());
  });
  for (const table of ['cur', 'hist', 'leaseKeys'] as const) {
    assert.deepEqual(rows(buffer, table), rows(rig.buffer, table));
  }
  assert.equal(new MvccStore(buffer).keyCount, rig.store.keyCount);
}

/** A range in chunks that the store moves on between: all of one revision, or refused once that is compacted. */
function rangeInChunks(rig: StoreRig, random: SeededRandom): void {
  const { key, rangeEnd, revision, limit, countOnly, keysOnly } = randomQuery(random, rig.model);
  const query = modelQuery(key, rangeEnd, { revision, limit, countOnly, keysOnly });
  const expected = bothOrError(
    () => rig.model.range(query),
    () => undefined,
  );
  const at = revision > 0 ? revision : rig.model.currentRev;
  const stream = rig.store.rangeStream(toQuery(query));
  const kvs: Uint8Array[] = [];
  try {
    for (;;) {
      const job = stream.next(1 + random.below(5));
      const chunk = runJob(job, random, () => meanwhile(rig, random));
      kvs.push(...chunk.kvs);
      assert.equal(chunk.last, stream.ended);
      if (chunk.last) {
        assert(!('errors' in expected), 'a chunk where an error was expected');
        expectSameRange({ a: { ...chunk, kvs }, b: { ...expected.a, last: true } as ModelResult }, query);
        return;
      }
      meanwhile(rig, random);
      if (random.below(10) === 0 && rig.model.currentRev > rig.model.compactRev) rig.compact(rig.model.currentRev);
    }
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    if ('errors' in expected) assert.equal(error.message, expected.errors[0]);
    else assert.deepEqual([error.message, at < rig.model.compactRev], [etcdError('Compacted').message, true]);
  }
}

function hashInSlices(rig: StoreRig, random: SeededRandom): void {
  const revision = random.below(3) === 0 ? 0 : random.below(rig.model.currentRev + 3);
  const expected = bothOrError(
    () => rig.model.hashKv(revision),
    () => rig.model.currentRev,
  );
  const job = rig.store.hashKvJob(revision);
  const actual = bothOrError(
    () => runJob(job, random, () => meanwhile(rig, random)),
    () => undefined,
  );
  if ('errors' in actual || 'errors' in expected) {
    assert.equal('errors' in actual && actual.errors[0], 'errors' in expected && expected.errors[0]);
    return;
  }
  const { hash, hashRevision, compactRevision, revision: current } = actual.a;
  assert.deepEqual({ hash, compactRev: compactRevision, revision: hashRevision }, expected.a);
  assert.equal(current, expected.b);
}

/** A range whose slices have writes and flushes in between answers as of its first slice. */
function rangeInSlices(rig: StoreRig, random: SeededRandom): void {
  const query = randomQuery(random, rig.model);
  const expected = bothOrError(
    () => rig.model.range(query),
    () => undefined,
  );
  const job = rig.store.rangeJob(toQuery(query));
  const both = bothOrError(
    () => runJob(job, random, () => meanwhile(rig, random)),
    () => undefined,
  );
  if ('errors' in both || 'errors' in expected) {
    assert.equal('errors' in both && both.errors[0], 'errors' in expected && expected.errors[0]);
    return;
  }
  expectSameRange({ a: both.a, b: expected.a }, query);
}

/** Everything that can be read, at every revision that can be read. */
export function expectSameEverywhere(rig: StoreRig): void {
  for (let revision = Math.max(1, rig.model.compactRev); revision <= rig.model.currentRev; revision++) {
    const query = modelQuery('\0', '\0', { revision });
    expectSameRange({ a: rig.store.range(toQuery(query)), b: rig.model.range(query) }, query);
    for (const key of KEYS) {
      const version = rig.store.versionAt(fromBinaryString(key), revision);
      assert.equal(version?.main, rig.model.liveAt(revision).get(key)?.main);
    }
  }
}
