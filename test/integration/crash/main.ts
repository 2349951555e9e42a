import { parseArgs } from 'node:util';
import { withBundle } from '../../support/quorate-process.ts';
import type { ServerKind } from '../../support/server-process.ts';
import { crashLoop } from './crash-loop.ts';

/**
 * Kill -9 under load, over and over, with a check after each restart.
 *
 *   node test/integration/crash/main.ts --rounds 1000 --seed 7 [--kind etcd]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: process.env['ROUNDS'] ?? '1000' },
    seed: { type: 'string', default: process.env['SEED'] ?? String(Date.now() % 1_000_000) },
    kind: { type: 'string', default: 'quorate' },
  },
});

console.log(`${values.kind}: ${values.rounds} rounds, seed ${values.seed}`);
let told = Date.now();
const summary = await withBundle(() =>
  crashLoop({
    kind: values.kind as ServerKind,
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    onRound: (round, report) => {
      if (Date.now() - told < 5_000) return;
      told = Date.now();
      console.log(`round ${round}: revision ${report.revision}, ${report.acknowledged} acknowledged in this round`);
    },
  }),
);
const { rounds, acknowledged, unacknowledgedKept, revision, seconds } = summary;
console.log(
  `${rounds} rounds in ${seconds.toFixed(0)} s (${(seconds / rounds).toFixed(2)} s each): ${acknowledged} acknowledged writes, ` +
    `all there; ${unacknowledgedKept} more had been kept; revision ${revision}`,
);
