/** Runs a plan from start to end. */
import type { Mutation } from './mutations.ts';
import type { Plan } from './plan.ts';
import type { Mark } from './world/marks.ts';
import { Scenario } from './world/scenario.ts';
import { SimWorld } from './world/sim-world.ts';
import { Violation } from './world/violation.ts';

/** A run that has not ended by then goes round in circles. */
const EVENTS_MAX = 400_000;
/** Then the process's own loop goes round once. */
const EVENTS_PER_TURN = 5000;

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

/** Event by event, and after each until nothing more follows from it. Resolves with how many there were. */
function drive(world: SimWorld): Promise<number> {
  let over = false;
  let events = 0;
  const begin = (): void => {
    new Scenario(world).run().then(
      () => {
        over = true;
      },
      (error: unknown) => world.failed(Violation.of(error)),
    );
    settle();
  };
  /** False when there is nothing left to do. */
  const step = (): boolean => {
    if (over || world.violation !== undefined) return false;
    const event = world.scheduler.next();
    if (event === undefined || ++events > EVENTS_MAX) {
      const why = event === undefined ? 'nothing is left to happen' : `after ${events} events`;
      world.failed(new Violation('no end', why));
      return false;
    }
    world.trace.step(world.nowMs, event.label);
    try {
      event.run();
      settle();
      world.afterEvent();
    } catch (error) {
      blame(world, error);
    }
    return true;
  };
  return new Promise((resolve) => {
    const turn = (): void => {
      if (events === 0) begin();
      for (let left = EVENTS_PER_TURN; left > 0; left--) if (!step()) return resolve(events);
      setImmediate(turn);
    };
    setImmediate(turn);
  });
}

/**
 * All promises that can settle do, and their followers too, and whoever is to hear of a rejection does: what Node does after
 * each callback, done here without going round its loop, which would take as long as all the rest.
 */
function settle(): void {
  (process as unknown as { _tickCallback(): void })._tickCallback();
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
