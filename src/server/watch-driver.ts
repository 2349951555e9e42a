/** Gives the watch hub its time: slices of catching up, and the ticks of progress notices. */
import type { Random } from '../base/random.ts';
import type { Clock } from '../ports/clock.ts';
import type { WatchHub } from '../watch/watch-hub.ts';

/** Units of work of one slice: about a millisecond. */
const SLICE_UNITS = 512;
const SLICE_MS = 3;
const PROGRESS_INTERVAL_MIN_MS = 100;
/** Members and streams should not all send at the same moment. */
const PROGRESS_JITTER = 0.1;

export class WatchDriver {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #progressMs: number;
  #hub: WatchHub | undefined;
  #cancelProgress: (() => void) | undefined;
  #catchingUp = false;
  #stopped = false;

  constructor(clock: Clock, random: Random, progressIntervalMs: number) {
    this.#clock = clock;
    this.#random = random;
    this.#progressMs = Math.max(progressIntervalMs, PROGRESS_INTERVAL_MIN_MS);
  }

  start(hub: WatchHub): void {
    this.#hub = hub;
    this.#armProgress(hub);
  }

  /** The hub has watchers that are behind. */
  wake(): void {
    if (this.#catchingUp || this.#stopped) return;
    this.#catchingUp = true;
    this.#clock.soon(() => this.#slice());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelProgress?.();
  }

  #slice(): void {
    this.#catchingUp = false;
    const hub = this.#hub;
    if (hub === undefined || this.#stopped) return;
    const startMs = this.#clock.monotonicMs();
    let behind = hub.behind;
    while (behind && this.#clock.monotonicMs() - startMs < SLICE_MS) behind = hub.catchUp(SLICE_UNITS);
    if (behind) this.wake();
  }

  #armProgress(hub: WatchHub): void {
    const delayMs = this.#progressMs * (1 + PROGRESS_JITTER * this.#random.fraction());
    this.#cancelProgress = this.#clock.after(delayMs, () => {
      if (this.#stopped) return;
      hub.progressTick();
      this.#armProgress(hub);
    });
  }
}
