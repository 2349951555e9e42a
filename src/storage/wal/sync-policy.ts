import type { Clock } from '../../ports/clock.ts';

/** docs/adr/0001-wal-sync.md has the measurements behind these. */
const INLINE_CALLS_MAX = 4;
const INLINE_BYTES_MAX = 16 << 10;
/**
 * One inline sync this slow, and the thread pool gets so many; twice as many each time, where it keeps happening. Syncs in the
 * pool do not tell whether it is over: on a busy machine they take long because the pool's thread waits for a processor.
 */
const SLOW_SYNC_MS = 1;
const SYNCS_AFTER_SLOW = 16;
const SYNCS_AFTER_SLOW_MAX = 4096;
/** So many fast inline syncs in a row, and the next slow one counts half. */
const SYNCS_TO_FORGIVE = 256;
/** But one that takes this long in the pool has waited for the disk. */
const SLOW_POOL_SYNC_MS = 4;
/**
 * A disk that has just taken much goes on writing behind its cache: a sync is slow now and then for some seconds. What was written
 * counts less and less, this much per second; from BURST_BYTES on, everything goes to the pool.
 */
const FORGOTTEN_BYTES_PER_SECOND = 8 << 20;
const BURST_BYTES = 16 << 20;
/** Four seconds after a long burst it is over. */
const REMEMBERED_BYTES_MAX = 48 << 20;
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
  /** Syncs to come that go to the thread pool whatever their speed; the first one finds out about the disk. */
  #penalty = 1;
  /** What the next slow sync sets #penalty to. */
  #nextPenalty = SYNCS_AFTER_SLOW;
  #fastInARow = 0;
  #inlineMsThisTurn = 0;
  #turnEndAwaited = false;
  /** Written lately, as of #rememberedMs. */
  #rememberedBytes = 0;
  #rememberedMs: number;

  /** `isDiskBusy`: whether others write to it so that a sync may take long, however fast the last ones were. */
  constructor(clock: Clock, allowed: boolean, isDiskBusy: () => boolean = () => false) {
    this.#clock = clock;
    this.#allowed = allowed;
    this.#isDiskBusy = isDiskBusy;
    this.#rememberedMs = clock.monotonicMs();
  }

  /** Asked once for each group that is one write, and then written. `calls`: how many calls wait for it. */
  inline(calls: number, bytes: number): boolean {
    const writtenBytes = this.#remember(bytes);
    return (
      this.#allowed &&
      writtenBytes < BURST_BYTES &&
      calls <= INLINE_CALLS_MAX &&
      bytes <= INLINE_BYTES_MAX &&
      this.#penalty === 0 &&
      this.#inlineMsThisTurn < INLINE_MS_PER_TURN_MAX &&
      !this.#isDiskBusy()
    );
  }

  /** After each write: how long until it was durable. */
  observe(durationMs: number, wasInline: boolean): void {
    if (!wasInline) {
      if (durationMs <= SLOW_POOL_SYNC_MS && this.#penalty > 0) this.#penalty--;
      return;
    }
    this.#spendTurn(durationMs);
    if (durationMs > SLOW_SYNC_MS) {
      this.#fastInARow = 0;
      this.#penalty = this.#nextPenalty;
      this.#nextPenalty = Math.min(2 * this.#nextPenalty, SYNCS_AFTER_SLOW_MAX);
    } else if (++this.#fastInARow === SYNCS_TO_FORGIVE) {
      this.#fastInARow = 0;
      this.#nextPenalty = Math.max(SYNCS_AFTER_SLOW, this.#nextPenalty / 2);
    }
  }

  #remember(bytes: number): number {
    const nowMs = this.#clock.monotonicMs();
    const forgottenBytes = ((nowMs - this.#rememberedMs) / 1000) * FORGOTTEN_BYTES_PER_SECOND;
    this.#rememberedMs = nowMs;
    this.#rememberedBytes = Math.min(Math.max(0, this.#rememberedBytes - forgottenBytes) + bytes, REMEMBERED_BYTES_MAX);
    return this.#rememberedBytes;
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
