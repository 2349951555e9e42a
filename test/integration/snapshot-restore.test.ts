/** The way back: what quorate holds, by its snapshot, in a real etcd. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, etcdToolPath, NO_ETCD, startEtcd, type EtcdTool } from '../support/real-etcd.ts';
import { readEverything, writeRichData } from '../support/rich-data.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 120_000 });

let dir = '';

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'snapshot-restore-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(tool: EtcdTool, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(etcdToolPath(tool), args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${tool} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}

it('a snapshot restored by etcdutl starts a real etcd with everything in it', async (context) => {
  if (etcdBinDir() === undefined) {
    console.info(`skipped: ${NO_ETCD}`);
    context.skip(NO_ETCD);
    return;
  }
  const quorate = await startQuorate();
  const client = new RawClient(quorate.endpoint);
  await writeRichData(client);
  const before = await readEverything(client);
  const { members } = await client.memberList();
  const file = join(dir, 'snapshot.db');
  run('etcdctl', '--endpoints', quorate.endpoint, '--user', 'root:secret', 'snapshot', 'save', file);
  client.close();
  await quorate.stop();

  const status = JSON.parse(run('etcdutl', 'snapshot', 'status', file, '-w', 'json')) as { revision: number };
  expect(BigInt(status.revision)).toBe(before.revision);

  const dataDir = join(dir, 'restored');
  const [self] = members;
  const peerUrl = self?.peerURLs[0] ?? '';
  const flags = ['--name=n1', `--initial-cluster=n1=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`];
  run('etcdutl', 'snapshot', 'restore', file, '--data-dir', dataDir, ...flags);
  const etcd = await startEtcd({ dataDir });
  const restored = new RawClient(etcd.endpoint);
  try {
    expect(await readEverything(restored)).toEqual(before);
    // The members are those that the restore was told of: here, as before.
    expect((await restored.memberList()).members).toMatchObject([{ name: 'n1', peerURLs: [peerUrl], ID: self?.ID }]);
    await until('a write, once the alarm is off', async () => {
      const { alarms } = await restored.alarm({ action: 'GET' });
      for (const { memberID } of alarms) await restored.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
      const { header } = await restored.put({ key: 'later', value: 'x' });
      return header.revision === before.revision + 1n;
    });
  } finally {
    restored.close();
    await etcd.stop();
  }
});
