import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runBatch } from './batch.ts';
import { generate } from './generator.ts';
import { readPlan, writePlan } from './plan-file.ts';
import type { Plan } from './plan.ts';
import { runPlan } from './run.ts';
import { shrink } from './shrink.ts';
import type { Violation } from './world/violation.ts';

/**
 * Members in one process, on virtual time, amid faults.
 *
 *   npm run sim -- --runs 10000 [--from 1]    many seeds
 *   npm run sim -- --seed 7 [--trace]         one seed; with its trace
 *   npm run sim -- --plan file.json [--trace] a plan that was kept
 *
 * A seed that fails is shrunk and kept as a plan; copy it to test/sim/regressions once its cause is removed.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    plan: { type: 'string' },
    runs: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
});

/** In a smaller batch it may happen that something never comes up. */
const RUNS_TO_COVER_ALL = 5000;
const TELL_EVERY_MS = 5000;
/** Of a batch's failures. */
const SHRUNK_MAX = 5;

if (values.plan !== undefined) await one(readPlan(values.plan).plan, `plan ${values.plan}`);
else if (values.seed !== undefined) await one(generate(Number(values.seed)), `seed ${values.seed}`);
else await many(Number(values.from), Number(values.runs));

async function one(plan: Plan, name: string): Promise<void> {
  const { violation, trace, traceHash, events, virtualMs } = await runPlan(plan, { withText: values.trace });
  for (const line of trace) console.log(line);
  console.log(`${name}: trace ${traceHash}, ${events} events, ${(virtualMs / 1000).toFixed(1)} s of virtual time`);
  if (violation !== undefined) await keep(plan, violation, name);
}

async function many(from: number, count: number): Promise<void> {
  const began = Date.now();
  let told = began;
  const failuresMax = values['keep-going'] ? Infinity : 1;
  const { runs, failures, marks, events, virtualMs } = await runBatch(from, count, failuresMax, (seed) => {
    if (Date.now() - told < TELL_EVERY_MS) return;
    told = Date.now();
    console.log(`seed ${seed}, ${((seed - from + 1) / ((told - began) / 1000)).toFixed(0)} runs per second`);
  });
  const seconds = (Date.now() - began) / 1000;
  console.log(
    `${runs} runs from seed ${from} in ${seconds.toFixed(0)} s: ${events} events, ` +
      `${(virtualMs / 3_600_000).toFixed(1)} h of virtual time, ${failures.length} violations`,
  );
  console.log([...marks.counts].map(([mark, times]) => `${mark} ${times}`).join(', '));
  for (const { seed, result } of failures.slice(SHRUNK_MAX)) console.log(`seed ${seed}: ${result.violation?.message}`);
  for (const { seed, result } of failures.slice(0, SHRUNK_MAX)) {
    if (result.violation !== undefined) await keep(generate(seed), result.violation, `seed ${seed}`);
  }
  const missing = marks.missing();
  if (missing.length === 0 || runs < RUNS_TO_COVER_ALL) return;
  console.log(`never came up: ${missing.join(', ')}`);
  process.exitCode = 1;
}

async function keep(plan: Plan, violation: Violation, name: string): Promise<void> {
  process.exitCode = 1;
  console.log(`${name}: ${violation.message}`);
  const small = await shrink(plan, async (candidate) => {
    const result = await runPlan(candidate);
    return result.violation?.rule === violation.rule;
  });
  const dir = join(tmpdir(), 'quorate-sim');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name.replaceAll(/\W+/g, '-')}.json`);
  writePlan(path, { found: violation.message.split('\n')[0] ?? '', plan: small });
  const operations = small.clients.reduce((sum, client) => sum + client.operations.length, 0);
  console.log(
    `shrunk to ${operations} operations and ${small.faults.length} faults: npm run sim -- --trace --plan ${path}`,
  );
}
