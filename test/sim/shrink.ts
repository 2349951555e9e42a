/** Leaves out of a failing plan whatever it fails without. */
import type { ClientPlan, Knobs, Plan } from './plan.ts';

/** Whether the plan still fails, in the same way. */
export type Fails = (plan: Plan) => Promise<boolean>;

/** Settings under which the least happens. */
const CALM: Partial<Knobs> = {
  batchIntervalMs: 100,
  snapshotCount: 10_000,
  segmentBytes: 65_536,
  walFilesMax: 0,
  inlineSync: false,
  fillAhead: false,
  syncMs: 0.1,
  commitMs: 0.5,
  lookCostMs: 0.002,
  networkMs: 0.1,
  quotaBytes: 0,
  progressMs: 600_000,
  backlogWeight: 1,
  visibleAtOnce: false,
  horizonMs: 1000,
};

export async function shrink(plan: Plan, fails: Fails): Promise<Plan> {
  let best = plan;
  for (let size = sizeOf(best) + 1; sizeOf(best) < size;) {
    size = sizeOf(best);
    best = await withFewer(best.faults, (faults) => ({ ...best, faults }), best, fails);
    best = await withFewer(best.clients, (clients) => ({ ...best, clients }), best, fails);
    for (let at = 0; at < best.clients.length; at++) {
      const current = best;
      const { operations } = current.clients[at] as ClientPlan;
      best = await withFewer(operations, (left) => withClient(current, at, { operations: left }), current, fails);
    }
  }
  return withCalmKnobs(best, fails);
}

function sizeOf({ clients, faults }: Plan): number {
  return faults.length + clients.reduce((sum, { operations }) => sum + operations.length + 1, 0);
}

function withClient(plan: Plan, at: number, client: ClientPlan): Plan {
  return { ...plan, clients: plan.clients.with(at, client) };
}

/** Leaves out runs of items, from long to short, from the back: what a failure needs tends to be just before it. */
async function withFewer<T>(
  items: readonly T[],
  rebuild: (items: readonly T[]) => Plan,
  plan: Plan,
  fails: Fails,
): Promise<Plan> {
  let left = items;
  let best = plan;
  for (let size = left.length; size >= 1; size = Math.floor(size / 2)) {
    for (let end = left.length; end > 0; end -= size) {
      const candidate = [...left.slice(0, Math.max(0, end - size)), ...left.slice(end)];
      const smaller = rebuild(candidate);
      if (!(await fails(smaller))) continue;
      left = candidate;
      best = smaller;
    }
  }
  return best;
}

async function withCalmKnobs(plan: Plan, fails: Fails): Promise<Plan> {
  let best = plan;
  for (const [name, value] of Object.entries(CALM)) {
    const calmer = { ...best, knobs: { ...best.knobs, [name]: value } };
    if (best.knobs[name as keyof Knobs] !== value && (await fails(calmer))) best = calmer;
  }
  return best;
}
