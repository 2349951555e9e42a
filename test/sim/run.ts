/** Runs a plan from start to end. */
import type { Mutation } from './mutations.ts';
import type { Plan } from './plan.ts';
import type { Mark } from './world/marks.ts';
import { Scenario } from './world/scenario.ts';
import { SimWorld } from './world/sim-world.ts';
import { Violation } from './world/violation.ts';

/** A run that has not ended by then goes round in circles. */
const EVENTS_MAX = 400_000;

export interface RunOptions {
  /** Keep the trace as text. */
  readonly withText?: boolean;
  readonly mutation?: Mutation | undefined;
}

export interface RunResult {
  readonly violation: Violation | undefined;
  readonly traceHash: string;
  readonly trace: readonly string[];
  readonly marks: ReadonlyMap<Mark, number>;
  readonly events: number;
  readonly virtualMs: number;
}

export async function runPlan(plan: Plan, { withText = false, mutation }: RunOptions = {}): Promise<RunResult> {
  const world = new SimWorld(plan, { withText, mutation });
  const guard = guardProcess(world);
  let events = 0;
  try {
    events = await drive(world);
  } finally {
    guard.release();
  }
  const { violation, trace, marks } = world;
  return {
    violation,
    traceHash: trace.hash,
    trace: trace.lines ?? [],
    marks: marks.counts,
    events,
    virtualMs: world.nowMs,
  };
}

/** Event by event, and after each until nothing more follows from it. Returns how many there were. */
async function drive(world: SimWorld): Promise<number> {
  let over = false;
  const fail = (error: unknown): void => blame(world, error);
  new Scenario(world).run().then(
    () => {
      over = true;
    },
    (error: unknown) => world.failed(Violation.of(error)),
  );
  await settled();
  let events = 0;
  while (!over && world.violation === undefined) {
    const event = world.scheduler.next();
    if (event === undefined || ++events > EVENTS_MAX) {
      world.failed(
        new Violation('no end', event === undefined ? 'nothing is left to happen' : `after ${events} events`),
      );
      break;
    }
    world.trace.step(world.nowMs, event.label);
    try {
      event.run();
      await settled();
      world.afterEvent();
    } catch (error) {
      fail(error);
    }
  }
  return events;
}

/** All promises that can settle have, and their followers too. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function blame(world: SimWorld, error: unknown): void {
  if (error instanceof Violation) world.failed(error);
  else world.crashed(error);
}

/** What nobody catches ends a real process. */
function guardProcess(world: SimWorld): { release: () => void } {
  const onError = (reason: unknown): void => blame(world, reason);
  const restores = (['unhandledRejection', 'uncaughtException'] as const).map((event) => {
    const before = process.listeners(event as 'uncaughtException');
    process.removeAllListeners(event);
    process.on(event, onError);
    return () => {
      process.removeListener(event, onError);
      for (const listener of before) process.on(event, listener);
    };
  });
  return {
    release: () => {
      for (const restore of restores) restore();
    },
  };
}
