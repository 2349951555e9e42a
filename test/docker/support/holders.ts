/** Who held what when, as the contenders themselves believed, all by one clock. */

export interface Term {
  readonly holder: string;
  readonly fromMs: number;
  /** Undefined: still. */
  readonly untilMs: number | undefined;
}

interface Current {
  readonly term: number;
  /** It does not believe to hold any longer than this, even if it has not looked at the clock since. */
  untilMs: number;
}

export class Holders {
  readonly terms: Term[] = [];
  /** Two at a time; empty when all is well. */
  readonly violations: string[] = [];
  readonly #current = new Map<string, Current>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** It holds until then, from now on or still. */
  holds(holder: string, untilMs: number): void {
    const nowMs = this.#nowMs();
    const current = this.#current.get(holder);
    if (current !== undefined && nowMs < current.untilMs) {
      current.untilMs = untilMs;
      return;
    }
    this.released(holder);
    for (const [other, { untilMs: otherUntilMs }] of this.#current) {
      if (nowMs < otherUntilMs) this.violations.push(`${holder} holds while ${other} does`);
    }
    this.#current.set(holder, { term: this.terms.length, untilMs });
    this.terms.push({ holder, fromMs: nowMs, untilMs: undefined });
  }

  /** Nothing happens if it does not hold. */
  released(holder: string): void {
    const current = this.#current.get(holder);
    if (current === undefined) return;
    this.#current.delete(holder);
    const term = this.terms[current.term] as Term;
    this.terms[current.term] = { ...term, untilMs: Math.min(this.#nowMs(), current.untilMs) };
  }

  /** Undefined: nobody, or more than one. */
  get holder(): string | undefined {
    const nowMs = this.#nowMs();
    const [one, ...more] = [...this.#current].filter(([, { untilMs }]) => nowMs < untilMs);
    return more.length === 0 ? one?.[0] : undefined;
  }
}
