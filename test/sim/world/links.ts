/** The ways from member to member, each direction by itself, and what is wrong with them. */
import type { Random } from '../../../src/base/random.ts';
import type { Marks } from './marks.ts';
import type { Scheduler } from './scheduler.ts';

/** Of a lossy link: one message in so many comes twice, or overtakes others. */
const DOUBLE_EVERY = 8;
const OVERTAKE_EVERY = 8;

interface Link {
  /** Nothing passes until then. */
  cutUntilMs: number;
  /** Until then every so many-th message is lost, and some come twice or late. */
  lossyUntilMs: number;
  lossEvery: number;
  slowUntilMs: number;
  slowMs: number;
  /** When the last message of each kind arrives. */
  readonly lastMs: Map<string, number>;
}

/** When copies of a message arrive: none if it is lost. */
export type Arrivals = readonly number[];

export class Links {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #marks: Marks;
  readonly #delayMs: number;
  readonly #links = new Map<string, Link>();

  constructor(scheduler: Scheduler, random: Random, marks: Marks, delayMs: number) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#marks = marks;
    this.#delayMs = delayMs;
  }

  cut(from: string, to: string, forMs: number): void {
    const link = this.#link(from, to);
    link.cutUntilMs = Math.max(link.cutUntilMs, this.#scheduler.nowMs + forMs);
  }

  makeLossy(from: string, to: string, forMs: number, lossEvery: number): void {
    Object.assign(this.#link(from, to), { lossyUntilMs: this.#scheduler.nowMs + forMs, lossEvery });
  }

  makeSlow(from: string, to: string, forMs: number, slowMs: number): void {
    Object.assign(this.#link(from, to), { slowUntilMs: this.#scheduler.nowMs + forMs, slowMs });
  }

  heal(): void {
    for (const link of this.#links.values()) link.cutUntilMs = link.lossyUntilMs = link.slowUntilMs = 0;
  }

  isCut(from: string, to: string): boolean {
    return this.#link(from, to).cutUntilMs > this.#scheduler.nowMs;
  }

  /** Messages of one kind stay in order, unless the link is lossy. `once`: it may be lost, but must not come twice. */
  arrivals(from: string, to: string, kind: string, sentMs: number, once: boolean): Arrivals {
    const link = this.#link(from, to);
    const lossy = link.lossyUntilMs > this.#scheduler.nowMs;
    if (link.cutUntilMs > this.#scheduler.nowMs || (lossy && this.#random.below(link.lossEvery) === 0)) {
      this.#marks.hit('messageLost');
      return [];
    }
    const atMs = sentMs + this.delayMs(from, to);
    const lastMs = link.lastMs.get(kind) ?? 0;
    if (!lossy) {
      link.lastMs.set(kind, Math.max(atMs, lastMs));
      return [Math.max(atMs, lastMs)];
    }
    if (!once && this.#random.below(DOUBLE_EVERY) === 0) {
      this.#marks.hit('messageTwice');
      return [atMs, atMs + this.delayMs(from, to)];
    }
    if (atMs >= lastMs || this.#random.below(OVERTAKE_EVERY) === 0) {
      if (atMs < lastMs) this.#marks.hit('messageOvertakes');
      link.lastMs.set(kind, Math.max(atMs, lastMs));
      return [atMs];
    }
    return [lastMs];
  }

  delayMs(from: string, to: string): number {
    const { slowUntilMs, slowMs } = this.#link(from, to);
    const usualMs = slowUntilMs > this.#scheduler.nowMs ? slowMs : this.#delayMs;
    return usualMs * (0.2 + 1.6 * this.#random.fraction());
  }

  #link(from: string, to: string): Link {
    const name = `${from}>${to}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { cutUntilMs: 0, lossyUntilMs: 0, lossEvery: 1, slowUntilMs: 0, slowMs: 0, lastMs: new Map() };
      this.#links.set(name, link);
    }
    return link;
  }
}
