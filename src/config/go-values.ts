/** Booleans, integers and durations as Go's flag package reads them. Each returns undefined for text that is none. */

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

export function parseGoBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

/** Prefixes 0x, 0o, 0b and 0 (octal); an underscore may stand after a prefix and between digits. */
const INTEGER =
  /^([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]((?:_?[0-7])+)|0((?:_?[0-7])+)|([1-9](?:_?[0-9])*|0))$/;

export function parseGoInteger(text: string): bigint | undefined {
  const match = INTEGER.exec(text);
  if (match === null) return undefined;
  const [, sign, hex, binary, octal, oldOctal, decimal] = match;
  const magnitude = BigInt(
    prefixed(hex, '0x') ?? prefixed(binary, '0b') ?? prefixed(octal ?? oldOctal, '0o') ?? digits(decimal),
  );
  return sign === '-' ? -magnitude : magnitude;
}

function prefixed(text: string | undefined, prefix: string): string | undefined {
  return text === undefined ? undefined : prefix + digits(text);
}

function digits(text: string | undefined): string {
  return (text ?? '').replaceAll('_', '');
}

const NANOSECONDS_PER_MS = 1e6;
const NANOSECONDS_PER_UNIT: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  // Both micro signs that Unicode has.
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const DURATION = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$/;
const DURATION_PART = /(\d*)\.?(\d*)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g;
const INT64_MAX = 2n ** 63n - 1n;

/** Milliseconds of a duration such as 1h2m3.5s, -20ms or 0; undefined also beyond 292 years. */
export function parseGoDurationMs(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  let nanoseconds = 0n;
  for (const [, whole, fraction = '', unit = ''] of (match[2] ?? '').matchAll(DURATION_PART)) {
    const perUnit = NANOSECONDS_PER_UNIT[unit] ?? 0n;
    nanoseconds +=
      BigInt(whole || '0') * perUnit + (BigInt(fraction || '0') * perUnit) / 10n ** BigInt(fraction.length);
  }
  if (nanoseconds > INT64_MAX) return undefined;
  return nanosecondsToMs(match[1] === '-' ? -nanoseconds : nanoseconds);
}

export function nanosecondsToMs(nanoseconds: bigint | number): number {
  return Number(nanoseconds) / NANOSECONDS_PER_MS;
}
