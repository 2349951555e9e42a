/**
 * What requests and answers take in memory while their clients are slow to send or to read them: all together, with a limit.
 * Beyond it, those that hold most and let go of nothing lose their connections. Who reads at any pace is left alone.
 */
import type { Clock } from '../ports/clock.ts';

/** Whoever is counted; a connection, mostly. */
export interface Holder {
  readonly heldBytes: number;
  /** How many bytes it has let go of, ever: taken by its client, or done with. */
  readonly releasedBytes: number;
  /** Lets go of everything, at once. */
  evict(): void;
}

export const HELD_BYTES_MAX = 256 * 1024 ** 2;
/** How often it is looked who moves, while too much is held. */
const LOOK_MS = 250;
/** Who lets go of less than this between two looks stands still. */
const MOVED_BYTES_MIN = 16 * 1024;
/** Evicted until holders hold no more than this part of the limit. */
const RELIEVED = 0.75;
/** Little is so many times less than what holders hold on average. */
const LITTLE = 4;

export class HeldBytes {
  readonly max: number;
  readonly #clock: Clock;
  /** With what each had let go of when it was looked at last; undefined: not looked at yet. */
  readonly #holders = new Map<Holder, number | undefined>();
  /** By holders, and by others. */
  #heldBytes = 0;
  #otherBytes = 0;
  #isLooking = false;

  constructor(clock: Clock, max = HELD_BYTES_MAX) {
    this.#clock = clock;
    this.max = max;
  }

  get total(): number {
    return this.#heldBytes + this.#otherBytes;
  }

  get isFull(): boolean {
    return this.total > this.max;
  }

  /** Of it, what is not of holders. */
  get otherBytes(): number {
    return this.#otherBytes;
  }

  join(holder: Holder): void {
    this.#holders.set(holder, undefined);
  }

  /** The holder has let go of everything. */
  leave(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /** A holder holds so much more; less where it is negative. */
  changed(byBytes: number): void {
    this.#heldBytes += byBytes;
    this.#watch();
  }

  /** As changed, for what nobody can be made to let go of. */
  otherChanged(byBytes: number): void {
    this.#otherBytes += byBytes;
    this.#watch();
  }

  #watch(): void {
    if (this.isFull && !this.#isLooking) this.#lookLater();
  }

  #lookLater(): void {
    this.#isLooking = true;
    this.#clock.after(LOOK_MS, () => {
      this.#isLooking = false;
      this.#look();
      if (this.isFull) this.#lookLater();
      else this.#forget();
    });
  }

  #look(): void {
    const still: Holder[] = [];
    for (const [holder, before] of this.#holders) {
      const { releasedBytes } = holder;
      this.#holders.set(holder, releasedBytes);
      const moved = before === undefined ? Infinity : releasedBytes - before;
      if (holder.heldBytes > 0 && moved < MOVED_BYTES_MIN) still.push(holder);
    }
    if (!this.isFull) return;
    still.sort((a, b) => b.heldBytes - a.heldBytes);
    // Who holds little next to the others is not what memory is short of.
    const bytesMin = this.#heldBytes / this.#holders.size / LITTLE;
    for (const holder of still) {
      if (this.#heldBytes <= this.max * RELIEVED || holder.heldBytes < bytesMin) return;
      holder.evict();
    }
  }

  #forget(): void {
    for (const holder of this.#holders.keys()) this.#holders.set(holder, undefined);
  }
}
