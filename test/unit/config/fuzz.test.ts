/** Whatever the flags, the environment and the file say: a configuration, something to print, or one line of what is wrong. */
import { expect, test } from 'vitest';
import { SeededRandom, type Random } from '../../../src/base/random.ts';
import { optionNames } from '../../../src/config/options.ts';
import { FILE, parse } from './run.ts';

const NAMES = Array.from(optionNames()).map(([name]) => name);
const VALUES = [
  '',
  '0',
  '-1',
  '1',
  '3',
  '99999999999999999999',
  '1.5',
  'NaN',
  'true',
  'yes',
  '5s',
  '1h2m',
  '-3ns',
  'http://localhost:2379',
  'https://[::1]:2380,http://h',
  'http://h:99999',
  'unix://x',
  'a=http://h:2380,b=http://i:2380',
  'a=b=c,,',
  'x\u0000y',
  '🂡',
  '%zz',
  'new',
  'existing',
  '[',
  '{}',
  "'",
  '&a *a',
];

function pick<T>(values: readonly T[], random: Random): T {
  return values[random.below(values.length)] as T;
}

/** The outcome; fails the test where something else is thrown. */
function outcome(label: string, argv: string[], env: Record<string, string>, file?: string): string {
  try {
    const result = parse(argv, env, file);
    if (result.kind === 'error') {
      expect(result.line, label).not.toBe('');
      expect(result.exitCode, label).toBeGreaterThan(0);
    }
    return result.kind;
  } catch (error) {
    throw new Error(`${label}: ${JSON.stringify({ argv, env, file })}`, { cause: error });
  }
}

test('flags and environment', () => {
  const seen = new Map<string, number>();
  for (let seed = 0; seed < 2000; seed++) {
    const random = new SeededRandom(seed);
    const argv: string[] = [];
    const env: Record<string, string> = {};
    for (let count = random.below(4); count >= 0; count--) {
      const name = pick(NAMES, random);
      const value = pick(VALUES, random);
      const form = random.below(5);
      if (form === 0) argv.push(`--${name}`, value);
      else if (form === 1) argv.push(`-${name}=${value}`);
      else if (form === 2) argv.push(`--${name}`);
      else if (form === 3) env[`ETCD_${name.toUpperCase().replaceAll('-', '_')}`] = value;
      else argv.push(value);
    }
    const kind = outcome(`seed ${seed}`, argv, env);
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  expect(seen.get('error')).toBeGreaterThan(200);
  expect(seen.get('run')).toBeGreaterThan(20);
});

test('files', () => {
  const seen = new Map<string, number>();
  for (let seed = 0; seed < 600; seed++) {
    const random = new SeededRandom(seed);
    const lines = Array.from({ length: random.below(5) + 1 }, () => {
      const indent = random.below(6) === 0 ? '  ' : '';
      const separator = random.below(12) === 0 ? pick(['', ':', ' - ', '\t: ', '? '], random) : ': ';
      return `${indent}${pick(NAMES, random)}${separator}${pick(VALUES, random)}`;
    });
    const file = lines.join('\n').slice(random.below(3) === 0 ? random.below(8) : 0);
    const kind = outcome(`seed ${seed}`, [`--config-file=${FILE}`], {}, file);
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  expect(seen.get('error')).toBeGreaterThan(100);
  expect(seen.get('run')).toBeGreaterThan(20);
});
