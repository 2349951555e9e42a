import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, NO_ETCD, startEtcd } from '../support/real-etcd.ts';

let dir = '';

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'snapshot-restore-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(bin: string, name: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(join(bin, name), args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}

/** History, a compaction, deletions, a lease, values over a page, keys of any bytes. */
async function fill(client: RawClient): Promise<void> {
  const { ID: lease } = await client.leaseGrant({ TTL: 1000 });
  for (let i = 0; i < 60; i++) {
    await client.put({ key: `k${i}`, value: `v${i}`, lease });
    await client.put({ key: `k${i % 7}`, value: Buffer.alloc(i * 400, 0x78) });
  }
  await client.deleteRange({ key: 'k1', range_end: 'k2' });
  await client.compact({ revision: 40n, physical: true });
  await client.put({ key: Buffer.from([0, 0xff, 0]), value: 'bytes' });
  for (let i = 0; i < 300; i++) await client.put({ key: `many/${i}`, value: Buffer.alloc(500, 0x79) });
}

it('a snapshot restored by etcdutl starts a real etcd with the same data', async (context) => {
  const bin = etcdBinDir();
  if (bin === undefined) {
    console.info(`skipped: ${NO_ETCD}`);
    context.skip(NO_ETCD);
    return;
  }
  const quorate = await startQuorate();
  const client = new RawClient(quorate.endpoint);
  await fill(client);
  const file = join(dir, 'snapshot.db');
  run(bin, 'etcdctl', '--endpoints', quorate.endpoint, 'snapshot', 'save', file);
  const hash = await client.hashKv(0);
  const range = await client.range({ key: '\0', range_end: '\0' });
  const leases = (await client.leaseLeases()).leases;
  client.close();
  await quorate.stop();

  const { revision, totalKey } = JSON.parse(run(bin, 'etcdutl', 'snapshot', 'status', file, '-w', 'json')) as {
    revision: number;
    totalKey: number;
  };
  expect(BigInt(revision)).toBe(range.header.revision);
  // Up to 3.5 it counts the rows of the other buckets too.
  expect(totalKey).toBeGreaterThanOrEqual(range.kvs.length);

  const dataDir = join(dir, 'restored');
  run(bin, 'etcdutl', 'snapshot', 'restore', file, '--data-dir', dataDir);
  const etcd = await startEtcd({ dataDir });
  const restored = new RawClient(etcd.endpoint);
  try {
    const etcdHash = await restored.hashKv(0);
    expect({ hash: etcdHash.hash, compacted: etcdHash.compact_revision }).toEqual({
      hash: hash.hash,
      compacted: hash.compact_revision,
    });
    expect((await restored.range({ key: '\0', range_end: '\0' })).kvs).toEqual(range.kvs);
    expect((await restored.leaseLeases()).leases).toEqual(leases);
  } finally {
    restored.close();
    await etcd.stop();
  }
});
