import { describe, expect, test } from 'vitest';
import { goYamlNumber } from '../../../src/config/yaml-numbers.ts';
import { config, fileFailure, fromFile, warnings } from './run.ts';

describe('numbers of a configuration file', () => {
  test.each([
    ['0', 0n],
    ['-0', 0n],
    ['+1', 1n],
    ['0x1F', 31n],
    ['0O17', 15n],
    ['0b11', 3n],
    ['017', 15n],
    ['1__0_', 10n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['-9223372036854775808', -(2n ** 63n)],
    // 64 bits do not hold it, or it is not octal.
    ['18446744073709551616', 2 ** 64],
    ['-9223372036854775809', -(2 ** 63)],
    ['08', 8],
    ['.5', 0.5],
    ['5.', 5],
    ['1e3', 1000],
  ])('%s', (text, number) => expect(goYamlNumber(text)).toBe(number));

  test.each(['', '0x', '5s', '1e', '1e999', '190:20:30', '2001-01-01', '0x1.5', '0xffffffffffffffffff'])(
    '%j is text',
    (text) => expect(goYamlNumber(text)).toBeUndefined(),
  );

  test('are exact up to 64 bits, and what they do not hold is refused', () => {
    expect(fromFile('snapshot-count: 18446744073709551615').snapshotCount).toBe(Number.MAX_SAFE_INTEGER);
    expect(fromFile('max-txn-ops: 0o17').maxTxnOps).toBe(15);
    expect(fileFailure('quota-backend-bytes: -9223372036854775809')).toContain('-9223372036854776000');
    expect(fileFailure('grpc-keepalive-min-time: 9223372036854775808')).toContain('it must lie between');
    expect(fileFailure('name: 0o7')).toContain('it must be text');
  });

  test('that etcd has no key for do nothing, and are warned about', () => {
    for (const key of ['discovery-fallback', 'proxy', 'experimental-peer-skip-client-san-verification']) {
      const [warning] = warnings('--config-file=quorate.yaml', {}, `${key}: 5`);
      expect(warning).toMatchObject({ message: 'unknown key in the configuration file', fields: { key } });
    }
    expect(config('--config-file=quorate.yaml', {}, 'proxy: on').name).toBe('default');
  });
});
