/** The last rows of figures over time, in the columns that charts take. */

export type Row = Readonly<Record<string, number | undefined>>;

export class History {
  readonly #rowsMax: number;
  readonly #times: number[] = [];
  readonly #rows: Row[] = [];

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
  }

  /** `seconds`: Unix time, ascending. */
  add(seconds: number, row: Row): void {
    this.#times.push(seconds);
    this.#rows.push(row);
    if (this.#times.length <= this.#rowsMax) return;
    this.#times.shift();
    this.#rows.shift();
  }

  get length(): number {
    return this.#times.length;
  }

  get latest(): Row {
    return this.#rows.at(-1) ?? {};
  }

  /** Times, then one column for each name; null where a figure is missing. */
  columns(names: readonly string[]): [number[], ...(number | null)[][]] {
    return [this.#times.slice(), ...names.map((name) => this.#rows.map((row) => row[name] ?? null))];
  }
}
