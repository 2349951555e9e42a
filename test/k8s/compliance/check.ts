import { until } from '../../support/until.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeError } from './kube-client.ts';

export interface Context {
  readonly client: KubeClient;
  /** Another connection with the same rights: a second client. */
  readonly other: KubeClient;
  /** Namespaced objects of the checks are here; the first check makes it. */
  readonly namespace: string;
  /** Part of the names of cluster-wide objects. */
  readonly id: string;
  /** Why nothing can come about that controllers or the scheduler do; undefined where there are both. */
  readonly without: string | undefined;
  /** An image that has sh, echo and printenv, and another tag of it. */
  readonly images: readonly [string, string];
  /** How long something may take that controllers, schedulers and nodes have to do. */
  readonly patienceMs: number;
  /** How long until the API server has surely compacted what is written now; undefined: not to be waited for. */
  readonly compactionMs: number | undefined;
  /** How long events live; undefined: too long to wait for. */
  readonly eventTtlMs: number | undefined;
  /** For how long a leader's Lease holds without being renewed. */
  readonly leaderLeaseMs: number;
  /** What earlier checks leave for later ones. */
  readonly notes: Map<string, string>;
}

export interface Check {
  readonly name: string;
  /** Throws when the cluster does not do what it should. */
  readonly run: (context: Context) => Promise<void>;
  /** Why it cannot be run on this cluster; undefined when it can. */
  readonly impossible?: (context: Context) => string | undefined;
}

/** For checks that controllers, a scheduler and nodes have a part in. */
export function needsControllers(check: Check): Check {
  return { ...check, impossible: (context) => context.without ?? check.impossible?.(context) };
}

export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(expected))];
  expectThat(a === e, `${what} is ${a}, not ${e}`);
}

/** With the fields of objects in one order: JSON's has no meaning. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, inner]) => [name, sorted(inner)]));
}

/** The call must be refused with this status and reason. */
export async function expectRefused(call: Promise<unknown>, status: number, reason: string): Promise<KubeError> {
  const error = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expectThat(error !== undefined, `accepted, not refused with ${status} ${reason}`);
  if (!(error instanceof KubeError)) throw error;
  expectThat(
    error.status === status && error.reason === reason,
    `${error.message} (${error.reason}), not ${status} ${reason}`,
  );
  return error;
}

/** Waits as long as the context's patience. */
export function eventually(context: Context, what: string, condition: () => Promise<boolean>): Promise<void> {
  return until(what, condition, context.patienceMs);
}

export async function isGone(get: Promise<unknown>): Promise<boolean> {
  try {
    await get;
    return false;
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return true;
    throw error;
  }
}
