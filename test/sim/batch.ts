/** Many seeds, one after the other, or in several processes at once. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { generate } from './generator.ts';
import { runPlan } from './run.ts';
import { type Mark, Marks } from './world/marks.ts';

export interface BatchFailure {
  readonly seed: number;
  /** Which promise was broken. */
  readonly rule: string;
  readonly message: string;
}

export interface BatchResult {
  readonly runs: number;
  readonly failures: readonly BatchFailure[];
  readonly marks: readonly (readonly [Mark, number])[];
  readonly events: number;
  readonly virtualMs: number;
}

/** Seeds from `from` on. */
export interface BatchOrder {
  readonly from: number;
  readonly count: number;
  /** Stops after so many failures. */
  readonly failuresMax: number;
}

/** A process is given so many seeds at a time. */
const SEEDS_PER_ORDER = 100;
const WORKER = join(import.meta.dirname, 'batch-worker.ts');
const NOTHING: BatchResult = { runs: 0, failures: [], marks: [], events: 0, virtualMs: 0 };

/** `onRun` hears of each. */
export async function runBatch(
  { from, count, failuresMax }: BatchOrder,
  onRun: (seed: number) => void = () => {},
): Promise<BatchResult> {
  const marks = new Marks();
  const failures: BatchFailure[] = [];
  let events = 0;
  let virtualMs = 0;
  let runs = 0;
  const { stackTraceLimit } = Error;
  // Whoever wants to know where an error came from runs the seed alone.
  Error.stackTraceLimit = 0;
  try {
    for (let seed = from; seed < from + count && failures.length < failuresMax; seed++) {
      const result = await runPlan(generate(seed));
      runs++;
      events += result.events;
      virtualMs += result.virtualMs;
      marks.add(result.marks);
      const { violation } = result;
      if (violation !== undefined) failures.push({ seed, rule: violation.rule, message: violation.message });
      onRun(seed);
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return { runs, failures, marks: [...marks.counts], events, virtualMs };
}

/** Likewise, by `jobs` processes. `onRuns` hears how many are done. */
export async function runInParallel(
  order: BatchOrder,
  jobs: number,
  onRuns: (runs: number) => void = () => {},
): Promise<BatchResult> {
  let next = order.from;
  let result = NOTHING;
  const takeOrder = (): BatchOrder | undefined => {
    const left = order.from + order.count - next;
    const failuresMax = order.failuresMax - result.failures.length;
    if (left <= 0 || failuresMax <= 0) return undefined;
    const taken = { from: next, count: Math.min(left, SEEDS_PER_ORDER), failuresMax };
    next += taken.count;
    return taken;
  };
  const done = (part: BatchResult): void => {
    result = sum(result, part);
    onRuns(result.runs);
  };
  await Promise.all(Array.from({ length: jobs }, () => work(takeOrder, done)));
  return { ...result, failures: result.failures.toSorted((a, b) => a.seed - b.seed) };
}

/** One process, until there is nothing left to do. */
function work(takeOrder: () => BatchOrder | undefined, done: (part: BatchResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = fork(WORKER, { serialization: 'advanced' });
    const next = (): void => {
      const order = takeOrder();
      if (order === undefined) worker.disconnect();
      else worker.send(order);
    };
    worker.on('message', (part) => {
      done(part as BatchResult);
      next();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a process of the simulator ended with ${code}`));
    });
    next();
  });
}

function sum(a: BatchResult, b: BatchResult): BatchResult {
  const marks = new Marks();
  marks.add(new Map(a.marks));
  marks.add(new Map(b.marks));
  return {
    runs: a.runs + b.runs,
    failures: [...a.failures, ...b.failures],
    marks: [...marks.counts],
    events: a.events + b.events,
    virtualMs: a.virtualMs + b.virtualMs,
  };
}
