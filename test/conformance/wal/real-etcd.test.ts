/** The WAL is etcd's: quorate reads what a real etcd wrote, and a real etcd starts on what quorate wrote. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeEntry, type Entry, type HardState } from '../../../src/gen/raftpb.ts';
import { decodeInternalRaftRequest, encodeInternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import { decodePutRequest, encodePutRequest } from '../../../src/gen/rpc.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import { NodeFileSystem } from '../../../src/platform/node-file-system.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { RecoveredLog } from '../../../src/server/durable-log.ts';
import { SnapFiles } from '../../../src/storage/snap/snap-files.ts';
import { RecordType } from '../../../src/storage/wal/format.ts';
import { createWal, openWal } from '../../../src/storage/wal/open.ts';
import { RecordEncoder } from '../../../src/storage/wal/record-encoder.ts';
import { readWal } from '../../../src/storage/wal/recovery.ts';
import { SegmentReader } from '../../../src/storage/wal/segment-reader.ts';
import type { Wal } from '../../../src/storage/wal/wal.ts';
import type { WalOptions } from '../../../src/storage/wal/wal-options.ts';
import { RawClient } from '../../support/raw-client.ts';
import { NO_ETCD, etcdBinDir, startEtcd } from '../../support/real-etcd.ts';
import type { ServerProcess } from '../../support/server-process.ts';

const fs = new NodeFileSystem();
const root = mkdtempSync(join(tmpdir(), 'quorate-wal-etcd-'));
const servers: ServerProcess[] = [];
const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

afterAll(async () => {
  for (const server of servers) await server.stop();
  rmSync(root, { recursive: true });
});

async function start(dataDir: string, flags: string[] = []): Promise<{ server: ServerProcess; client: RawClient }> {
  const server = await startEtcd({ dataDir, flags });
  servers.push(server);
  return { server, client: new RawClient(server.endpoint) };
}

function walDir(dataDir: string): string {
  return join(dataDir, 'member', 'wal');
}

function walFiles(dataDir: string): string[] {
  return readdirSync(walDir(dataDir))
    .filter((name) => name.endsWith('.wal'))
    .sort((a, b) => (a < b ? -1 : 1));
}

function options(dataDir: string, more: Partial<WalOptions> = {}): WalOptions {
  return { fs, dir: walDir(dataDir), clock: new NodeClock(), logger: silentLogger, ...more };
}

/** key=value of every put in the log, in order. */
function puts(entries: readonly Entry[]): string[] {
  const out: string[] = [];
  for (const { data, type } of entries) {
    if (type !== 0 || data.length === 0) continue;
    let put: Uint8Array | undefined;
    try {
      put = decodeInternalRaftRequest(data).put;
    } catch {
      // A request of the v2 store, which etcd 3.5 still logs.
      continue;
    }
    if (put === undefined) continue;
    const { key, value } = decodePutRequest(put);
    out.push(`${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
  }
  return out;
}

/** Encodes the file's records again, one by one; returns the bytes, and those of the file up to the same length. */
function encodedAgain(path: string): { again: Buffer; file: Buffer; records: number } {
  const reader = new SegmentReader(fs.open(path, 'read'), path, true, undefined);
  let encoder: RecordEncoder | undefined;
  let records = 0;
  while (reader.next() === 'record') {
    encoder ??= new RecordEncoder(reader.crc ?? 0);
    if (reader.type === RecordType.crc) encoder.crcRecord();
    else if (reader.type === RecordType.entry) encoder.entry(decodeEntry(reader.data));
    else encoder.record(reader.type, reader.data);
    records++;
  }
  const again = Buffer.from(encoder?.take() ?? []);
  return { again, file: readFileSync(path).subarray(0, again.length), records };
}

async function finished(wal: Wal): Promise<void> {
  await new Promise<void>((resolve, reject) => wal.close((error) => (error ? reject(error) : resolve())));
}

describe.runIf(available)('with a real etcd', () => {
  const dataDir = join(root, 'etcd');
  const expected = Array.from({ length: 60 }, (_, i) => `key${i}=${'v'.repeat(i * 7)}`);
  let log: RecoveredLog;

  test('what it wrote is read, and encodes to the same bytes', async () => {
    const { server, client } = await start(dataDir, ['--snapshot-count=20']);
    for (const pair of expected) {
      const [key = '', value = ''] = pair.split('=');
      await client.put({ key, value });
    }
    const status = await client.status();
    client.close();
    await server.kill();

    log = readWal(fs, walDir(dataDir), 0);
    expect(puts(log.entries)).toEqual(expected);
    expect(log.metadata.nodeID).toBe(status.header.member_id);
    expect(log.metadata.clusterID).toBe(status.header.cluster_id);
    expect(log.hardState.vote).toBe(log.metadata.nodeID);
    expect(log.hardState.commit).toBe(Number(status.raftIndex));
    expect(log.entries.map((entry) => entry.index)).toEqual(Array.from(log.entries, (_, i) => i + 1));

    const newest = log.marks.at(-1);
    expect(newest?.index).toBeGreaterThan(20);
    expect(newest?.confState?.voters).toEqual([log.metadata.nodeID]);
    const fromMark = readWal(fs, walDir(dataDir), undefined);
    expect(fromMark.start).toEqual({ index: newest?.index, term: newest?.term });
    expect(fromMark.entries).toEqual(log.entries.slice(newest?.index));

    for (const name of walFiles(dataDir)) {
      const { again, file, records } = encodedAgain(join(walDir(dataDir), name));
      expect(records).toBeGreaterThan(60);
      expect(again.equals(file)).toBe(true);
    }
  });

  test('its snapshot files are read, and encode to the same bytes', () => {
    const dir = join(dataDir, 'member', 'snap');
    const snaps = new SnapFiles(fs, dir, silentLogger);
    // The file comes before the mark in the WAL: a killed etcd may have one more than it has marks.
    const marked = snaps.list().filter(({ index }) => log.marks.some((mark) => mark.index === index));
    const file = marked.at(-1);
    const snapshot = snaps.newest(({ index }) => index === file?.index);
    expect(snapshot?.metadata).toMatchObject({ index: file?.index, term: file?.term });
    const again = new SnapFiles(fs, join(root, 'snap'), silentLogger);
    again.write(snapshot ?? {});
    const name = file?.name ?? '';
    expect(readFileSync(join(root, 'snap', name)).equals(readFileSync(join(dir, name)))).toBe(true);
  });

  test('it goes on where quorate appended to its log', async () => {
    const { wal } = openWal(options(dataDir), undefined);
    const last = log.entries.at(-1) as Entry;
    await appendPuts(wal, last, log.hardState, 1);
    await finished(wal);

    const { server, client } = await start(dataDir);
    const found = await client.range({ key: 'added', range_end: 'addee' });
    expect(found.kvs.map((kv) => Buffer.from(kv.key).toString())).toEqual(['added1-0', 'added1-1', 'added1-2']);
    expect((await client.range({ key: 'key59' })).kvs.length).toBe(1);
    await client.put({ key: 'after', value: 'etcd' });
    client.close();
    await server.kill();
    const read = readWal(fs, walDir(dataDir), 0);
    expect(puts(read.entries)).toEqual([...expected, 'added1-0=x', 'added1-1=x', 'added1-2=x', 'after=etcd']);
  });

  test('it starts on a log that quorate wrote, in many files, torn at the end', async () => {
    const copy = join(root, 'copy');
    mkdirSync(join(copy, 'member', 'snap'), { recursive: true, mode: 0o700 });
    const wal = createWal(options(copy, { segmentBytes: 4096 }), log.metadata);
    const { commit, ...rest } = log.hardState;
    for (const entry of log.entries) {
      const state = { ...rest, commit: Math.min(entry.index, commit) };
      await new Promise<void>((resolve, reject) => {
        wal.append(state, [entry], true, (error) => (error ? reject(error) : resolve()));
      });
    }
    await appendPuts(wal, log.entries.at(-1) as Entry, log.hardState, 2);
    await finished(wal);
    const files = walFiles(copy);
    expect(files.length).toBeGreaterThan(4);
    tearEnd(join(walDir(copy), files.at(-1) as string));

    const { server, client } = await start(copy);
    const all = await client.range({ key: Uint8Array.of(0), range_end: Uint8Array.of(0), sort_target: 'MOD' });
    const found = all.kvs.map(({ key, value }) => `${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
    expect(found).toEqual([...expected, 'added2-0=x', 'added2-1=x', 'added2-2=x']);
    await client.put({ key: 'after', value: 'etcd' });
    client.close();
    await server.kill();

    const { wal: again, log: both } = openWal(options(copy, { segmentBytes: 4096 }), 0);
    expect(puts(both.entries)).toEqual([...found, 'after=etcd']);
    await finished(again);
  });
});

/** Three puts, not yet committed: whoever opens the log next has to commit them. */
async function appendPuts(wal: Wal, last: Entry, hardState: HardState, run: number): Promise<void> {
  const entries = [0, 1, 2].map((i) => {
    const put = encodePutRequest({ key: Buffer.from(`added${run}-${i}`), value: Buffer.from('x') });
    const data = encodeInternalRaftRequest({ header: { ID: BigInt(1000 + i) }, put });
    return { type: 0, term: last.term, index: last.index + 1 + i, data };
  });
  await new Promise<void>((resolve, reject) => {
    wal.append(hardState, entries, true, (error) => (error ? reject(error) : resolve()));
  });
}

/** Adds a record of which only the first sector reached the disk. */
function tearEnd(path: string): void {
  const reader = new SegmentReader(fs.open(path, 'read'), path, true, undefined);
  while (reader.next() === 'record');
  const encoder = new RecordEncoder(reader.crc ?? 0);
  encoder.entry({ term: 9, index: 9999, data: new Uint8Array(2000).fill(1) });
  const torn = encoder.take();
  const file = fs.open(path, 'write');
  const firstSector = 512 - (reader.end % 512);
  file.writeDurable(torn.subarray(0, firstSector), reader.end);
  file.truncate(Math.max(reader.end + torn.length, 8192));
  file.close();
}
