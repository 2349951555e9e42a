import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BatchFailure, type BatchResult, runBatch, runInParallel } from './batch.ts';
import { findMutations } from './find-mutations.ts';
import { generate } from './generator.ts';
import { readPlan, writePlan } from './plan-file.ts';
import type { Plan } from './plan.ts';
import { runPlan } from './run.ts';
import { shrink } from './shrink.ts';
import { missingMarks } from './world/marks.ts';

/**
 * Members in one process, on virtual time, amid faults.
 *
 *   npm run sim -- --runs 10000 [--from 1] [--jobs 4]   many seeds, in so many processes
 *   npm run sim -- --seed 7 [--trace]                   one seed; with its trace
 *   npm run sim -- --plan file.json [--trace]           a plan that was kept
 *   npm run sim -- --mutations [--runs 5000] [--only word]   how soon each mistake is found that is put into a member
 *
 * A seed that fails is shrunk and kept as a plan; copy it to test/sim/regressions once its cause is removed.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    plan: { type: 'string' },
    runs: { type: 'string' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
    mutations: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});

/** In a smaller batch it may happen that something never comes up. */
const RUNS_TO_COVER_ALL = 5000;
const TELL_EVERY_MS = 5000;
/** Of a batch's failures. */
const SHRUNK_MAX = 5;

const from = Number(values.from);
if (values.plan !== undefined) await one(readPlan(values.plan).plan, `plan ${values.plan}`);
else if (values.seed !== undefined) await one(generate(Number(values.seed)), `seed ${values.seed}`);
else if (values.mutations) process.exitCode = await findMutations(from, Number(values.runs ?? 5000), values.only);
else await many(from, Number(values.runs ?? 1000), Number(values.jobs));

async function one(plan: Plan, name: string): Promise<void> {
  const { violation, trace, traceHash, events, virtualMs } = await runPlan(plan, { withText: values.trace });
  for (const line of trace) console.log(line);
  console.log(`${name}: trace ${traceHash}, ${events} events, ${(virtualMs / 1000).toFixed(1)} s of virtual time`);
  if (violation !== undefined) await keep(plan, violation, name);
}

async function many(first: number, count: number, jobs: number): Promise<void> {
  const began = Date.now();
  let told = began;
  const tell = (done: number): void => {
    if (Date.now() - told < TELL_EVERY_MS) return;
    told = Date.now();
    console.log(`${done} runs, ${(done / ((told - began) / 1000)).toFixed(0)} per second`);
  };
  const order = { from: first, count, failuresMax: values['keep-going'] ? Infinity : 1 };
  const result =
    jobs > 1 ? await runInParallel(order, jobs, tell) : await runBatch(order, (seed) => tell(seed - first + 1));
  report(first, result, (Date.now() - began) / 1000);
  for (const { seed, message } of result.failures.slice(SHRUNK_MAX)) console.log(`seed ${seed}: ${message}`);
  for (const failure of result.failures.slice(0, SHRUNK_MAX)) {
    await keep(generate(failure.seed), failure, `seed ${failure.seed}`);
  }
  if (result.failures.length > 0) process.exitCode = 1;
  const missing = missingMarks(new Map(result.marks));
  if (missing.length === 0 || result.runs < RUNS_TO_COVER_ALL) return;
  console.log(`never came up: ${missing.join(', ')}`);
  process.exitCode = 1;
}

function report(first: number, { runs, events, virtualMs, failures, marks }: BatchResult, seconds: number): void {
  console.log(
    `${runs} runs from seed ${first} in ${seconds.toFixed(0)} s (${(runs / seconds).toFixed(0)} per second): ` +
      `${events} events, ${(virtualMs / 3_600_000).toFixed(1)} h of virtual time, ${failures.length} violations`,
  );
  console.log(marks.map(([mark, times]) => `${mark} ${times}`).join(', '));
}

async function keep(
  plan: Plan,
  { rule, message }: Pick<BatchFailure, 'rule' | 'message'>,
  name: string,
): Promise<void> {
  process.exitCode = 1;
  console.log(`${name}: ${message}`);
  const small = await shrink(plan, async (candidate) => {
    const result = await runPlan(candidate);
    return result.violation?.rule === rule;
  });
  const dir = join(tmpdir(), 'quorate-sim');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name.replaceAll(/\W+/g, '-')}.json`);
  writePlan(path, { found: message.split('\n')[0] ?? '', plan: small });
  const operations = small.clients.reduce((sum, client) => sum + client.operations.length, 0);
  console.log(
    `shrunk to ${operations} operations and ${small.faults.length} faults: npm run sim -- --trace --plan ${path}`,
  );
}
