import type { Side } from './run.ts';

const PROBE_MS = 8_000;
/** Who does less of a rate than this does not hold it. */
const HELD_SHARE = 0.95;
const STEPS = 4;
/** Room for what a long run brings with it: compactions, checkpoints, other users of the machine. */
const MARGIN = 0.9;

/**
 * The highest rate of writes that all of them hold, by trying: first what each does without a limit, then rates between what
 * was held and what was not.
 */
export async function highestRate(sides: readonly Side[], say: (line: string) => void): Promise<number> {
  let fails = Infinity;
  for (const side of sides) {
    const most = await side.round(PROBE_MS, Infinity);
    say(`${side.kind}: ${most.toFixed(0)} writes/s without a limit`);
    fails = Math.min(fails, most * 1.05);
  }
  let holds = 0;
  for (let step = 0; step < STEPS; step++) {
    const rate = holds === 0 ? fails * 0.8 : (holds + fails) / 2;
    const did: number[] = [];
    for (const side of sides) did.push(await side.round(PROBE_MS, rate));
    const isHeld = did.every((each) => each >= rate * HELD_SHARE);
    say(
      `${rate.toFixed(0)} writes/s: ${did.map((each) => each.toFixed(0)).join(', ')}: ${isHeld ? 'held' : 'not held'}`,
    );
    if (isHeld) holds = rate;
    else fails = rate;
  }
  return (holds === 0 ? fails * 0.5 : holds) * MARGIN;
}
