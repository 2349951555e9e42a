import { expect, test } from 'vitest';
import { goDuration } from '../../../src/base/go-duration.ts';

test.each([
  [0, '0s'],
  [0.0008, '800ns'],
  [0.01341, '13.41µs'],
  [2.376243, '2.376243ms'],
  [100, '100ms'],
  [1000, '1s'],
  [2500, '2.5s'],
  [59_999.5, '59.9995s'],
  [60_000, '1m0s'],
  [90_500, '1m30.5s'],
  [3_600_000, '1h0m0s'],
  [7_384_100, '2h3m4.1s'],
  [-2000, '-2s'],
])('%d ms is %s', (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});
