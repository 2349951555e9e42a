/** Random operations against a model. */
import { expect, test } from 'vitest';
import { equalBytes, toHex } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Random } from '../../../src/base/random.ts';
import { WriteBatch } from '../../../src/mvcc/backend.ts';
import type { BackendView } from '../../../src/mvcc/backend.ts';
import { BackendModel } from './model.ts';
import { bytes, commitBatch, defragment, withView } from './support.ts';
import type { Subject } from './support.ts';

export function modelCases(subject: Subject): void {
  for (const seed of [1, 2, 3]) {
    test(`random operations agree with a sorted list, seed ${seed}`, async () => {
      const random = new SeededRandom(seed);
      const model = new BackendModel();
      const open: { view: BackendView; model: BackendModel }[] = [];
      for (let step = 0; step < 60; step++) {
        const batch = randomBatch(random);
        model.apply(batch);
        await commitBatch(subject(), batch);
        if (step % 20 === 13) await defragment(subject());
        if (random.below(4) === 0) open.push({ view: subject().view(), model: model.clone() });
        withView(subject(), (view) => compareWithModel(view, model, random));
        const old = open[random.below(open.length + 1)];
        if (old !== undefined) compareWithModel(old.view, old.model, random);
        if (open.length > 5) open.splice(random.below(open.length), 1)[0]?.view.close();
      }
      for (const { view } of open) view.close();
      withView(subject(), (view) =>
        expect(view.last('cur')).toEqual(model.last('cur', new Uint8Array(4000).fill(0xff))),
      );
    });
  }
}

const MODEL_TABLES = ['cur', 'hist'] as const;

function randomBatch(random: Random): WriteBatch {
  const batch = new WriteBatch();
  for (let i = random.below(120); i >= 0; i--) {
    const table = MODEL_TABLES[random.below(2)]!;
    if (random.below(3) === 0) batch.delete(table, randomKey(random));
    else batch.put(table, randomKey(random), new Uint8Array(random.below(9) === 0 ? 5000 : random.below(80)).fill(i));
  }
  return batch;
}

/** Few distinct bytes and lengths around the limits, so that keys meet and share prefixes. */
function randomKey(random: Random): Uint8Array {
  const lengths = [1, 2, 3, 1022, 1023, 1024, 1025, 1026, 2047, 2048, 2049, 3100];
  const key = new Uint8Array(lengths[random.below(lengths.length)]!).fill(random.below(2) * 0xff);
  for (const at of [0, 1, 1022, 1023, 1024, 2047, 2048]) {
    if (at < key.length && random.below(3) === 0) key[at] = [0, 1, 0x80, 0xff][random.below(4)]!;
  }
  key[key.length - 1] = [0, 1, 0xfe, 0xff][random.below(4)]!;
  return key;
}

function compareWithModel(view: BackendView, model: BackendModel, random: Random): void {
  for (const table of MODEL_TABLES) {
    const from = random.below(2) === 0 ? bytes(0) : randomKey(random);
    const expected = model.scan(table, from);
    const cursor = view.cursor(table);
    let rows = 0;
    for (let on = cursor.seek(from); on; on = cursor.next()) {
      const row = expected[rows++];
      if (row === undefined || !equalBytes(cursor.key, row.key) || !equalBytes(cursor.value, row.value)) {
        throw new Error(`row ${rows} of ${table} from ${toHex(from)} is ${toHex(cursor.key)}`);
      }
    }
    expect(rows).toBe(expected.length);
    for (let i = 0; i < 5; i++) {
      const key = randomKey(random);
      expect(view.get(table, key)).toEqual(model.get(table, key));
      expect(view.last(table, key)).toEqual(model.last(table, key));
    }
  }
}
