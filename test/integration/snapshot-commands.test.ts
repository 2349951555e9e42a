/** `quorate snapshot` and `quorate hashkv` beside etcd's tools: the same files, the same output. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { bucketsOf, recordsOf, snapOf } from '../support/database-contents.ts';
import { freePort } from '../support/free-port.ts';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, etcdToolPath, NO_ETCD, startEtcd } from '../support/real-etcd.ts';
import { loginAsRoot, readEverything, writeRichData, type Everything } from '../support/rich-data.ts';
import { quorateOutput, runQuorate } from '../support/run-subcommand.ts';
import type { ServerProcess } from '../support/server-process.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

const LOGIN = ['--user', 'root:secret'];

function etcdOutput(tool: 'etcdctl' | 'etcdutl', ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(etcdToolPath(tool), args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${tool} ${args.join(' ')} failed: ${stderr}`);
  return stdout.trimEnd();
}

/** What every etcdutl says alike. */
function comparable(status: string): unknown {
  const { hash, revision, totalSize } = JSON.parse(status) as Record<string, number>;
  return { hash, revision, totalSize };
}

describe.skipIf(!available)('commands for snapshots', () => {
  let dir: string;
  /** Of an etcd and of a quorate: saved by quorate's command, and by etcdctl. */
  const snapshots: Record<string, string> = {};
  let source: ServerProcess;
  let client: RawClient;
  let everything: Everything;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'snapshot-commands-'));
    const quorate = await startQuorate();
    source = await startEtcd();
    await withClient(quorate, (other) => writeRichData(other));
    client = new RawClient(source.endpoint);
    await writeRichData(client);
    everything = await readEverything(client);
    for (const server of [source, quorate]) {
      const paths = ['by-quorate', 'by-etcdctl'].map((name) => join(dir, `${server.kind}-${name}.db`));
      const [own = '', etcds = ''] = paths;
      const saved = await quorateOutput('snapshot', 'save', own, '--endpoints', server.endpoint, ...LOGIN);
      expect(saved).toBe(`Snapshot saved at ${own}`);
      etcdOutput('etcdctl', '--endpoints', server.endpoint, ...LOGIN, 'snapshot', 'save', etcds);
      snapshots[`${server.kind}, saved by quorate`] = own;
      snapshots[`${server.kind}, saved by etcdctl`] = etcds;
    }
    await quorate.stop();
  });

  afterAll(async () => {
    client?.close();
    await source?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function withClient<T>(server: ServerProcess, body: (client: RawClient) => Promise<T>): Promise<T> {
    const other = new RawClient(server.endpoint);
    try {
      return await body(other);
    } finally {
      other.close();
    }
  }

  function snapshotOf(name: string): string {
    return snapshots[name] ?? '';
  }

  test('status prints what etcdutl 3.5 prints, in every format', async () => {
    const isAlike = /^etcdutl version: 3\.5\./m.test(etcdOutput('etcdutl', 'version'));
    const files = Object.values(snapshots);
    expect(files.length).toBe(4);
    for (const file of files) {
      for (const format of ['simple', 'table', 'json', 'fields']) {
        const expected = etcdOutput('etcdutl', 'snapshot', 'status', file, '-w', format);
        const found = await quorateOutput('snapshot', 'status', file, '-w', format);
        if (isAlike) expect(found).toBe(expected);
        // Later ones count other keys, and tell a version.
        else if (format === 'json') expect(comparable(found)).toEqual(comparable(expected));
      }
    }
  });

  test('hashkv is the hash that the server answers with, at any revision', async () => {
    const file = snapshotOf('etcd, saved by quorate');
    await loginAsRoot(client);
    for (const revision of [0, 25, 40]) {
      const found = await quorateOutput('hashkv', file, '--rev', String(revision), '-w', 'json');
      const { hash, compact_revision } = await client.hashKv(revision);
      const hashRevision = revision === 0 ? Number(everything.revision) : revision;
      expect(JSON.parse(found)).toEqual({ hash, hashRevision, compactRevision: Number(compact_revision) });
    }
    const { error, exitCode } = await runQuorate('hashkv', file, '--rev', '3');
    expect([error, exitCode]).toEqual(['Error: etcdserver: mvcc: required revision has been compacted', 1]);
  });

  test.each([
    ['a single member', []],
    ['a raised revision', ['--bump-revision', '1000', '--mark-compacted']],
    [
      'one of three members',
      [
        '--name=b',
        '--initial-cluster=a=http://h1:1,b=http://h2:1,b=http://h2:2,c=http://h3:1',
        '--initial-advertise-peer-urls=http://h2:2,http://h2:1',
        '--initial-cluster-token=token',
      ],
    ],
  ])('restore makes the directory that etcdutl makes: %s', async (name, flags) => {
    for (const kind of ['etcd', 'quorate']) {
      const file = snapshotOf(`${kind}, saved by quorate`);
      const [theirs, ours] = ['etcdutl', 'quorate'].map((tool) => join(dir, `${name} of ${kind} by ${tool}`));
      if (theirs === undefined || ours === undefined) throw new Error('no directories');
      // It looks the host names up.
      const isLocal = name !== 'one of three members';
      if (isLocal) etcdOutput('etcdutl', 'snapshot', 'restore', file, '--data-dir', theirs, ...flags);
      const text = await quorateOutput('snapshot', 'restore', file, '--data-dir', ours, ...flags);
      expect(text).toBe(`Snapshot ${file} restored to ${ours}`);
      if (!isLocal) {
        expect(Object.keys(bucketsOf(join(ours, 'member/snap/db'))['members'] ?? {}).length).toBe(3);
        expect(recordsOf(join(ours, 'member/wal')).length).toBe(7);
        continue;
      }
      expect(readdirSync(join(ours, 'member'))).toEqual(['snap', 'wal']);
      const expected = bucketsOf(join(theirs, 'member/snap/db'));
      // etcdutl leaves the voters of the old cluster there; etcd takes them from the log.
      const confState = expect.stringContaining('voters') as string;
      expect(bucketsOf(join(ours, 'member/snap/db'))).toEqual({
        ...expected,
        meta: { ...expected['meta'], confState },
      });
      expect(recordsOf(join(ours, 'member/wal'))).toEqual(recordsOf(join(theirs, 'member/wal')));
      expect(snapOf(join(ours, 'member/snap'))).toEqual(snapOf(join(theirs, 'member/snap')));
    }
  });

  test.each(['etcd', 'quorate'] as const)('%s starts on a restored directory, with everything in it', async (kind) => {
    const dataDir = join(dir, `started by ${kind}`);
    const walDir = join(dir, `log of ${kind}`);
    const file = snapshotOf('etcd, saved by quorate');
    await quorateOutput('snapshot', 'restore', file, '--data-dir', dataDir, '--wal-dir', walDir);
    const start = kind === 'etcd' ? startEtcd : startQuorate;
    const server = await start({ dataDir, flags: [`--wal-dir=${walDir}`] });
    expect(await withClient(server, (restored) => readEverything(restored))).toEqual(everything);
    await server.stop();
  });

  test('three members restored of one file are one cluster, an etcd among them', async () => {
    const file = snapshotOf('quorate, saved by etcdctl');
    const kinds = { a: startQuorate, b: startEtcd, c: startQuorate };
    const urls: Record<string, string> = {};
    for (const name of Object.keys(kinds)) urls[name] = `http://127.0.0.1:${await freePort()}`;
    const cluster = Object.entries(urls).map(([name, url]) => `${name}=${url}`);
    const servers = await Promise.all(
      Object.entries(kinds).map(async ([name, start]) => {
        const dataDir = join(dir, `member ${name}`);
        const flags = [`--initial-cluster=${cluster.join()}`, `--initial-advertise-peer-urls=${urls[name]}`];
        const restore = ['--data-dir', dataDir, '--name', name, '--bump-revision=1000', '--mark-compacted', ...flags];
        await quorateOutput('snapshot', 'restore', file, ...restore);
        return start({ name, dataDir, flags: [...flags, `--listen-peer-urls=${urls[name]}`], readyTimeoutMs: 60_000 });
      }),
    );
    try {
      const found = await Promise.all(servers.map((server) => withClient(server, (one) => readEverything(one))));
      expect(found[0]?.revision).toBe(everything.revision + 1000n);
      expect(found[1]).toEqual(found[0]);
      expect(found[2]).toEqual(found[0]);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });

  test('a copy of a database is restored where its missing checksum is said not to matter', async () => {
    const copy = join(dir, 'copy.db');
    cpSync(join(source.dataDir, 'member/snap/db'), copy);
    const args = ['snapshot', 'restore', copy, '--data-dir', join(dir, 'of a copy')];
    const { error } = await runQuorate(...args);
    expect(error).toBe(`Error: ${copy}: snapshot missing hash but --skip-hash-check=false`);
    await quorateOutput(...args, '--skip-hash-check');
    const { key } = bucketsOf(join(dir, 'of a copy', 'member/snap/db'));
    expect(key).toEqual(bucketsOf(snapshotOf('etcd, saved by quorate'))['key']);
  });

  test('what cannot be done is said in one line, and leaves nothing behind', async () => {
    const file = snapshotOf('etcd, saved by quorate');
    const [made, empty, taken] = ['made', 'empty', 'taken'].map((name) => join(dir, name));
    if (made === undefined || empty === undefined || taken === undefined) throw new Error('no directories');
    mkdirSync(empty);
    mkdirSync(taken);
    writeFileSync(join(taken, 'file'), '');
    const damaged = join(dir, 'damaged.db');
    const bytes = readFileSync(file);
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1;
    writeFileSync(damaged, bytes);
    const restore = ['snapshot', 'restore', file, '--data-dir', made];
    const cases: [string[], string | RegExp, number][] = [
      [['snapshot', 'status', join(dir, 'none')], `Error: stat ${dir}/none: no such file or directory`, 1],
      [['snapshot', 'status', process.execPath], /^Error: .*: invalid database: no valid meta page$/, 1],
      [['snapshot', 'status', file, '-w', 'protobuf'], 'Error: protobuf not supported as output format', 128],
      [
        ['snapshot', 'restore', damaged, '--data-dir', made],
        /^Error: .*: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}$/,
        1,
      ],
      [['snapshot', 'restore', damaged, '--data-dir', empty], /expected sha256/, 1],
      [
        ['snapshot', 'restore', file, '--data-dir', taken],
        `Error: data-dir "${taken}" not empty or could not be read`,
        1,
      ],
      [[...restore, '--wal-dir', taken], `Error: wal-dir "${taken}" exists`, 1],
      [[...restore, '--bump-revision', '7'], 'Error: --mark-compacted required if --bump-revision > 0', 128],
      [[...restore, '--mark-compacted'], 'Error: --mark-compacted is only for use with --bump-revision > 0', 128],
      [[...restore, '--name', 'x'], `Error: couldn't find local name "x" in the initial cluster configuration`, 1],
      [[...restore, '--nonsense'], 'Error: Unknown argument: nonsense', 1],
      [['snapshot', 'restore', file], 'Error: Missing required argument: data-dir', 1],
      [['snapshot', 'save', made, '--endpoints', source.endpoint], /^Error: (auth|etcdserver): user name is empty$/, 1],
      [
        ['snapshot', 'save', made, '--endpoints', '127.0.0.1:1', '--dial-timeout', '50ms'],
        /cannot connect within 0.05 s$/,
        1,
      ],
      [['snapshot', 'save', made, '--endpoints', 'a:1,b:2'], /not multiple \[a:1 b:2\]$/, 128],
    ];
    for (const [args, text, code] of cases) {
      const { error, exitCode, out } = await runQuorate(...args);
      if (typeof text === 'string') expect(error).toBe(text);
      else expect(error).toMatch(text);
      expect([error.includes('\n'), exitCode, out], args.join(' ')).toEqual([false, code, '']);
    }
    expect(existsSync(made)).toBe(false);
    expect(existsSync(`${made}.part`)).toBe(false);
    expect([readdirSync(empty), readdirSync(taken)]).toEqual([[], ['file']]);
  });
});
