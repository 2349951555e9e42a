import { describe, expect, test } from 'vitest';
import { config, failure, warnings } from './run.ts';

describe('variables', () => {
  test('set options', () => {
    const env = { ETCD_NAME: 'n1', ETCD_HEARTBEAT_INTERVAL: '50', ETCD_UNSAFE_NO_FSYNC: 'true' };
    expect(config('', env)).toMatchObject({ name: 'n1', dataDir: 'n1.etcd', heartbeatMs: 50, unsafeNoFsync: true });
    expect(warnings('', env)).toEqual([]);
  });

  test('under former names too', () => {
    const env = { ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL: '5s' };
    expect(config('', env).watchProgressNotifyMs).toBe(5000);
  });

  test('stand beside flags for other options', () => {
    expect(config('--name=n1', { ETCD_DATA_DIR: 'd' })).toMatchObject({ name: 'n1', dataDir: 'd' });
  });

  test.each(['other', 'n1', ''])('may not stand beside their own flag, even with the value %j', (value) => {
    const { line, exitCode } = failure('--name=n1', { ETCD_NAME: value });
    expect(line).toContain(
      'conflicting environment variable "ETCD_NAME" is shadowed by corresponding command-line flag',
    );
    expect(exitCode).toBe(1);
  });

  test('with a wrong value are named', () => {
    const { line, exitCode } = failure('', { ETCD_HEARTBEAT_INTERVAL: 'x' });
    expect(line).toBe('invalid value "x" for ETCD_HEARTBEAT_INTERVAL: it must be a whole number');
    expect(exitCode).toBe(1);
  });

  test('listen-client-urls from a variable asks for advertise-client-urls too', () => {
    const env = { ETCD_LISTEN_CLIENT_URLS: 'http://127.0.0.1:1' };
    expect(failure('', env).line).toContain('--advertise-client-urls is required');
    expect(config('--advertise-client-urls=http://x:1', env).listenClientUrls).toHaveLength(1);
  });

  test('ETCD_CONFIG_FILE is no conflict with --config-file, which wins', () => {
    expect(config('--config-file=quorate.yaml', { ETCD_CONFIG_FILE: '/nonexistent' }, 'name: f').name).toBe('f');
    expect(config('', { ETCD_CONFIG_FILE: 'quorate.yaml', ETCD_NAME: 'e', ETCD_NOPE: '1' }, 'name: f').name).toBe('f');
    expect(config('--config-file=', { ETCD_CONFIG_FILE: 'quorate.yaml' }, 'name: f').name).toBe('f');
  });
});

describe('variables that are none', () => {
  test('only warn, without their values', () => {
    const found = warnings('', { ETCD_ROOT_PASSWORD: 'secret', ETCD_: 'x', ETCD_name: 'x', ETCD_HELP: 'true' });
    expect(found.map(({ message, fields }) => [message, fields['environment-variable']])).toEqual([
      ['unrecognized environment variable', 'ETCD_ROOT_PASSWORD'],
      ['unrecognized environment variable', 'ETCD_'],
      ['unrecognized environment variable', 'ETCD_name'],
      ['unrecognized environment variable', 'ETCD_HELP'],
    ]);
    expect(JSON.stringify(found)).not.toContain('secret');
  });

  test('an empty one counts as not recognised', () => {
    expect(config('', { ETCD_PRE_VOTE: '' }).preVote).toBe(true);
    expect(warnings('', { ETCD_PRE_VOTE: '' })).toHaveLength(1);
  });

  test('ETCD_VERSION is ignored with a warning', () => {
    expect(warnings('', { ETCD_VERSION: '3.6' })).toEqual([
      { message: 'cannot set special environment variable', fields: { 'environment-variable': 'ETCD_VERSION' } },
    ]);
    expect(warnings('', { ETCD_VERSION: '' })).toEqual([]);
  });

  test('others are not looked at', () =>
    expect(warnings('', { ETCDCTL_API: '3', PATH: '/bin', etcd_name: 'x' })).toEqual([]));

  test('of ignored flags are accepted', () => expect(warnings('', { ETCD_FORCE: 'x' })).toEqual([]));
});
