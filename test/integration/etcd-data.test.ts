/** quorate started on the data directory of an etcd: everything is there, and the member goes on as the same one. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, etcdToolPath, NO_ETCD, startEtcd } from '../support/real-etcd.ts';
import { readEverything, writeRichData } from '../support/rich-data.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { TestCluster } from '../support/test-cluster.ts';
import { until } from '../support/until.ts';

// Several servers start one after the other in each test.
vi.setConfig({ testTimeout: 120_000 });

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

describe.skipIf(!available)('a data directory of etcd', () => {
  let dir: string;

  withBundleForFile();
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'etcd-data-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  async function withClient<T>(server: ServerProcess, body: (client: RawClient) => Promise<T>): Promise<T> {
    const client = new RawClient(server.endpoint);
    try {
      return await body(client);
    } finally {
      client.close();
    }
  }

  async function ended(server: ServerProcess, signal: NodeJS.Signals): Promise<void> {
    server.signal(signal);
    await server.exited();
  }

  // The first way etcd's database is at the end of the log; the second way, somewhere before it.
  test.each(['SIGTERM', 'SIGKILL'] as const)('of an etcd ended by %s', async (signal) => {
    const dataDir = join(dir, signal);
    const etcd = await startEtcd({ dataDir, flags: ['--snapshot-count=50'] });
    const [before, members] = await withClient(etcd, async (client) => {
      await writeRichData(client);
      return [await readEverything(client), (await client.memberList()).members] as const;
    });
    await ended(etcd, signal);

    const quorate = await startQuorate({ dataDir, readyTimeoutMs: 60_000 });
    await withClient(quorate, async (client) => {
      expect(await readEverything(client)).toEqual(before);
      const { ID, name, peerURLs } = members[0] ?? {};
      expect((await client.memberList()).members).toMatchObject([{ ID, name, peerURLs }]);
      await client.alarm({ action: 'DEACTIVATE', memberID: ID ?? 0n, alarm: 'NOSPACE' });
      const { header } = await client.put({ key: 'later', value: 'x' });
      expect(header.revision).toBe(before.revision + 1n);
      expect(header.member_id).toBe(ID);
    });
    const log = quorate.logTail(1000);
    expect(log).toContain('the original is kept');
    expect(readdirSync(join(dataDir, 'member', 'snap')).filter((name) => !name.startsWith('quorate.mdb'))).toEqual([]);
    await quorate.kill();

    // From then on it is an ordinary directory of quorate's.
    await quorate.restart();
    await withClient(quorate, async (client) => {
      const after = await readEverything(client);
      expect([after.revision, after.alarms]).toEqual([before.revision + 1n, []]);
    });
    expect(quorate.logTail(1000)).not.toContain("taking over etcd's data");
    await quorate.stop();

    // The original is as etcd left it, and etcd goes on with it.
    const again = await startEtcd({ dataDir: join(dataDir, 'etcd-original') });
    expect(await withClient(again, readEverything)).toEqual(before);
    await again.stop();
  });

  test.each([
    ['as it is', []],
    ['with a raised revision', ['--bump-revision', '1000', '--mark-compacted']],
  ])('restored by etcdutl %s', async (name, flags) => {
    const file = join(dir, `${name}.db`);
    const source = await startEtcd();
    await withClient(source, async (client) => writeRichData(client, { auth: false, alarm: false }));
    run('etcdctl', '--endpoints', source.endpoint, 'snapshot', 'save', file);
    await source.stop();
    const dirs = ['etcd', 'quorate'].map((kind) => join(dir, `${name} ${kind}`));
    for (const dataDir of dirs) run('etcdutl', 'snapshot', 'restore', file, '--data-dir', dataDir, ...flags);
    const [etcdDir = '', quorateDir = ''] = dirs;
    const etcd = await startEtcd({ dataDir: etcdDir });
    const expected = await withClient(etcd, (client) => readEverything(client, { auth: false }));
    await etcd.stop();
    const quorate = await startQuorate({ dataDir: quorateDir, readyTimeoutMs: 60_000 });
    expect(await withClient(quorate, (client) => readEverything(client, { auth: false }))).toEqual(expected);
    await quorate.stop();
  });

  test('while that etcd runs is refused', async () => {
    const dataDir = join(dir, 'running');
    const etcd = await startEtcd({ dataDir, readyTimeoutMs: 60_000 });
    await expect(startQuorate({ dataDir })).rejects.toThrow(/in use by another process \(etcd, pid \d+\)/);
    expect(existsSync(join(dataDir, 'etcd-original'))).toBe(false);
    await etcd.stop();
  });

  test('of one of three members: it goes on among them', async () => {
    const cluster = await TestCluster.start(['etcd', 'etcd', 'etcd'], ['--snapshot-count=50']);
    try {
      const member = (await cluster.followers())[0];
      if (member === undefined) throw new Error('no follower');
      const [other] = cluster.running.filter((one) => one !== member);
      await writeRichData(member.client, { auth: false, alarm: false });
      await ended(member.server, 'SIGKILL');
      for (let i = 0; i < 20; i++) await other?.client.put({ key: `meanwhile ${i}`, value: 'x' });

      const peer = [`--listen-peer-urls=${member.peerUrl}`, `--initial-advertise-peer-urls=${member.peerUrl}`];
      const [name, dataDir] = [member.name, join(dir, 'member')];
      spawnSync('cp', ['-r', member.server.dataDir, dataDir]);
      const flags = [...peer, `--initial-cluster=${member.name}=${member.peerUrl}`];
      const quorate = await startQuorate({ name, dataDir, flags, readyTimeoutMs: 60_000 });
      await withClient(quorate, async (client) => {
        const mine = async (): Promise<unknown> => readEverything(client, { auth: false });
        expect(await mine()).toEqual(await readEverything(other?.client ?? client, { auth: false }));
        expect((await client.status()).header.member_id).toBe(member.id);
        await until('this member leads', async () => {
          const { leader } = await client.status();
          const leading = cluster.members.find(({ id }) => id === leader);
          if (leader !== member.id) await leading?.client.moveLeader(member.id);
          return leader === member.id;
        });
        await client.put({ key: 'led by quorate', value: 'x' });
        const { members } = await client.memberList();
        expect(members.length).toBe(3);
        expect(await mine()).toEqual(await readEverything(other?.client ?? client, { auth: false }));
      });
      await quorate.stop();
    } finally {
      await cluster.stop();
    }
  });
});

function run(tool: 'etcdctl' | 'etcdutl', ...args: string[]): void {
  const { status, stderr } = spawnSync(etcdToolPath(tool), args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${tool} ${args.join(' ')} failed: ${stderr}`);
}
