/** What a run found: broken promises by rule, and errors that nobody had caused. Bounded: the first of each rule are told in full. */
const TOLD_PER_RULE_MAX = 5;

export class Findings {
  readonly #counts = new Map<string, number>();
  readonly #told: string[] = [];

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  get told(): readonly string[] {
    return this.#told;
  }

  /** By rule. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Notes a violation of `rule` when `condition` is false; `detail` is only asked for then. */
  hold(condition: boolean, rule: string, detail: () => string): boolean {
    if (condition) return true;
    const count = (this.#counts.get(rule) ?? 0) + 1;
    this.#counts.set(rule, count);
    if (count <= TOLD_PER_RULE_MAX) this.#told.push(`${rule}: ${detail()}`);
    return false;
  }
}
