/**
 * The same command lines to a real etcd: what it refuses is refused here, before anything is written, and what its flag parser
 * takes is taken here. quorate's side runs in this process and can write nothing: parseCommandLine() gets no means to.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseFlags } from '../../../src/config/flags.ts';
import { findOption } from '../../../src/config/options.ts';
import { ConfigError } from '../../../src/config/config-error.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import { failure, parse } from './run.ts';
import { etcdFlags, type EtcdRun, runEtcd } from './run-etcd.ts';

const HAS_ETCD = etcdBinDir() !== undefined;
if (!HAS_ETCD) console.warn(`skipped: comparison with etcd's flags: ${NO_ETCD}`);

interface Outcome extends EtcdRun {
  /** The line that says what is wrong. */
  readonly line: string;
}

async function etcd(argv: readonly string[], env?: Record<string, string>, file?: string): Promise<Outcome> {
  const run = await runEtcd(argv, env, file);
  return { ...run, line: complaint(run.err) };
}

function complaint(err: string): string {
  const lines = err.split('\n').filter((line) => line !== '');
  const errors = lines
    .map((line) => /"error":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1])
    .filter((text) => text !== undefined);
  return errors[0] ?? lines.findLast((line) => line.includes('"level":"fatal"')) ?? lines[0] ?? '';
}

/** With SHOW_LINES=1, both sides' lines are printed one under the other, for someone to read. */
const report: string[] = [];
afterAll(() => {
  if (process.env['SHOW_LINES'] === '1') console.log(report.join('\n'));
});

function note(what: string, theirs: Outcome, ours: string): void {
  report.push(`${what}\n  etcd:    ${theirs.line.slice(0, 200)}\n  quorate: ${ours}`);
}

/** etcd finds these wrong only after it has made its data directory; here nothing is made. */
const LATE = new Set([
  '--name=',
  '--initial-cluster=a=http://localhost:2380',
  '--initial-cluster=default=http://localhost:9999',
]);

/** It listens before that, and somebody may be on the usual ports. What it advertises stays as it is. */
const ANY_PORTS = [
  '--listen-peer-urls=http://127.0.0.1:0',
  '--listen-client-urls=http://127.0.0.1:0',
  '--advertise-client-urls=http://localhost:2379',
];

describe.skipIf(!HAS_ETCD)('bad input', () => {
  test.each([
    '--nope',
    '---name=x',
    '--name',
    'foo',
    '--name x foo',
    '--pre-vote false',
    '--pre-vote=maybe',
    '--name=a=b',
    '--snapshot-count=abc',
    '--snapshot-count=-1',
    '--max-concurrent-streams=4294967296',
    '--quota-backend-bytes=99999999999999999999',
    '--grpc-keepalive-min-time=5',
    '--initial-cluster-state=foo',
    '--heartbeat-interval=0',
    '--heartbeat-interval=300',
    '--election-timeout=50001',
    '--listen-client-urls=foo',
    '--listen-client-urls=http://127.0.0.1',
    '--listen-client-urls=ftp://127.0.0.1:2379',
    '--listen-client-urls=http://127.0.0.1:2379/path',
    '--listen-client-urls=http://127.0.0.1:abc',
    '--listen-client-urls=http://127.0.0.1:22379',
    '--listen-client-urls=http://example.com:2379 --advertise-client-urls=http://example.com:2379',
    '--listen-client-urls=https://127.0.0.1:22379 --advertise-client-urls=https://127.0.0.1:22379',
    '--listen-client-urls=unixs://22379 --advertise-client-urls=https://127.0.0.1:22379',
    '--listen-client-urls=http://127.0.0.1:22379 --advertise-client-urls=http://127.0.0.1:22379 --listen-client-http-urls=http://127.0.0.1:22379',
    '--listen-client-http-urls=https://127.0.0.1:22378',
    '--listen-peer-urls=https://127.0.0.1:22380',
    '--tls-min-version=TLS1.1',
    '--tls-max-version=foo',
    '--tls-min-version=TLS1.3 --tls-max-version=TLS1.2',
    '--tls-min-version=TLS1.3 --cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    '--cipher-suites=TLS_NOPE',
    '--cipher-suites=ECDHE-RSA-AES128-GCM-SHA256',
    '--listen-peer-urls=http://example.com:2380',
    '--listen-metrics-urls=http://example.com:2381',
    '--advertise-client-urls=http://:2379',
    '--initial-advertise-peer-urls=http://:2380',
    '--initial-cluster=default=foo',
    '--initial-cluster=garbage',
    ...LATE,
    '--initial-cluster=default=http://localhost:2380 --discovery-srv=foo',
    '--auto-compaction-mode=foo',
    '--auto-compaction-retention=abc',
    '--auto-compaction-mode=revision --auto-compaction-retention=-5',
    '--enable-log-rotation',
    '--enable-log-rotation --log-outputs=a.log,b.log',
    '--enable-log-rotation --log-outputs=a.log --log-rotation-config-json={',
    '--enable-log-rotation --log-outputs=a.log --log-rotation-config-json={"maxsize":"x"}',
    '--enable-log-rotation --log-outputs=a.log --log-rotation-config-json=[]',
    '--log-outputs=http://x/y',
    '--log-outputs=systemd/journal',
    '--log-level=nope',
    '--log-outputs=',
    '--log-outputs=default,stderr',
    '--logger=capnslog',
    '--cors=foo',
    '--config-file=/nonexistent/quorate.yaml',
  ])('%s', async (flags) => {
    const theirs = await etcd([...flags.split(' '), ...(LATE.has(flags) ? ANY_PORTS : [])]);
    const ours = failure(flags);
    note(flags, theirs, ours.line);
    expect(theirs.code).toBeGreaterThan(0);
    expect(ours.exitCode).toBeGreaterThan(0);
    expect(theirs.wrote).toHaveLength(LATE.has(flags) ? 1 : 0);
    // Where etcd panics, its exit code says nothing.
    expect(ours.exitCode).toBe(theirs.line.startsWith('panic') ? 1 : theirs.code);
  });

  test.each([
    [{ ETCD_NAME: 'a' }, '--name=a'],
    [{ ETCD_NAME: '' }, '--name=a'],
    [{ ETCD_HEARTBEAT_INTERVAL: 'x' }, ''],
    [{ ETCD_LISTEN_CLIENT_URLS: 'http://127.0.0.1:22379' }, ''],
  ] as [Record<string, string>, string][])('%j %s', async (env, flags) => {
    const theirs = await etcd(flags === '' ? [] : [flags], env);
    const ours = failure(flags, env);
    note(`${JSON.stringify(env)} ${flags}`, theirs, ours.line);
    expect(theirs).toMatchObject({ code: ours.exitCode, wrote: [] });
  });

  test.each([
    'name: 5',
    'name: on',
    'name: [',
    '- a',
    'hello',
    'heartbeat-interval: "5"',
    'heartbeat-interval: 300',
    'pre-vote: "yes"',
    'grpc-keepalive-min-time: 5s',
    'listen-client-urls: foo',
    'listen-client-urls: [http://127.0.0.1:22379]',
    'log-outputs: stderr',
    'initial-cluster-state: foo',
    'client-transport-security: foo',
    'max-txn-ops: -1',
  ])('file %j', async (file) => {
    const theirs = await etcd(['--config-file=quorate.yaml'], {}, file);
    const ours = failure('--config-file=quorate.yaml', {}, file);
    note(file, theirs, ours.line);
    expect(theirs).toMatchObject({ code: ours.exitCode, wrote: [] });
  });
});

/** With --version, etcd parses its flags and ends with 0, or with the code of what is wrong with them. */
describe.skipIf(!HAS_ETCD)('the flag parser', () => {
  const INTEGERS = [
    '0',
    '07',
    '08',
    '0x1F',
    '0X1f',
    '0b1',
    '0b2',
    '0o7',
    '0_7',
    '1_0',
    '1__0',
    '_1',
    '1_',
    '+1',
    '-1',
    '1e3',
    '1.0',
    '',
    ' 1',
    '18446744073709551615',
    '18446744073709551616',
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '-9223372036854775809',
  ];
  const DURATIONS = [
    '0',
    '-0',
    '+0',
    '00',
    '5',
    '5s',
    '.5s',
    '5.s',
    '.s',
    '1h2m',
    '1h 2m',
    '1h-2m',
    '-1h2m',
    '--1h',
    '1us',
    '1µs',
    '1μs',
    '1ns',
    '1d',
    '1S',
    '',
    's',
    '2562047h',
    '2562048h',
    '1h1',
    '1_0s',
    '0x1s',
    '0.0000000001s',
  ];
  const BOOLEANS = [
    '1',
    '0',
    't',
    'f',
    'T',
    'F',
    'true',
    'false',
    'TRUE',
    'FALSE',
    'True',
    'False',
    'tRUE',
    '',
    'yes',
    'on',
    'false=x',
    ' true',
  ];
  const URLS = [
    '',
    'http://a:1',
    'http://a:1,',
    ',http://a:1',
    ' http://a:1',
    'http://a:1, http://b:2',
    'HTTP://a:1',
    'http://a',
    'http://a/',
    'http://a:1/',
    'http://[::1]:1',
    'http://::1:1',
    'http://[::1:1',
    'http://:1',
    'a:1',
    '//a:1',
    'http:a:1',
    'unix://a',
    'unix:///a/b',
    'unixs://a:1',
    'tcp://a:1',
    'http://a:b',
    'http://a:-1',
    'http://a b:1',
  ];
  const CHOICES = ['new', 'existing', 'New', '', 'old'];
  const CASES = [
    ...INTEGERS.flatMap((value) =>
      ['snapshot-count', 'quota-backend-bytes', 'max-concurrent-streams'].map((flag) => `--${flag}=${value}`),
    ),
    ...DURATIONS.map((value) => `--grpc-keepalive-interval=${value}`),
    ...BOOLEANS.map((value) => `--pre-vote=${value}`),
    ...URLS.map((value) => `--listen-client-urls=${value}`),
    ...CHOICES.map((value) => `--initial-cluster-state=${value}`),
  ];

  test(`takes and refuses the same ${CASES.length} values`, async () => {
    const differences: string[] = [];
    const compare = async (flag: string): Promise<void> => {
      const { code } = await etcd([flag, '--version']);
      const ours = exitCodeOf([flag]);
      if (code !== ours) differences.push(`${JSON.stringify(flag)}: etcd ${code}, quorate ${ours}`);
    };
    for (let i = 0; i < CASES.length; i += 4) await Promise.all(CASES.slice(i, i + 4).map(compare));
    expect(differences).toEqual([]);
  });

  function exitCodeOf(argv: string[]): number {
    try {
      parseFlags(argv);
      return 0;
    } catch (error) {
      if (error instanceof ConfigError) return error.exitCode;
      throw error;
    }
  }
});

describe.skipIf(!HAS_ETCD)("etcd's --help", () => {
  /** Where releases of etcd differ from another, the table follows 3.6. */
  const CHANGED = new Set([
    'snapshot-count',
    'discovery-fallback',
    'data-dir',
    'max-concurrent-streams',
    'backend-batch-interval',
  ]);
  let help = '';
  beforeAll(async () => {
    help = (await etcd(['--help'])).out;
  });

  test('names no flag that is not in the table', async () => {
    const names = await etcdFlags();
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter((name) => findOption(name) === undefined)).toEqual([]);
  });

  test('has the defaults of the table', () => {
    const rows = Array.from(help.matchAll(/^ {2}--([a-z0-9-]+) '?([^'\n]*)'?$/gm), ([, name = '', value = '']) => ({
      name,
      value,
    }));
    expect(rows.length).toBeGreaterThan(90);
    const differing = rows.filter(({ name, value }) => !CHANGED.has(name) && findOption(name)?.spec.default !== value);
    expect(differing).toEqual([]);
  });

  test('is printed for the same arguments', async () => {
    for (const argv of [['-h'], ['--help=false'], ['--name', 'x', '-h', '--nope']]) {
      expect((await etcd(argv)).code).toBe(0);
      expect(parse(argv).kind).toBe('print');
    }
  });
});
