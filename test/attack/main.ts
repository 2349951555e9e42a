/** `npm run attack`: every attack against quorate and a real etcd, longer than the tests do it. */
import { parseArgs } from 'node:util';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import type { ServerKind } from '../support/server-process.ts';
import { ALL_ATTACKS, attackNamed } from './all.ts';
import { table } from './report.ts';
import { faultsOf, type Outcome } from './run.ts';
import { Series } from './series.ts';

const USAGE = `npm run attack -- [--seconds=10] [--server=both|quorate|etcd] [name...]`;

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    server: { type: 'string', default: 'both' },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

if (values.help) {
  console.log(`${USAGE}\n\n${ALL_ATTACKS.map(({ name, what }) => `${name.padEnd(26)}${what}`).join('\n')}`);
} else {
  process.exitCode = await main();
}

async function main(): Promise<number> {
  const attacks = positionals.length === 0 ? ALL_ATTACKS : positionals.map(attackNamed);
  const kinds: ServerKind[] =
    values.server === 'etcd' || values.server === 'quorate' ? [values.server] : ['quorate', 'etcd'];
  const outcomes: Outcome[] = [];
  const faults: string[] = [];
  for (const kind of kinds) {
    if (kind === 'etcd' && etcdBinDir() === undefined) {
      console.log(`skipped: etcd: ${NO_ETCD}`);
      continue;
    }
    const series = new Series(kind, Number(values.seconds) * 1000);
    for (const attack of attacks) {
      if (kind === 'etcd' && attack.notOnEtcd !== undefined) continue;
      try {
        const outcome = await series.run(attack);
        outcomes.push(outcome);
        console.log(table([outcome]));
        // What etcd makes of it is for comparison only.
        if (kind === 'quorate') faults.push(...faultsOf(outcome).map((fault) => `${attack.name}: ${fault}`));
      } catch (error) {
        console.log(String(error));
        if (kind === 'quorate') faults.push(String(error));
        await series.stop();
      }
    }
    await series.stop();
  }
  console.log(table(sideBySide(outcomes)));
  for (const fault of faults) console.log(`FAILED ${fault}`);
  return faults.length === 0 ? 0 : 1;
}

function sideBySide(outcomes: readonly Outcome[]): Outcome[] {
  return [...Map.groupBy(outcomes, ({ attack }) => attack).values()].flat();
}
