/**
 * Runs long jobs in slices on the one thread there is, so that no request waits longer than a slice for the loop. Jobs take
 * turns; between two slices the event loop goes round once.
 */
import { etcdError } from '../base/etcd-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Job } from '../ports/job.ts';

/** How long one slice may hold the loop, unless others are waiting. */
const SLICE_MS = 1;
/** While others are: a put takes several turns of the loop until it is answered, and there is a slice in each. */
const SHARED_SLICE_MS = 0.25;
/** A step is as long as the shortest slice. */
const STEP_MS = SHARED_SLICE_MS;
/** How long after the first of a turn others may begin in it, too. */
const BEGIN_MS = 4;
const UNITS_FIRST = 64;
const UNITS_MAX = 65_536;
/** How soon blocked jobs are looked at again. */
const BLOCKED_MS = 5;

const never = (): boolean => false;

interface Running {
  /** One step; true when the job is over, one way or the other. */
  readonly step: (units: number) => boolean;
  readonly isBlocked: () => boolean;
  /** After a slice that did not finish it; true where that is its end. */
  readonly giveUp: () => boolean;
  /** Closes it where it is, and tells who waits. */
  readonly cancel: () => void;
  /** Units per step, adapted so that it takes about as long as it should. */
  units: number;
}

export class JobRunner {
  readonly #clock: Clock;
  readonly #areOthersWaiting: () => boolean;
  readonly #queue: Running[] = [];
  #scheduled = false;
  #isStopped = false;
  /** Since when jobs begin in this turn of the loop. */
  #begunMs: number | undefined;

  /** `areOthersWaiting`: whether there are requests under way that need the loop but little of it. */
  constructor(clock: Clock, areOthersWaiting: () => boolean) {
    this.#clock = clock;
    this.#areOthersWaiting = areOthersWaiting;
  }

  get running(): number {
    return this.#queue.length;
  }

  /**
   * Runs the job to its end and closes it. A small job ends within the call. While `isBlocked` says so, the job waits: for a
   * buffer that it fills, for instance. Rejects with Stopped where stop() came first.
   */
  run<T>(job: Job<T>, isBlocked: () => boolean = never): Promise<T> {
    return this.#begin(job, isBlocked);
  }

  /** As run, for a job that is over within a slice. One that is not is closed, unfinished: resolves with undefined. */
  runShort<T>(job: Job<T>): Promise<T | undefined> {
    return this.#begin<T | undefined>(job, never, undefined);
  }

  /** `unfinished`: with what a job is given up that takes more than a slice; without, it goes on. */
  #begin<T>(job: Job<T>, isBlocked: () => boolean, ...unfinished: T[]): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        job.close();
        reject(etcdError('Stopped'));
      };
      if (this.#isStopped) return cancel();
      const step = (units: number): boolean => {
        try {
          if (!job.step(units)) return false;
          resolve(job.result());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        job.close();
        return true;
      };
      const giveUp = (): boolean => {
        if (unfinished.length === 0) return false;
        job.close();
        resolve(unfinished[0] as T);
        return true;
      };
      const running = { step, isBlocked, cancel, giveUp, units: UNITS_FIRST };
      if (this.#mayBeginNow() && !isBlocked() && this.#slice(running)) return;
      this.#queue.push(running);
      this.#schedule();
    });
  }

  /** Many that come in one turn of the loop must not hold it, a slice each. */
  #mayBeginNow(): boolean {
    if (this.#begunMs === undefined) {
      this.#begunMs = this.#clock.monotonicMs();
      this.#clock.soon(() => {
        this.#begunMs = undefined;
      });
      return true;
    }
    return this.#clock.monotonicMs() - this.#begunMs < BEGIN_MS;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Ends the jobs under way: what they read from may be closed then. */
  stop(): void {
    this.#isStopped = true;
    for (const { cancel } of this.#queue.splice(0)) cancel();
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return;
    this.#scheduled = true;
    const turn = (): void => {
      this.#scheduled = false;
      this.#turn();
      this.#schedule();
    };
    if (this.#queue.every(({ isBlocked }) => isBlocked())) this.#clock.after(BLOCKED_MS, turn);
    else this.#clock.soon(turn);
  }

  /** One slice of the job that has waited longest, of those that can go on. */
  #turn(): void {
    const at = this.#queue.findIndex(({ isBlocked }) => !isBlocked());
    const [running] = at === -1 ? [] : this.#queue.splice(at, 1);
    if (running !== undefined && !this.#slice(running)) this.#queue.push(running);
  }

  /** Steps for one slice; true when the job is over. */
  #slice(running: Running): boolean {
    const startMs = this.#clock.monotonicMs();
    let stepStartMs = startMs;
    for (;;) {
      if (running.step(running.units)) return true;
      if (running.isBlocked()) return false;
      const nowMs = this.#clock.monotonicMs();
      const tookMs = nowMs - stepStartMs;
      if (tookMs > STEP_MS) running.units = Math.max(1, Math.floor(running.units / 2));
      else if (tookMs < STEP_MS / 4) running.units = Math.min(UNITS_MAX, running.units * 2);
      if (nowMs - startMs >= (this.#areOthersWaiting() ? SHARED_SLICE_MS : SLICE_MS)) return running.giveUp();
      stepStartMs = nowMs;
    }
  }
}
