/** Many seeds, one after the other. */
import { generate } from './generator.ts';
import { runPlan, type RunResult } from './run.ts';
import { Marks } from './world/marks.ts';

export interface BatchFailure {
  readonly seed: number;
  readonly result: RunResult;
}

export interface BatchResult {
  readonly runs: number;
  readonly failures: readonly BatchFailure[];
  readonly marks: Marks;
  readonly events: number;
  readonly virtualMs: number;
}

/** Runs seeds from `from` on; stops after `failuresMax` failures. `onRun` hears of each. */
export async function runBatch(
  from: number,
  count: number,
  failuresMax = 1,
  onRun: (seed: number) => void = () => {},
): Promise<BatchResult> {
  const marks = new Marks();
  const failures: BatchFailure[] = [];
  let events = 0;
  let virtualMs = 0;
  let runs = 0;
  for (let seed = from; seed < from + count && failures.length < failuresMax; seed++) {
    const result = await runPlan(generate(seed));
    runs++;
    events += result.events;
    virtualMs += result.virtualMs;
    marks.add(result.marks);
    if (result.violation !== undefined) failures.push({ seed, result });
    onRun(seed);
  }
  return { runs, failures, marks, events, virtualMs };
}
