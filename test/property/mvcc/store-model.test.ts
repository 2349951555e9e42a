import { expect, test } from 'vitest';
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { bothOrError, modelQuery } from '../../model/mvcc-model.ts';
import {
  KEYS,
  LEASES,
  StoreRig,
  expectSameRange,
  pick,
  randomQuery,
  randomTxn,
  runJob,
  toQuery,
} from '../../model/mvcc-rig.ts';

const SEEDS = 60;
const STEPS = 120;

/** One random operation on the store and the model. */
function step(rig: StoreRig, random: SeededRandom): void {
  const { model, store } = rig;
  const choice = random.below(20);
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
    if ('errors' in both) expect(both.errors[0]).toBe(both.errors[1]);
    expect(store.compactRev).toBe(model.compactRev);
  } else if (choice === 16) {
    const lease = pick(random, LEASES.slice(2));
    expect(store.keysOf(lease).map(toBinaryString)).toEqual(model.keysOf(lease));
  } else if (choice === 17) rig.beginFlush();
  else if (choice === 18) rig.endFlush();
  else rig.reopen();
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
    () =>
      runJob(job, random, () => {
        const between = random.below(4);
        if (between === 0) randomTxn(rig, random);
        else if (between === 1) rig.beginFlush();
        else if (between === 2) rig.endFlush();
      }),
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
