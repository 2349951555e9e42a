/** kill -9 while quorate takes over a data directory of etcd's: the next start finishes it, or begins again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { utf8Encode } from '../../src/base/utf8.ts';
import { encodeKeyValue } from '../../src/mvcc/key-value.ts';
import { encodeRevision } from '../../src/mvcc/revision.ts';
import { NodeFileSystem } from '../../src/platform/node-file-system.ts';
import { DatabaseWriter } from '../../src/storage/bbolt/database-writer.ts';
import { GatheringFile } from '../../src/storage/bbolt/gathering-file.ts';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { quorateCommand, startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { quorateOutput } from '../support/run-subcommand.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const KEYS = 8000;
let dir: string;
let original: string;
let hash: unknown;

withBundleForFile();

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'etcd-data-kill-'));
  const file = join(dir, 'backup.db');
  writeDatabase(file);
  original = join(dir, 'original');
  await quorateOutput('snapshot', 'restore', file, '--data-dir', original, '--skip-hash-check');
  hash = JSON.parse(await quorateOutput('hashkv', file, '-w', 'json'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function writeDatabase(path: string): void {
  const file = new NodeFileSystem().open(path, 'create');
  const gathered = new GatheringFile(file);
  const writer = new DatabaseWriter(gathered);
  writer.beginBucket('key');
  for (let at = 0; at < KEYS; at++) {
    const main = at + 2;
    const kv = encodeKeyValue(utf8Encode(`key/${at % 3000}`), main, main, 1, new Uint8Array(200).fill(at), 0n);
    writer.add(encodeRevision(main, 0), kv);
  }
  writer.endBucket();
  writer.beginBucket('meta');
  writer.endBucket();
  writer.finish();
  gathered.flush();
  file.close();
}

/** Starts on the directory and kills the process as soon as `isTime`. Throws where it has ended before. */
async function killedWhen(dataDir: string, isTime: () => boolean): Promise<void> {
  const { file, args } = quorateCommand();
  const urls = ['client', 'peer'].map((kind) => `--listen-${kind}-urls=unix://${join(dataDir, kind)}`);
  const child = spawn(file, [...args, `--data-dir=${dataDir}`, ...urls, '--advertise-client-urls=http://localhost:1'], {
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  while (child.exitCode === null && !isTime()) await sleep(1);
  child.kill('SIGKILL');
  await exited;
  if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
}

test.each(['import.mdb.tmp', 'import.mdb', 'import.aside', 'quorate.mdb'])('when %s appears', async (name) => {
  const dataDir = join(dir, name);
  cpSync(original, dataDir, { recursive: true });
  const snap = join(dataDir, 'member/snap');
  await killedWhen(dataDir, () => existsSync(join(snap, name)));
  const isTaken = existsSync(join(snap, 'quorate.mdb'));
  if (!isTaken) expect(readFileSync(join(snap, 'db')).equals(originalDatabase())).toBe(true);
  const quorate = await startQuorate({ dataDir, readyTimeoutMs: 90_000 });
  const client = new RawClient(quorate.endpoint);
  try {
    const found = await client.hashKv(0);
    expect({ hash: found.hash, revision: Number(found.header.revision) }).toEqual({
      hash: (hash as { hash: number }).hash,
      revision: KEYS + 1,
    });
  } finally {
    client.close();
    await quorate.stop();
  }
  expect(readFileSync(join(dataDir, 'etcd-original/member/snap/db')).equals(originalDatabase())).toBe(true);
  expect(readdirSync(join(dataDir, 'etcd-original/member/wal')).length).toBe(1);
  expect(readdirSync(snap).filter((left) => !left.startsWith('quorate.mdb'))).toEqual([]);
});

function originalDatabase(): Buffer {
  return readFileSync(join(original, 'member/snap/db'));
}
