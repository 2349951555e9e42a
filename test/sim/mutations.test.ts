import { describe, expect, test } from 'vitest';
import { ALL_MUTATIONS, findMutation, foundBy } from './find-mutations.ts';
import { generate } from './generator.ts';
import { type Mutation, MUTATIONS } from './mutations.ts';
import { runPlan } from './run.ts';
import { shrink } from './shrink.ts';

/** A mistake that takes more seeds than this to be found is as good as not found. */
const SEEDS_MAX = 300;

describe('the simulator finds it when', () => {
  test.each(ALL_MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
    '%s',
    { timeout: 120_000 },
    async (name, mutation) => {
      const first = foundBy()[name] ?? 1;
      const seeds = [first, ...Array.from({ length: SEEDS_MAX }, (_, at) => at + 1)];
      const { seed } = await findMutation(mutation, seeds);
      expect(seed).toBeDefined();
    },
  );
});

describe('shrinking', () => {
  test('leaves what a violation needs, and little more', { timeout: 60_000 }, async () => {
    const mutation = MUTATIONS.find(({ name }) => name === 'leases end a second and a half too early') as Mutation;
    const { seed, message } = await findMutation(mutation, [1, 2, 3, 4, 5, 6, 7, 8]);
    const rule = message.slice(0, message.indexOf(':'));
    const small = await shrink(generate(seed ?? 0), async (candidate) => {
      const { violation } = await runPlan(candidate, { mutation });
      return violation?.rule === rule;
    });
    const operations = small.clients.flatMap((client) => client.operations);
    expect(operations.length).toBeLessThanOrEqual(2);
    expect(operations.some(({ kind }) => kind === 'grant' || kind === 'lock')).toBe(true);
    expect(small.faults).toEqual([]);
  });
});
