/**
 * Ends the streams that asked for it (`hasleader` metadata) once the member has seen no leader for three election timeouts
 * in a row (etcd-behaviour §4).
 */

import type { Clock } from '../ports/clock.ts';

const TICKS_WITHOUT_LEADER_MAX = 3;

export class LeaderMonitor {
  readonly #clock: Clock;
  readonly #electionTimeoutMs: number;
  readonly #hasLeader: () => boolean;
  readonly #watched = new Set<() => void>();
  #ticksWithoutLeader = 0;
  #stopTimer: (() => void) | undefined;

  constructor(clock: Clock, electionTimeoutMs: number, hasLeader: () => boolean) {
    this.#clock = clock;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#hasLeader = hasLeader;
  }

  /** `onLost` runs once when leadership stays lost. The returned function ends the watch. */
  watch(onLost: () => void): () => void {
    this.#watched.add(onLost);
    this.#stopTimer ??= this.#arm();
    return () => {
      this.#watched.delete(onLost);
      if (this.#watched.size === 0) this.stop();
    };
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#ticksWithoutLeader = 0;
  }

  #arm(): () => void {
    return this.#clock.after(this.#electionTimeoutMs, () => this.#tick());
  }

  #tick(): void {
    this.#stopTimer = this.#arm();
    this.#ticksWithoutLeader = this.#hasLeader() ? 0 : this.#ticksWithoutLeader + 1;
    if (this.#ticksWithoutLeader < TICKS_WITHOUT_LEADER_MAX) return;
    const lost = [...this.#watched];
    this.#watched.clear();
    this.stop();
    for (const onLost of lost) onLost();
  }
}
