import { assert, bigInt, nat, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseGoBool, parseGoDurationMs, parseGoInteger } from '../../../src/config/go-values.ts';

describe('booleans', () => {
  test.each(['1', 't', 'T', 'true', 'TRUE', 'True'])('%s is true', (text) => expect(parseGoBool(text)).toBe(true));
  test.each(['0', 'f', 'F', 'false', 'FALSE', 'False'])('%s is false', (text) => expect(parseGoBool(text)).toBe(false));
  test.each(['', 'yes', 'no', 'on', 'tRUE', ' true', '2'])('%j is none', (text) =>
    expect(parseGoBool(text)).toBeUndefined(),
  );
});

describe('integers', () => {
  test.each<[string, bigint]>([
    ['0', 0n],
    ['-0', 0n],
    ['+7', 7n],
    ['100', 100n],
    ['1_000_000', 1_000_000n],
    ['0x4000000', 0x4000000n],
    ['0X_fF', 255n],
    ['-0x10', -16n],
    ['0b101', 5n],
    ['0o17', 15n],
    ['017', 15n],
    ['0_7', 7n],
    ['18446744073709551616', 2n ** 64n],
  ])('%s', (text, value) => expect(parseGoInteger(text)).toBe(value));

  test.each(['', '-', '1e3', '1.0', '08', '0x', '0b2', '1__0', '_1', '1_', ' 1', '1 ', '--1', 'abc', '٣'])(
    '%j is none',
    (text) => expect(parseGoInteger(text)).toBeUndefined(),
  );

  test('every bigint is read back', () => {
    assert(
      property(bigInt(), (value) => {
        expect(parseGoInteger(String(value))).toBe(value);
      }),
    );
  });
});

describe('durations', () => {
  test.each<[string, number]>([
    ['0', 0],
    ['-0', 0],
    ['5s', 5_000],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['1h2m3.5s', 3_723_500],
    ['1.5h30m.5s', 7_200_500],
    ['100us', 0.1],
    ['100µs', 0.1],
    ['100μs', 0.1],
    ['1ns', 0.000001],
    ['1.s', 1_000],
    ['-20ms', -20],
    ['+20ms', 20],
    ['2562047h', 9_223_369_200_000],
  ])('%s', (text, ms) => expect(parseGoDurationMs(text)).toBeCloseTo(ms, 9));

  test.each(['', '5', '5 s', 's', '.s', '1d', '1h-2m', 'abc', '1e3s', '2562048h', '--1s', '5S'])('%j is none', (text) =>
    expect(parseGoDurationMs(text)).toBeUndefined(),
  );

  test('parts add up', () => {
    const part = nat(10_000);
    assert(
      property(part, part, part, part, (h, m, s, ms) => {
        expect(parseGoDurationMs(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1000 + ms);
      }),
    );
  });
});
