import { expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/random.ts';
import { StreamTable } from '../../../../src/rpc/h2/stream-table.ts';

it('StreamTable holds what a Map would hold, with streams of all ages', () => {
  const random = new SeededRandom(17);
  const table = new StreamTable<{ id: number }>();
  const model = new Map<number, { id: number }>();
  let nextId = 1;
  for (let step = 0; step < 20_000; step++) {
    if (random.below(2) === 0 && model.size < 700) {
      const stream = { id: nextId };
      nextId += 2 * (1 + random.below(3));
      table.add(stream);
      model.set(stream.id, stream);
    } else {
      const ids = [...model.keys()];
      const known = ids[random.below(ids.length || 1)];
      const id = known === undefined || random.below(5) === 0 ? random.below(nextId + 10) : known;
      table.delete(id);
      model.delete(id);
    }
    const asked = random.below(nextId + 10);
    expect(table.get(asked)).toBe(model.get(asked));
    expect(table.size).toBe(model.size);
  }
  expect(model.size).toBeGreaterThan(256);
  for (const [id, stream] of model) expect(table.get(id)).toBe(stream);
  expect(table.all().toSorted((a, b) => a.id - b.id)).toEqual([...model.values()].toSorted((a, b) => a.id - b.id));
});
