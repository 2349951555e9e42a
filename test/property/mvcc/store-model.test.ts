import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { openLmdbBackend } from '../../../src/storage/lmdb/backend.ts';
import { StoreRig } from '../../model/mvcc-rig.ts';
import { expectSameEverywhere, step } from '../../model/mvcc-steps.ts';

const MEMORY_SEEDS = 60;
const LMDB_SEEDS = 4;
const STEPS = 120;

function seeds(count: number): number[] {
  return Array.from({ length: count }, (_, seed) => seed);
}

function liveKeys({ model }: StoreRig): number {
  return model.liveAt(model.currentRev).size;
}

test.each(seeds(MEMORY_SEEDS))('store equals model, seed %i', (seed) => {
  const random = new SeededRandom(seed);
  const rig = StoreRig.inMemory();
  for (let i = 0; i < STEPS; i++) {
    step(rig, random);
    expect(rig.store.keyCount).toBe(liveKeys(rig));
  }
  expectSameEverywhere(rig);
  rig.close();
});

test.each(seeds(LMDB_SEEDS))('store over LMDB equals model, seed %i', async (seed) => {
  const dir = await mkdtemp(join(tmpdir(), 'mvcc-lmdb-'));
  const open = (): ReturnType<typeof openLmdbBackend> => openLmdbBackend({ path: join(dir, 'data.mdb'), noSync: true });
  const random = new SeededRandom(seed);
  const rig = new StoreRig(open());
  for (let i = 0; i < STEPS; i++) {
    step(rig, random);
    // Now and then a flush in the background ends.
    if (random.below(3) === 0) await setImmediate();
    if (random.below(30) > 0) continue;
    await rig.flushed();
    rig.reopen();
  }
  expect(rig.store.keyCount).toBe(liveKeys(rig));
  expectSameEverywhere(rig);
  await rig.flushed();
  rig.close();

  const reopened = new StoreRig(open(), rig.model);
  expectSameEverywhere(reopened);
  reopened.close();
  await rm(dir, { recursive: true });
});
