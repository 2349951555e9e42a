import type { Clock } from '../../ports/clock.ts';

/** docs/adr/0001-wal-sync.md has the measurements behind these. */
const INLINE_CALLS_MAX = 4;
const INLINE_BYTES_MAX = 16 << 10;
/** Above this, waiting for the thread pool adds little to the sync itself. */
const FAST_SYNC_MS = 0.3;
/** One sync this slow, and the thread pool gets them until enough fast ones have been seen. */
const SLOW_SYNC_MS = 1;
const SYNCS_AFTER_SLOW = 64;
const EWMA_WEIGHT = 1 / 8;
/** How long one turn of the event loop may spend in inline syncs, before others get their turn. */
const INLINE_MS_PER_TURN_MAX = 1;

/**
 * Decides whether a group is written on the main thread, which saves the way through the thread pool (about a third of a
 * fast disk's sync) but holds the event loop. Only small groups are, and only while the disk is fast.
 */
export class SyncPolicy {
  readonly #clock: Clock;
  readonly #allowed: boolean;
  readonly #isDiskBusy: () => boolean;
  /** Unknown at first: the thread pool finds out. */
  #recentMs = Infinity;
  /** Syncs to come that go to the thread pool whatever their speed. */
  #penalty = 0;
  #inlineMsThisTurn = 0;
  #turnEndAwaited = false;

  /** `isDiskBusy`: whether others write to it so that a sync may take long, however fast the last ones were. */
  constructor(clock: Clock, allowed: boolean, isDiskBusy: () => boolean = () => false) {
    this.#clock = clock;
    this.#allowed = allowed;
    this.#isDiskBusy = isDiskBusy;
  }

  /** `calls`: how many calls wait for the group. */
  inline(calls: number, bytes: number): boolean {
    return (
      this.#allowed &&
      calls <= INLINE_CALLS_MAX &&
      bytes <= INLINE_BYTES_MAX &&
      this.#recentMs <= FAST_SYNC_MS &&
      this.#penalty === 0 &&
      this.#inlineMsThisTurn < INLINE_MS_PER_TURN_MAX &&
      !this.#isDiskBusy()
    );
  }

  /** After each write: how long until it was durable. */
  observe(durationMs: number, wasInline: boolean): void {
    if (wasInline) this.#spendTurn(durationMs);
    if (durationMs > SLOW_SYNC_MS) {
      this.#penalty = SYNCS_AFTER_SLOW;
      return;
    }
    if (this.#penalty > 0) this.#penalty--;
    const recent = this.#recentMs;
    this.#recentMs = recent === Infinity ? durationMs : recent + (durationMs - recent) * EWMA_WEIGHT;
  }

  #spendTurn(durationMs: number): void {
    this.#inlineMsThisTurn += durationMs;
    if (this.#turnEndAwaited) return;
    this.#turnEndAwaited = true;
    this.#clock.soon(() => {
      this.#turnEndAwaited = false;
      this.#inlineMsThisTurn = 0;
    });
  }
}
