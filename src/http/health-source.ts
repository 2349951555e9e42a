/** What the health endpoints ask of the server, and what they tell the metrics. */

import type { Clock } from '../ports/clock.ts';

export interface HealthSource {
  /** Names of the active alarms of all members: NOSPACE, CORRUPT, or whatever else there may be. */
  alarms(): readonly string[];
  hasLeader(): boolean;
  isLearner(): boolean;
  /** Rejects when a read of one key from local state fails. */
  serializableRead(): Promise<unknown>;
  /** Rejects when a linearizable read of one key fails. */
  linearizableRead(): Promise<unknown>;
}

export interface HealthMetrics {
  /** A /health answer. */
  health(isHealthy: boolean): void;
  /** The result of one check of /livez or /readyz. */
  check(type: 'livez' | 'readyz', name: string, isHealthy: boolean): void;
}

export const noHealthMetrics: HealthMetrics = { health: () => {}, check: () => {} };

/** Settles like `work`, or rejects after `timeoutMs` with the text that clients of etcd know. */
export async function withTimeout(clock: Clock, timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let cancel: (() => void) | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    cancel = clock.after(timeoutMs, () => reject(new Error('context deadline exceeded')));
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    cancel?.();
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
