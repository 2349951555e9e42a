/** Attacks as tests: each a second long, against quorate alone; `npm run attack` takes longer, and has all of them. */
import { afterAll, describe, expect, it } from 'vitest';
import { attackNamed } from './all.ts';
import { table } from './report.ts';
import { faultsOf, type Outcome } from './run.ts';
import { Series } from './series.ts';

const DURATION_MS = 1000;
const TEST_TIMEOUT_MS = 90_000;

export function describeAttacks(title: string, names: readonly string[]): void {
  describe(`attacks ${title}: memory stays bounded, others are served`, () => {
    const series = new Series('quorate', DURATION_MS);
    const outcomes: Outcome[] = [];

    afterAll(async () => {
      await series.stop();
      console.info(table(outcomes));
    });

    for (const attack of names.map(attackNamed)) {
      it(
        `${attack.name}: ${attack.what}`,
        async () => {
          const outcome = await series.run(attack);
          outcomes.push(outcome);
          expect(faultsOf(outcome)).toEqual([]);
        },
        TEST_TIMEOUT_MS,
      );
    }
  });
}
