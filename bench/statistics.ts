/** Figures over a few rounds. Every function refuses an empty list: no measurement is not a measurement of 0. */

export function sorted(values: Iterable<number>): number[] {
  const list = [...values];
  if (list.length === 0) throw new Error('no values');
  if (list.some((value) => !Number.isFinite(value))) throw new Error(`not all finite: ${list.join()}`);
  return list.sort((a, b) => a - b);
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: Iterable<number>): number {
  const list = sorted(values);
  const half = list.length >> 1;
  const upper = list[half] as number;
  return list.length % 2 === 1 ? upper : (upper + (list[half - 1] as number)) / 2;
}

/** The smallest value that at least `percent` percent of the values do not exceed; `values` must be sorted. */
export function percentile(values: ArrayLike<number>, percent: number): number {
  if (values.length === 0) throw new Error('no values');
  if (!(percent >= 0 && percent <= 100)) throw new Error(`a percentile of ${percent}`);
  const rank = Math.ceil((percent / 100) * values.length);
  return values[Math.max(0, rank - 1)] as number;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: Iterable<number>): Spread {
  const list = sorted(values);
  return { median: median(list), min: list[0] as number, max: list.at(-1) as number };
}

export type Better = 'more' | 'less';

/** How many times better `own` is than `other`: above 1 it is better, whichever direction is. */
export function timesBetter(own: number, other: number, better: Better): number {
  return better === 'more' ? own / other : other / own;
}

export function geometricMean(values: Iterable<number>): number {
  const list = sorted(values);
  if ((list[0] as number) <= 0) throw new Error('a geometric mean of values that are not positive');
  return Math.exp(list.reduce((sum, value) => sum + Math.log(value), 0) / list.length);
}
