import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Table } from '../../../src/mvcc/backend.ts';
import type { MvccEvent } from '../../../src/mvcc/event.ts';
import { histMain, histSub, histUserKey } from '../../../src/mvcc/key-index.ts';
import { encodeRevision } from '../../../src/mvcc/revision.ts';
import { bothOrError, encodeModelRow, modelQuery } from '../../model/mvcc-model.ts';
import {
  KEYS,
  LEASES,
  StoreRig,
  expectSameEvents,
  expectSameRange,
  hex,
  pick,
  randomQuery,
  randomTxn,
  runJob,
  toQuery,
} from '../../model/mvcc-rig.ts';

const SEEDS = 80;
const STEPS = 120;

/** One random operation on the store and the model. */
function step(rig: StoreRig, random: SeededRandom): void {
  const { model, store } = rig;
  const choice = random.below(24);
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
    const revision = random.below(model.currentRev + 2) - (random.below(10) === 0 ? 1 : 0);
    const both = bothOrError(
      () => store.compact(revision),
      () => model.compact(revision),
    );
    if ('errors' in both) assert.equal(both.errors[0], both.errors[1]);
    assert.equal(store.compactRev, model.compactRev);
  } else if (choice === 16) {
    const lease = pick(random, LEASES.slice(2));
    assert.deepEqual(store.keysOf(lease).map(toBinaryString), model.keysOf(lease));
  } else if (choice === 17) rig.beginFlush();
  else if (choice === 18) rig.endFlush();
  else if (choice === 19) rig.reopen();
  else if (choice === 20) compactInSlices(rig, random);
  else if (choice === 21) catchUp(rig, random);
  else hashInSlices(rig, random);
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
  const job = rig.store.compactionJob();
  if (job === undefined) {
    expect(rig.store.finishedCompactRev).toBe(rig.store.compactRev);
    return;
  }
  expect(rig.store.compactionJob()).toBeUndefined();
  if (random.below(3) === 0) {
    job.step(random.below(10));
    job.close();
    return;
  }
  const compacted = runJob(job, random, () => meanwhile(rig, random));
  expect(rig.store.finishedCompactRev).toBe(compacted);
  if (compacted === rig.store.compactRev) expectExactRows(rig);
}

/** Once no compaction is pending, the tables hold exactly the rows that etcd would hold, and the history rows of those. */
function expectExactRows(rig: StoreRig): void {
  const rev = rows(rig, 'rev').map(({ key, value }) => `${hex(key)} ${hex(value)}`);
  const expected = rig.model.rows.map((row) => {
    return `${hex(encodeRevision(row.main, row.sub, row.tombstone))} ${hex(encodeModelRow(row))}`;
  });
  expect(rev).toEqual(expected);
  const hist = rows(rig, 'hist').map(
    ({ key }) => `${toBinaryString(histUserKey(key))} ${histMain(key)} ${histSub(key)}`,
  );
  expect(hist.sort()).toEqual(rig.model.rows.map((row) => `${row.key} ${row.main} ${row.sub}`).sort());
}

function rows(rig: StoreRig, table: Table): { key: Uint8Array; value: Uint8Array }[] {
  const out: { key: Uint8Array; value: Uint8Array }[] = [];
  const cursor = rig.buffer.cursor(table);
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
      expect(revision).toBeGreaterThanOrEqual(next);
      expect(ofRevision.every(({ main }) => main === revision)).toBe(true);
      events.push(...ofRevision);
    }
    expect(slice.nextRevision).toBeGreaterThan(next);
    next = slice.nextRevision;
  }
  // Of the compact revision itself an unfinished compaction may still hold what the model has deleted.
  expectSameEvents(
    rig,
    events.filter(({ main }) => main > model.compactRev),
    changes.filter(({ main }) => main > model.compactRev),
  );
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
    expect('errors' in actual && actual.errors[0]).toBe('errors' in expected && expected.errors[0]);
    return;
  }
  const { hash, hashRevision, compactRevision, revision: current } = actual.a;
  expect({ hash, compactRev: compactRevision, revision: hashRevision }).toEqual(expected.a);
  expect(current).toBe(expected.b);
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
    expect('errors' in both && both.errors[0]).toBe('errors' in expected && expected.errors[0]);
    return;
  }
  expectSameRange({ a: both.a, b: expected.a }, query);
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))('store equals model, seed %i', (seed) => {
  const random = new SeededRandom(seed);
  const rig = new StoreRig();
  for (let i = 0; i < STEPS; i++) step(rig, random);
  for (let revision = Math.max(1, rig.model.compactRev); revision <= rig.model.currentRev; revision++) {
    const query = modelQuery('\0', '\0', { revision });
    expectSameRange({ a: rig.store.range(toQuery(query)), b: rig.model.range(query) }, query);
    for (const key of KEYS) {
      const version = rig.store.versionAt(fromBinaryString(key), revision);
      expect(version?.main).toBe(rig.model.liveAt(revision).get(key)?.main);
    }
  }
  rig.close();
});
