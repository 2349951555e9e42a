import { describe, expect, test } from 'vitest';
import { config, failure, parse } from './run.ts';

describe('the forms of a flag', () => {
  test.each(['--name=n1', '--name n1', '-name n1', '-name=n1'])('%s', (flags) => expect(config(flags).name).toBe('n1'));

  test('a value may hold = and begin with -', () => {
    expect(config('--initial-cluster default=http://localhost:2380').initialCluster).toHaveLength(1);
    expect(config('--data-dir -x').dataDir).toBe('-x');
    expect(config('--quota-backend-bytes -1').quotaBytes).toBe(Infinity);
    expect(config(['--data-dir', '--name=x']).dataDir).toBe('--name=x');
  });

  test('quotes and number-like texts stay as they are', () => {
    expect(config(['--name="n1"']).name).toBe('"n1"');
    expect(config('--name=007').name).toBe('007');
    expect(config('--data-dir 1e3').dataDir).toBe('1e3');
  });

  test('a boolean is bare or has =', () => {
    expect(config('--unsafe-no-fsync').unsafeNoFsync).toBe(true);
    expect(config('--unsafe-no-fsync=false').unsafeNoFsync).toBe(false);
    expect(config('-unsafe-no-fsync --name x')).toMatchObject({ unsafeNoFsync: true, name: 'x' });
    expect(failure('--unsafe-no-fsync false')).toMatchObject({ line: "'false' is not a valid flag", exitCode: 1 });
  });

  test('the last one wins', () => {
    expect(config('--max-txn-ops=5 --max-txn-ops 6').maxTxnOps).toBe(6);
    expect(config('--unsafe-no-fsync --unsafe-no-fsync=f').unsafeNoFsync).toBe(false);
  });

  test('an earlier one must still be right', () => {
    expect(failure('--max-txn-ops=x --max-txn-ops=6').line).toContain('"x"');
  });

  test('-- ends the flags', () => {
    expect(config(['--name=x', '--']).name).toBe('x');
    expect(failure(['--', '--name=x']).line).toBe("'--name=x' is not a valid flag");
  });
});

describe('errors', () => {
  test.each([
    ['--nope', 'unknown flag --nope', 2],
    ['-nope=1', 'unknown flag --nope', 2],
    ['--no-pre-vote', 'unknown flag --no-pre-vote', 2],
    ['--Name=x', 'unknown flag --Name', 2],
    ['--toString=x', 'unknown flag --toString', 2],
    ['--__proto__=x', 'unknown flag --__proto__', 2],
    ['---name=x', 'bad flag syntax: ---name=x', 2],
    ['--=x', 'bad flag syntax: --=x', 2],
    ['-=x', 'bad flag syntax: -=x', 2],
    ['--name', 'flag --name needs a value', 2],
    ['foo', "'foo' is not a valid flag", 1],
    ['--name x foo --nope', "'foo' is not a valid flag", 1],
    ['-', "'-' is not a valid flag", 1],
  ])('%s', (flags, line, exitCode) => expect(failure(flags)).toEqual({ kind: 'error', line, exitCode }));

  test.each([
    ['--snapshot-count=abc', 'invalid value "abc" for flag --snapshot-count: it must be a whole number'],
    ['--snapshot-count=-1', 'invalid value "-1" for flag --snapshot-count: it must not be negative'],
    ['--snapshot-count=+1', 'invalid value "+1" for flag --snapshot-count: it must be a whole number without a sign'],
    ['--snapshot-count=18446744073709551616', 'it must lie between 0 and 18446744073709551615'],
    ['--max-concurrent-streams=4294967296', 'it must lie between 0 and 4294967295'],
    ['--quota-backend-bytes=9223372036854775808', 'it must lie between'],
    ['--pre-vote=maybe', 'invalid value "maybe" for flag --pre-vote: it must be true or false'],
    ['--pre-vote=', 'invalid value "" for flag --pre-vote'],
    ['--grpc-keepalive-min-time=5', 'invalid value "5" for flag --grpc-keepalive-min-time: it must be a duration'],
    [
      '--initial-cluster-state=foo',
      'invalid value "foo" for flag --initial-cluster-state: it must be one of new, existing',
    ],
    ['--listen-client-urls=foo', 'invalid value "foo" for flag --listen-client-urls: it must start with'],
    ['--advertise-client-urls=http://x', 'invalid value "http://x" for flag --advertise-client-urls'],
    ['--cors=foo', 'invalid value "foo" for flag --cors'],
  ])('%s', (flags, line) => {
    expect(failure(flags).line).toContain(line);
    expect(failure(flags).exitCode).toBe(2);
  });

  test('every error is one line', () => {
    expect(failure(['--log-level=x\ny']).line).not.toContain('\n');
    expect(failure(['--x\r\n y']).line).toBe('unknown flag --x y');
    expect(failure(['a\nb']).line).toBe("'a b' is not a valid flag");
  });
});

describe('values', () => {
  test('numbers too large to be exact mean no limit', () => {
    expect(config('--snapshot-count=18446744073709551615').snapshotCount).toBe(Number.MAX_SAFE_INTEGER);
    expect(config('--quota-backend-bytes=9223372036854775807').quotaBytes).toBe(Number.MAX_SAFE_INTEGER);
    expect(config('--quota-backend-bytes=-9223372036854775808').quotaBytes).toBe(Infinity);
  });

  test('legacy flags take anything and do nothing', () => {
    const flags = '--v --vv=9 --force --config=x --snapshot --cluster-active-size=abc --test-me';
    expect(failure(flags).line).toBe('unknown flag --test-me');
    expect(parse(flags.replace(' --test-me', ''))).toMatchObject({ kind: 'run', warnings: [] });
    expect(failure('--config foo').line).toBe("'foo' is not a valid flag");
  });
});

describe('former names', () => {
  test('mean the same and are reported', () => {
    const result = parse('--experimental-watch-progress-notify-interval=5s');
    expect(result).toMatchObject({
      kind: 'run',
      config: { watchProgressNotifyMs: 5000 },
      warnings: [
        {
          message: 'deprecated flag',
          fields: { flag: '--experimental-watch-progress-notify-interval', use: '--watch-progress-notify-interval' },
        },
      ],
    });
  });

  test('win over the current name, in any order', () => {
    const former = '--experimental-warning-apply-duration=1s';
    const current = '--warning-apply-duration=2s';
    expect(config(`${former} ${current}`).warningApplyMs).toBe(1000);
    expect(config(`${current} ${former}`).warningApplyMs).toBe(1000);
  });
});

describe('--help and --version', () => {
  test.each(['-h', '--help', '--help=false', '-help', '--name x -h --nope'])('%s prints the help', (flags) => {
    const text: unknown = expect.stringContaining("--listen-client-urls 'http://localhost:2379'");
    expect(parse(flags)).toEqual({ kind: 'print', text });
  });

  test('an error before -h is an error', () => expect(failure('--nope -h').line).toBe('unknown flag --nope'));

  test('the help has the groups, and says what has no effect', () => {
    const result = parse('--help');
    const text = result.kind === 'print' ? result.text : '';
    for (const title of ['Member:', 'Clustering:', 'Security:', 'Auth:', 'Logging:', 'Unsafe:'])
      expect(text).toContain(title);
    expect(text).toContain("--discovery-srv ''\n");
    expect(text).toContain('(accepted, without effect)');
    expect(text.split('\n').filter((line) => line.length > 100 && !line.includes('{'))).toEqual([]);
  });

  test('--version prints before anything else is looked at', () => {
    const result = parse('--version --cert-file=x --config-file=/nonexistent', { ETCD_HEARTBEAT_INTERVAL: 'x' });
    expect(result.kind).toBe('print');
    expect(parse('--version=false').kind).toBe('run');
    expect(failure('--version foo').line).toBe("'foo' is not a valid flag");
  });
});
