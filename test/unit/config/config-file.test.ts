import { describe, expect, test } from 'vitest';
import { config, failure, FILE, fileFailure, fromFile, warnings } from './run.ts';

describe('a configuration file', () => {
  test('in YAML', () => {
    const text = `
      name: n1
      data-dir: /data
      heartbeat-interval: 50
      grpc-keepalive-min-time: 1500000000
      listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2
      log-outputs: [stdout, a.log]
      pre-vote: no
      feature-gates: InitialCorruptCheck=true
    `;
    expect(fromFile(text)).toMatchObject({
      name: 'n1',
      dataDir: '/data',
      heartbeatMs: 50,
      grpcKeepalive: { minTimeMs: 1500 },
      listenClientUrls: [{ port: 1 }, { port: 2 }],
      log: { outputs: ['stdout', 'a.log'] },
      preVote: false,
      featureGates: { InitialCorruptCheck: true },
    });
  });

  test('in JSON', () => expect(fromFile('{"name":"j",\n\t"data-dir":"d"}')).toMatchObject({ name: 'j', dataDir: 'd' }));

  test.each(['', ' \n', '# nothing\n', 'null', '{}'])('empty as %j gives the defaults', (text) =>
    expect(fromFile(text).name).toBe('default'),
  );

  test('makes all other flags and variables moot', () => {
    const env = { ETCD_NAME: 'e', ETCD_NOPE: 'x' };
    const flags = `--config-file=${FILE} --name=f --heartbeat-interval=50`;
    expect(config(flags, env, 'data-dir: d')).toMatchObject({ name: 'default', dataDir: 'd', heartbeatMs: 100 });
    expect(warnings(flags, env, 'data-dir: d')).toEqual([]);
  });

  test('does not excuse a wrong flag', () => {
    expect(failure(`--config-file=${FILE} --nope`, {}, 'name: x').exitCode).toBe(2);
    expect(failure(`--config-file=${FILE} --heartbeat-interval=x`, {}, 'name: x').exitCode).toBe(2);
  });

  test('that cannot be read is named with the reason', () => {
    const { line, exitCode } = failure('--config-file=/nonexistent');
    expect(line).toBe("--config-file /nonexistent: ENOENT: no such file or directory, open '/nonexistent'");
    expect(exitCode).toBe(1);
  });

  test('listen-client-urls alone keeps the default of advertise-client-urls', () => {
    const { advertiseClientUrls } = fromFile('listen-client-urls: http://127.0.0.1:22379');
    expect(advertiseClientUrls.map((url) => url.text)).toEqual(['http://localhost:2379']);
  });

  test.each([
    'listen-client-urls: ""',
    'initial-cluster-state: ""',
    'name: ~',
    'name: null',
    'data-dir: ""',
    'log-outputs: []',
  ])('%s leaves the default', (text) => expect(fromFile(text)).toEqual(fromFile('')));
});

describe('keys', () => {
  test('unknown ones do nothing but are warned about', () => {
    const text = 'name: n1\nnope: 1\nversion: true\ncert-file: x\nclient-transport-security: {what: 1}';
    const found = warnings(`--config-file=${FILE}`, {}, text);
    expect(found.map(({ fields }) => fields['key'])).toEqual([
      'nope',
      'version',
      'cert-file',
      'client-transport-security/what',
    ]);
    expect(found[0]).toEqual({ message: 'unknown key in the configuration file', fields: { path: FILE, key: 'nope' } });
  });

  test('in any case; given twice, the last one counts', () => {
    expect(fromFile('NAME: a\nData-Dir: d')).toMatchObject({ name: 'a', dataDir: 'd' });
    expect(fromFile('name: a\nname: b').name).toBe('b');
  });

  test('under former names', () => {
    expect(fromFile('experimental-watch-progress-notify-interval: 5000000000').watchProgressNotifyMs).toBe(5000);
    expect(fromFile('experimental-initial-corrupt-check: true').featureGates.InitialCorruptCheck).toBe(true);
  });

  test('the objects are recognised', () => {
    expect(fileFailure('peer-transport-security: {cert-file: c.pem}')).toContain(
      '(--peer-cert-file=c.pem, --peer-key-file=)',
    );
    expect(fileFailure('peer-transport-security: {allowed-cn: [a], allowed-hostname: [b]}')).toContain(
      '--peer-cert-allowed-cn=a and --peer-cert-allowed-hostname=b are mutually exclusive',
    );
    expect(fileFailure('discovery-config: {endpoints: [a]}')).toContain(
      'both --discovery-token and --discovery-endpoints',
    );
    expect(fromFile('discovery-config: {endpoints: [a], token: t, secure: {cacert: ca.pem}}').discovery).toMatchObject({
      token: 't',
      security: { authorities: 'ca.pem' },
    });
    expect(fromFile('client-transport-security: {cert-file: "", auto-tls: false}').name).toBe('default');
    expect(fromFile('socket-options: {reuse-port: true}').reusePort).toBe(true);
  });

  test('names of prototypes are keys like others', () => {
    expect(fromFile('__proto__: {name: x}\nconstructor: 1').name).toBe('default');
  });
});

describe('values', () => {
  test.each([
    ['heartbeat-interval: 0x32', { heartbeatMs: 50 }],
    ['heartbeat-interval: 50.0', { heartbeatMs: 50 }],
    ['quota-backend-bytes: 1e9', { quotaBytes: 1e9 }],
    ['quota-backend-bytes: 1_000', { quotaBytes: 1000 }],
    ['quota-backend-bytes: -1', { quotaBytes: Infinity }],
    ['unsafe-no-fsync: yes', { unsafeNoFsync: true }],
    ['unsafe-no-fsync: on', { unsafeNoFsync: true }],
    ['name: !!str 5', { name: '5' }],
    ['initial-cluster-token: 12:30:45', { initialClusterToken: '12:30:45' }],
    ['initial-cluster-token: 2001-01-01', { initialClusterToken: '2001-01-01' }],
    ['x: &a n1\nname: *a', { name: 'n1' }],
    ['---\nname: a\n---\nname: b', { name: 'a' }],
    ['backend-batch-interval: -5', { backendBatchIntervalMs: 1000 }],
  ])('%j', (text, expected) => expect(fromFile(text)).toMatchObject(expected));

  test.each([
    ['name: 5', 'invalid value "5" for name in --config-file quorate.yaml: it must be text (quote it)'],
    ['name: on', 'for name in'],
    ['name: 0x10', 'for name in'],
    ['name: a\nname: 5', 'for name in'],
    [
      'heartbeat-interval: "5"',
      'invalid value "5" for heartbeat-interval in --config-file quorate.yaml: it must be an integer',
    ],
    ['heartbeat-interval: 5.5', 'it must be an integer'],
    ['heartbeat-interval: -5', 'it must not be negative'],
    ['max-concurrent-streams: 4294967296', 'it must lie between 0 and 4294967295'],
    ['heartbeat-interval: .inf', 'it must be an integer'],
    ['pre-vote: "yes"', 'it must be true or false, without quotes'],
    ['grpc-keepalive-min-time: 5s', 'it must be a whole number of nanoseconds'],
    ['listen-client-urls: foo', 'for listen-client-urls in'],
    ['listen-client-urls: [http://127.0.0.1:1]', 'it must be text'],
    ['listen-client-urls: http://example.com:1', 'for flag --listen-client-urls: one can only listen on an IP address'],
    ['log-outputs: stderr', 'it must be a list of texts'],
    ['initial-cluster-state: foo', 'it must be one of new, existing'],
    ['client-transport-security: foo', 'invalid value "foo" for client-transport-security'],
    ['client-transport-security:\n  allowed-hostname: foo', 'for client-transport-security.allowed-hostname in'],
    ['auto-compaction-retention: 5', 'it must be text'],
    ['heartbeat-interval: 300', 'at least 5 times'],
    ['cors: foo', 'for cors in'],
  ])('%j fails', (text, line) => expect(fileFailure(text)).toContain(line));

  test.each(['- a', '5', 'hello', 'name: [', 'name: *nope', '{"name": ', '\tname: x'])(
    '%j is no configuration',
    (text) => {
      expect(fileFailure(text)).toMatch(/^--config-file quorate\.yaml: /);
      expect(fileFailure(text)).not.toContain('\n');
    },
  );

  test('aliases cannot blow a file up', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(',')}]`,
    );
    expect(fileFailure(`a0: &a0 [x]\n${levels.join('\n')}`)).toContain('--config-file');
  });
});
