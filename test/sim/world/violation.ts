/** Something that must never happen, happened. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** Which promise was broken, in a word or two: what shrinking holds on to. */
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.rule = rule;
  }

  /** Anything else that the simulator throws is a mistake of its own. */
  static of(error: unknown): Violation {
    if (error instanceof Violation) return error;
    return new Violation('simulator', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

export function require(condition: boolean, rule: string, message: () => string): asserts condition {
  if (!condition) throw new Violation(rule, message());
}
