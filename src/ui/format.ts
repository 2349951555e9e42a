/** Figures as they are shown. Missing ones are a dash. */

export const NONE = '–';

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function count(value: number | undefined): string {
  return value === undefined ? NONE : whole.format(value);
}

/** Three significant digits at most: 0.5, 12.3, 987, 12.3k, 4.56M. */
export function short(value: number | undefined): string {
  if (value === undefined) return NONE;
  const magnitude = Math.abs(value);
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (magnitude >= size * 0.9995) return digits(value / size) + unit;
  }
  return digits(value);
}

/** 1024-based: 512 B, 1.50 KiB, 20.0 MiB. */
export function bytes(value: number | undefined): string {
  if (value === undefined) return NONE;
  let rest = value;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (Math.abs(rest) < 1023.5) return `${unit === 'B' ? Math.round(rest) : three(rest)} ${unit}`;
    rest /= 1024;
  }
  return `${three(rest)} TiB`;
}

export function seconds(value: number | undefined): string {
  if (value === undefined) return NONE;
  if (value === 0) return '0 ms';
  if (value < 0.000_999_5) return `${digits(value * 1e6)} µs`;
  if (value < 0.9995) return `${digits(value * 1e3)} ms`;
  if (value < 120) return `${digits(value)} s`;
  return duration(value);
}

/** In the two largest units: 3 d 4 h, 5 min 12 s. */
export function duration(value: number): string {
  const all = Math.floor(value);
  const parts: [number, string][] = [
    [Math.floor(all / 86_400), 'd'],
    [Math.floor(all / 3600) % 24, 'h'],
    [Math.floor(all / 60) % 60, 'min'],
    [all % 60, 's'],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([n], i) => i === 0 || n > 0)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(' ');
}

export function percent(value: number | undefined): string {
  return value === undefined ? NONE : `${digits(value)} %`;
}

/** Always as many digits, so that a column of them does not dance. */
function three(value: number): string {
  const magnitude = Math.abs(value);
  return value.toFixed(magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : 2);
}

function digits(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 99.95 || Number.isInteger(value)) return String(Math.round(value));
  if (magnitude >= 9.995) return String(Number(value.toFixed(1)));
  if (magnitude >= 0.0095) return String(Number(value.toFixed(2)));
  return String(Number(value.toPrecision(1)));
}
