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

export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  expectThat(a === e, `${what} is ${a}, not ${e}`);
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
