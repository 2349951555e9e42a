/** Sorts in steps of bounded work: short runs first, then merges of ever longer ones. Stable. */
const RUN_ITEMS = 128;

export class SlicedSort<T> {
  #from: T[];
  #to: T[] = [];
  readonly #compare: (a: T, b: T) => number;
  /** Length of the sorted runs in #from; 0 until the first runs are sorted. */
  #width = 0;
  /** Where the two runs being merged start, and how far each has been taken. */
  #low = 0;
  #left = 0;
  #right = 0;

  /** Takes the array over. */
  constructor(items: T[], compare: (a: T, b: T) => number) {
    this.#from = items;
    this.#compare = compare;
  }

  get done(): boolean {
    return this.#width >= this.#from.length;
  }

  /** Moves about `units` items, and returns how many. */
  work(units: number): number {
    let moved = 0;
    while (moved < units && !this.done) moved += this.#width === 0 ? this.#sortRun() : this.#merge(units - moved);
    return moved;
  }

  /** Once done. */
  result(): T[] {
    return this.#from;
  }

  #sortRun(): number {
    const run = this.#from.slice(this.#low, this.#low + RUN_ITEMS).sort(this.#compare);
    for (const item of run) this.#to.push(item);
    this.#low += RUN_ITEMS;
    if (this.#low >= this.#from.length) this.#endPass(RUN_ITEMS);
    return run.length;
  }

  #merge(units: number): number {
    const from = this.#from;
    const middle = Math.min(this.#low + this.#width, from.length);
    const high = Math.min(middle + this.#width, from.length);
    let moved = 0;
    while (moved < units && this.#low + this.#left + this.#right < high) {
      const left = this.#low + this.#left;
      const right = middle + this.#right;
      const takeLeft = right >= high || (left < middle && this.#compare(from[left] as T, from[right] as T) <= 0);
      this.#to.push(from[takeLeft ? left : right] as T);
      if (takeLeft) this.#left++;
      else this.#right++;
      moved++;
    }
    if (this.#low + this.#left + this.#right >= high) {
      this.#low = high;
      this.#left = 0;
      this.#right = 0;
      if (high >= from.length) this.#endPass(this.#width * 2);
    }
    return Math.max(moved, 1);
  }

  #endPass(width: number): void {
    this.#from = this.#to;
    this.#to = [];
    this.#low = 0;
    this.#width = width;
  }
}
