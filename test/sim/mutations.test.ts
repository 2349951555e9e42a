import { describe, expect, test } from 'vitest';
import { generate } from './generator.ts';
import { type Mutation, MUTATIONS } from './mutations.ts';
import { runPlan } from './run.ts';
import { shrink } from './shrink.ts';
import type { Violation } from './world/violation.ts';

/** A mistake that takes more seeds than this to be found is as good as not found. */
const SEEDS_MAX = 600;

interface Found {
  readonly seed: number;
  readonly violation: Violation;
}

async function find(mutation: Mutation): Promise<Found | undefined> {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const { violation } = await runPlan(generate(seed), { mutation });
    if (violation !== undefined) return { seed, violation };
  }
  return undefined;
}

describe('the simulator finds it when', () => {
  test.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
    '%s',
    { timeout: 60_000 },
    async (_name, mutation) => {
      expect(await find(mutation)).toBeDefined();
    },
  );
});

describe('shrinking', () => {
  test('leaves what a violation needs, and little more', { timeout: 60_000 }, async () => {
    const mutation = MUTATIONS.find(({ name }) => name === 'leases end a second and a half too early') as Mutation;
    const found = (await find(mutation)) as Found;
    const plan = generate(found.seed);
    const small = await shrink(plan, async (candidate) => {
      const { violation } = await runPlan(candidate, { mutation });
      return violation?.rule === found.violation.rule;
    });
    const operations = small.clients.flatMap((client) => client.operations);
    expect(operations.length).toBeLessThanOrEqual(2);
    expect(operations.some(({ kind }) => kind === 'grant')).toBe(true);
    expect(small.faults).toEqual([]);
  });
});
