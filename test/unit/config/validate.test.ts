import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../../src/config/command-line.ts';
import { config, failure, warnings } from './run.ts';

const CLIENT = '--advertise-client-urls=http://127.0.0.1:1';

describe('URLs', () => {
  test.each([
    [
      `--listen-client-urls=http://example.com:1 ${CLIENT}`,
      '"http://example.com:1" for flag --listen-client-urls: one can only listen',
    ],
    [`--listen-client-urls=http://:1 ${CLIENT}`, '"http://:1" for flag --listen-client-urls'],
    ['--listen-peer-urls=http://example.com:1', 'for flag --listen-peer-urls'],
    ['--listen-metrics-urls=http://example.com:1', 'for flag --listen-metrics-urls'],
    ['--advertise-client-urls=http://:1', '"http://:1" for flag --advertise-client-urls: the host is missing'],
    ['--initial-advertise-peer-urls=http://:1', 'for flag --initial-advertise-peer-urls: the host is missing'],
    ['--listen-client-http-urls=http://example.com:1', 'for flag --listen-client-http-urls'],
    [
      '--listen-client-urls=http://127.0.0.1:1',
      '--advertise-client-urls is required when --listen-client-urls is set (to http://127.0.0.1:1)',
    ],
    ['--listen-client-urls=', '--advertise-client-urls is required'],
  ])('%s fails', (flags, line) =>
    expect(failure(flags)).toMatchObject({ line: expect.stringContaining(line), exitCode: 1 }),
  );

  test('advertised ones may be https names, listening ones unix sockets', () => {
    const found = config(
      '--listen-client-urls=unix:///tmp/s,http://0.0.0.0:1 --advertise-client-urls=https://etcd.example:2379',
    );
    expect(found.listenClientUrls.map((url) => url.kind)).toEqual(['tcp', 'unix']);
    expect(found.advertiseClientUrls).toMatchObject([{ host: 'etcd.example', port: 2379, secure: true }]);
  });

  test('an empty --advertise-client-urls is enough', () => {
    expect(config('--listen-client-urls=http://127.0.0.1:1 --advertise-client-urls=').advertiseClientUrls).toEqual([]);
  });
});

describe('tokens', () => {
  test.each([
    ['--auth-token=other', 'it must begin with simple or jwt'],
    ['--auth-token=jwt', 'sign-method must be'],
    ['--auth-token=jwt,sign-method=none', 'sign-method must be'],
    ['--auth-token=jwt,sign-method=RS256,ttl=x', 'ttl must be a duration'],
    ['--auth-token=jwt,sign-method=RS256,sign-method=RS256', 'sign-method is given twice'],
    ['--auth-token=jwt,sign-method', '"sign-method" is not name=value'],
  ])('%s fails', (flags, line) => {
    expect(failure(flags)).toMatchObject({ line: expect.stringContaining(line), exitCode: 1 });
    expect(failure(flags)).toMatchObject({ line: expect.stringContaining('flag --auth-token') });
  });

  test('what is odd but harmless is said', () => {
    const said = warnings('--bcrypt-cost=99 --auth-token=jwt,sign-method=RS256,other=1').map(({ message }) => message);
    expect(said).toEqual(['use default bcrypt cost instead of the invalid given cost', 'unknown token options']);
  });
});

describe('ticks', () => {
  test.each([
    ['--heartbeat-interval=0', 'invalid value "0" for flag --heartbeat-interval'],
    ['--election-timeout=0', 'invalid value "0" for flag --election-timeout'],
    [
      '--heartbeat-interval=201',
      'invalid value "1000" for flag --election-timeout: it must be at least 5 times --heartbeat-interval=201',
    ],
    ['--election-timeout=499', 'at least 5 times --heartbeat-interval=100'],
    ['--election-timeout=50001', 'invalid value "50001" for flag --election-timeout: it must be at most 50000 ms'],
  ])('%s fails', (flags, line) => expect(failure(flags).line).toContain(line));

  test.each(['--heartbeat-interval=200', '--election-timeout=500', '--election-timeout=50000'])('%s is fine', (flags) =>
    expect(config(flags).electionMs).toBeGreaterThan(0),
  );
});

describe('the name and the founding members', () => {
  test('the default of initial-cluster follows the name and the peer URLs', () => {
    const flags = '--name=n1 --initial-advertise-peer-urls=http://b:1,http://a:1';
    expect(config(flags)).toMatchObject({
      name: 'n1',
      dataDir: 'n1.etcd',
      initialCluster: [{ name: 'n1', peerURLs: ['http://a:1', 'http://b:1'] }],
    });
  });

  test('even spelled out, as in etcd', () => {
    expect(config('--name=n1 --initial-cluster=default=http://localhost:2380').initialCluster[0]?.name).toBe('n1');
  });

  test('a name may occur several times; commas too many do no harm', () => {
    const flags =
      '--initial-advertise-peer-urls=http://a:1,http://b:1 --initial-cluster=default=http://b:1,,default=http://a:1,';
    expect(config(flags).initialCluster).toEqual([{ name: 'default', peerURLs: ['http://a:1', 'http://b:1'] }]);
  });

  test.each([
    ['--name=', 'invalid value "" for flag --name: it must not be empty'],
    ['--name=a=b', 'invalid value "a=b" for flag --name: it must not contain ='],
    ['--name=a,b', 'it must not contain ,'],
    [
      '--initial-cluster=a=http://localhost:2380',
      "--initial-cluster: it does not contain this member's --name=default",
    ],
    ['--initial-cluster=', 'invalid value "" for flag --initial-cluster'],
    [
      '--initial-cluster=default=http://localhost:9999',
      'the URLs of default differ from --initial-advertise-peer-urls=http://localhost:2380',
    ],
    [
      '--initial-advertise-peer-urls=http://10.0.0.1:2380',
      'the URLs of default differ from --initial-advertise-peer-urls=http://10.0.0.1:2380',
    ],
    [
      '--initial-cluster=default=foo',
      'invalid value "default=foo" for flag --initial-cluster: "default=foo" is not name=url: it must start with',
    ],
    ['--initial-cluster=garbage', '"garbage" is not name=url'],
    ['--initial-cluster=default=http://localhost:2380,b=http://localhost:2380', 'http://localhost:2380 occurs twice'],
    [
      '--initial-cluster=default=http://localhost:2380 --discovery-srv=x',
      'only one of --initial-cluster and --discovery-srv can be set',
    ],
  ])('%s fails', (flags, line) => expect(failure(flags).line).toContain(line));

  test('are not checked once there are data', () => {
    const asked: string[] = [];
    const parse = (flags: string): unknown =>
      parseCommandLine(
        flags.split(' '),
        {},
        () => '',
        (walDir) => asked.push(walDir) > 0,
      );
    const own = [{ name: 'default', peerURLs: ['http://localhost:2380'] }];
    expect(parse('--initial-cluster=a=http://b:1,c=http://d:1')).toMatchObject({ config: { initialCluster: own } });
    expect(parse('--initial-cluster=garbage --wal-dir=/w')).toMatchObject({ config: { initialCluster: own } });
    expect(asked).toEqual(['default.etcd/member/wal', '/w']);
  });
});

describe('discovery', () => {
  test('by SRV records', () => {
    expect(config('--discovery-srv=example.com --discovery-srv-name=blue')).toMatchObject({
      initialCluster: [{ name: 'default', peerURLs: ['http://localhost:2380'] }],
      discovery: { kind: 'srv', domain: 'example.com', serviceName: 'blue' },
    });
  });

  test('by a registry, with its defaults', () => {
    expect(config('--discovery-token=t --discovery-endpoints=http://a:1,b:2,b:2').discovery).toEqual({
      kind: 'registry',
      endpoints: ['http://a:1', 'b:2'],
      token: 't',
      dialTimeoutMs: 2000,
      requestTimeoutMs: 5000,
      keepaliveTimeMs: 2000,
      keepaliveTimeoutMs: 6000,
      security: { insecureTransport: true, skipVerify: false, cert: '', key: '', authorities: '' },
      user: '',
      password: '',
    });
  });

  test.each([
    ['--discovery-endpoints=a:1', 'both --discovery-token and --discovery-endpoints must be set'],
    ['--discovery-token=t', 'both --discovery-token and --discovery-endpoints must be set'],
    ['--discovery-token=t --discovery-endpoints=a:1,,b:1', '--discovery-endpoints must not contain empty endpoints'],
    ['--discovery-fallback=proxy', `v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`],
    [
      '--discovery-token=t --discovery-endpoints=a:1 --discovery-srv=x',
      'only one of --discovery-endpoints and --discovery-srv can be set',
    ],
  ])('%s fails', (flags, line) => expect(failure(flags).line).toContain(line));

  test('names of hosts are compared when the cluster is founded', () => {
    const flags = '--initial-advertise-peer-urls=http://10.0.0.1:2380 --initial-cluster=default=http://a.example:2380';
    expect(config(flags).initialCluster).toEqual([{ name: 'default', peerURLs: ['http://a.example:2380'] }]);
  });

  test('TLS between members is for the domain, unless there is an authority', () => {
    const tls = '--peer-cert-file=c --peer-key-file=k --discovery-srv=example.com';
    expect(config(tls).peerTls?.dialServerName).toBe('example.com');
    expect(config(`${tls} --peer-trusted-ca-file=ca`).peerTls?.dialServerName).toBeUndefined();
  });
});

describe('what is not supported', () => {
  test.each([
    ['--enable-v2', 'flag --enable-v2 is no longer there, as in etcd 3.6 (set to "true")'],
    ['--proxy=on', 'flag --proxy is no longer there, as in etcd 3.6 (set to "on")'],
  ])('%s', (flags, line) => expect(failure(flags)).toMatchObject({ line: expect.stringContaining(line), exitCode: 1 }));

  test('does not matter at its default', () => {
    const flags =
      '--cert-file= --client-cert-auth=false --tls-min-version=TLS1.2 --cors=* --host-whitelist= --auth-token=simple --proxy=off';
    expect(warnings(flags)).toEqual([]);
  });

  test('comes after what is wrong anyway', () => {
    expect(failure('--enable-v2 --heartbeat-interval=0').line).toContain('--heartbeat-interval');
  });
});

describe('what has no effect', () => {
  test('is reported when it is not the default', () => {
    expect(warnings('--memory-mlock --backend-bbolt-freelist-type=array --backend-batch-limit=0 --pre-vote')).toEqual([
      { message: 'flag has no effect', fields: { flag: '--memory-mlock', value: 'true' } },
      { message: 'flag has no effect', fields: { flag: '--backend-bbolt-freelist-type', value: 'array' } },
    ]);
  });
});

test('a password is not shown', () => {
  expect(warnings('--discovery-password=hunter2 --discovery-user=me:hunter2')).toEqual([]);
  const line = failure('--discovery-password=hunter2 --discovery-token=x').line;
  expect(line).not.toContain('hunter2');
});

describe('logs', () => {
  test.each([
    ['--log-level=WARN', { level: 'warn' }],
    ['--log-level=', { level: 'info' }],
    ['--log-level=dpanic', { level: 'panic' }],
    ['--log-format=console', { format: 'console' }],
    ['--log-outputs=default', { outputs: ['stderr'] }],
    ['--log-outputs=stderr,stdout,stderr', { outputs: ['stderr', 'stdout'] }],
    ['--log-outputs=/var/log/x.log', { outputs: ['/var/log/x.log'] }],
    ['--log-outputs=a.log,file:///b.log,stdout', { outputs: ['a.log', '/b.log', 'stdout'] }],
    ['--log-outputs=a.log --log-rotation-config-json={', { rotation: undefined }],
  ])('%s', (flags, log) => expect(config(flags).log).toMatchObject(log));

  test.each([
    ['--logger=capnslog', 'invalid value "capnslog" for flag --logger'],
    ['--log-level=nope', 'invalid value "nope" for flag --log-level'],
    ['--log-level=constructor', 'for flag --log-level'],
    ['--log-format=xml', 'invalid value "xml" for flag --log-format'],
    ['--log-outputs=', 'invalid value "" for flag --log-outputs'],
    ['--log-outputs=http://x/y', 'invalid value "http://x/y" for flag --log-outputs'],
    ['--log-outputs=systemd/journal', 'invalid value "systemd/journal" for flag --log-outputs'],
    ['--log-outputs=stderr,', 'invalid value "stderr," for flag --log-outputs'],
    ['--log-outputs=default,stderr', 'invalid value "default,stderr" for flag --log-outputs: default must stand alone'],
  ])('%s fails', (flags, line) => expect(failure(flags).line).toContain(line));
});

describe('automatic compaction', () => {
  test.each([
    ['', undefined],
    ['--auto-compaction-retention=0', undefined],
    ['--auto-compaction-retention=', undefined],
    ['--auto-compaction-retention=2', { mode: 'periodic', retentionMs: 7_200_000 }],
    ['--auto-compaction-retention=90s', { mode: 'periodic', retentionMs: 90_000 }],
    ['--auto-compaction-mode=revision', undefined],
    [
      '--auto-compaction-mode=revision --auto-compaction-retention=1000',
      { mode: 'revision', retentionRevisions: 1000 },
    ],
    ['--auto-compaction-mode=revision --auto-compaction-retention=1us', { mode: 'revision', retentionRevisions: 1000 }],
  ])('%s', (flags, wanted) => expect(config(flags).autoCompaction).toEqual(wanted));
});

describe('log rotation', () => {
  const flags = '--enable-log-rotation --log-outputs=stderr,a.log --log-rotation-config-json=';
  const byDefault = { sizeBytesMax: 104_857_600, ageMsMax: 0, backupsMax: 0, localTime: false, compress: false };

  test.each([
    ['{}', byDefault],
    ['{"maxsize":0,"maxage":null,"nope":1}', byDefault],
    [
      '{"MaxSize":1,"maxage":2,"maxbackups":3,"localtime":true,"compress":true}',
      { sizeBytesMax: 1_048_576, ageMsMax: 172_800_000, backupsMax: 3, localTime: true, compress: true },
    ],
  ])('%s', (json, rotation) => expect(config(flags + json).log.rotation).toEqual(rotation));

  test('by default', () => {
    expect(config('--enable-log-rotation --log-outputs=a.log').log.rotation).toEqual(byDefault);
    expect(config('--enable-log-rotation --log-outputs=stderr,stdout').log.outputs).toEqual(['stderr', 'stdout']);
    expect(config('--log-outputs=a.log').log.rotation).toBeUndefined();
  });

  test.each(['', '{', '[]', 'null', '5', '{"maxsize":"x"}', '{"maxsize":1.5}', '{"maxage":-1}', '{"compress":1}'])(
    '%j fails',
    (json) => expect(failure(flags + json).line).toContain('for flag --log-rotation-config-json: '),
  );

  test.each(['stderr', 'default', 'a.log,b.log', 'stderr,a.log,b.log'])('--log-outputs=%s fails', (outputs) => {
    const { line } = failure(`--enable-log-rotation --log-outputs=${outputs}`);
    expect(line).toContain(`invalid value "${outputs}" for flag --log-outputs: log rotation needs exactly one file`);
  });
});

describe('other rules', () => {
  test.each([
    ['--auto-compaction-mode=foo', 'invalid value "foo" for flag --auto-compaction-mode'],
    ['--auto-compaction-mode=', 'invalid value "" for flag --auto-compaction-mode'],
    ['--auto-compaction-retention=abc', 'invalid value "abc" for flag --auto-compaction-retention'],
    ['--auto-compaction-retention=-5', 'invalid value "-5" for flag --auto-compaction-retention'],
    ['--auto-compaction-retention=-5m', 'invalid value "-5m" for flag --auto-compaction-retention'],
    ['--auto-compaction-retention=0x10', 'invalid value "0x10" for flag --auto-compaction-retention'],
    ['--compact-hash-check-time=0', 'invalid value "0" for flag --compact-hash-check-time'],
  ])('%s fails', (flags, line) => expect(failure(flags).line).toContain(line));

  test('limits beyond reason are warned about', () => {
    expect(warnings('--quota-backend-bytes=8589934592 --max-request-bytes=10485760 --metrics=extensive')).toEqual([]);
    expect(warnings('--quota-backend-bytes=-1')).toEqual([]);
    const messages = warnings('--quota-backend-bytes=8589934593 --max-request-bytes=10485761 --metrics=foo').map(
      ({ message }) => message,
    );
    expect(messages).toEqual([
      'quota exceeds the suggested maximum',
      'request size exceeds the suggested maximum',
      'unknown level of metrics; using basic',
    ]);
  });
});
