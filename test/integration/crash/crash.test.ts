import { expect, it } from 'vitest';
import { quorateExists, withBundle } from '../../support/quorate-process.ts';
import { crashLoop } from './crash-loop.ts';

/** ROUNDS sets how many; CI runs 200, `node test/integration/crash/main.ts` as many as one likes. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 15);
const SEED = Number(process.env['SEED'] ?? 1);

it.skipIf(!quorateExists())(
  'kill -9 under load loses nothing that was acknowledged',
  { timeout: 30_000 + ROUNDS * 3_000 },
  async () => {
    const summary = await withBundle(() => crashLoop({ kind: 'quorate', rounds: ROUNDS, seed: SEED }));
    console.info(
      `${summary.rounds} crashes: ${summary.acknowledged} acknowledged writes all there, ${summary.unacknowledgedKept} more kept, ` +
        `${(summary.seconds / summary.rounds).toFixed(2)} s per round`,
    );
    expect(summary.rounds).toBe(ROUNDS);
    expect(summary.acknowledged).toBeGreaterThan(ROUNDS);
  },
);
