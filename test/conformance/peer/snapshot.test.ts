/** Snapshots to and from a real etcd: a member that joins late, and one that our leader has to bring up. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { HttpPeerCalls } from '../../../src/peer/http-peer-calls.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import type { SnapshotSource } from '../../../src/server/peer-transport.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { freePort } from '../../support/free-port.ts';
import { NO_ETCD, etcdBinDir, startEtcd } from '../../support/real-etcd.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { RaftMember } from './raft-member.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

const SHA256_BYTES = 32;

async function until(what: string, condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

/** A node of etcd's first store, as it dumps itself. */
interface StoreNode {
  readonly Path: string;
  readonly Value: string;
  readonly Children: Record<string, StoreNode> | null;
}

/** The dump of the first store, which tells etcd up to 3.6 who the members are, with one more member. */
function withMember(dump: Uint8Array, id: bigint, peerUrl: string): Uint8Array {
  const store = JSON.parse(Buffer.from(dump).toString('utf8')) as { Root: StoreNode };
  const members = store.Root.Children?.['0']?.Children?.['members'];
  const model = Object.values(members?.Children ?? {})[0];
  if (members?.Children === undefined || members.Children === null || model === undefined)
    throw new Error('no members');
  const hex = id.toString(16);
  const path = `/0/members/${hex}`;
  const attributes = { ...model.Children?.['raftAttributes'], Path: `${path}/raftAttributes` };
  members.Children[hex] = {
    ...model,
    Path: path,
    Children: { raftAttributes: { ...attributes, Value: JSON.stringify({ peerURLs: [peerUrl] }) } as StoreNode },
  };
  return Buffer.from(JSON.stringify(store));
}

function sourceOf(bytes: Uint8Array, onDone: (ok: boolean) => void): SnapshotSource {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 10_000) yield await Promise.resolve(bytes.subarray(at, at + 10_000));
  }
  return { sizeBytes: bytes.length, chunks, done: onDone };
}

describe.skipIf(!available)('snapshots', () => {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-peer-snapshot-'));
  const servers: ServerProcess[] = [];
  const calls = new HttpPeerCalls({ clock: new NodeClock() });
  let ours: RaftMember;
  let ourUrl: string;
  let thirdId: bigint;

  afterAll(async () => {
    await ours?.stop();
    for (const server of servers) await server.stop();
    calls.close();
    rmSync(dir, { recursive: true });
  });

  test('a real etcd brings our empty member up with a snapshot', async () => {
    const first = await startEtcd({
      flags: ['--snapshot-count=10', '--experimental-snapshot-catchup-entries=5', '--strict-reconfig-check=false'],
    });
    servers.push(first);
    const value = 'v'.repeat(10_000);
    for (let i = 0; i < 60; i++) await etcdctl(first.endpoint, ['put', `key/${i}`], { stdin: value });
    ourUrl = `http://127.0.0.1:${await freePort()}`;
    const added = await etcdctl(first.endpoint, ['member', 'add', 'ours', `--peer-urls=${ourUrl}`]);
    expect(added.stderr).toBe('');
    const { clusterId, members } = await calls.members([`http://127.0.0.1:${first.peerPort}`]);
    const id = members.find(({ peerURLs }) => peerURLs.includes(ourUrl))?.id ?? 0n;
    ours = new RaftMember({ cluster: {}, name: 'ours', listenUrl: ourUrl, join: { id, clusterId, members } });
    await ours.start();

    await until('snapshot received', () => ours.snapshots.length === 1);
    const [snapshot] = ours.snapshots;
    const file = join(dir, 'received.db');
    writeFileSync(file, snapshot?.database ?? new Uint8Array());
    const status = await etcdctl('', ['snapshot', 'status', file, '--write-out=json'], { tool: 'etcdutl' });
    expect(JSON.parse(status.stdout)).toMatchObject({ totalKey: expect.any(Number) as number });
    expect((JSON.parse(status.stdout) as { totalKey: number }).totalKey).toBeGreaterThanOrEqual(60);
    expect(ours.member.raft.configuration.voters).toEqual(new Set(members.map((member) => member.id)));

    const put = await etcdctl(first.endpoint, ['put', 'after', 'the snapshot']);
    expect(put).toMatchObject({ code: 0, stdout: 'OK\n' });
  });

  test('our leader brings an empty etcd up with a snapshot', async () => {
    const first = servers[0] as ServerProcess;
    const port = await freePort();
    const peerUrl = `http://127.0.0.1:${port}`;
    await etcdctl(first.endpoint, ['member', 'add', 'third', `--peer-urls=${peerUrl}`]);
    await until('member added', () => ours.members().some(({ peerURLs }) => peerURLs.includes(peerUrl)));
    thirdId = ours.members().find(({ peerURLs }) => peerURLs.includes(peerUrl))?.id ?? 0n;
    ours.do((raft) => raft.transferLeader(ours.id));
    await until('we lead', () => ours.member.raft.role === 'leader');
    expect(await etcdctl(first.endpoint, ['put', 'last', 'before the snapshot'])).toMatchObject({ code: 0 });

    const { raft } = ours.member;
    await until('all applied here', () => raft.appliedIndex === raft.lastIndex);
    await sleep(300);
    const file = join(dir, 'saved.db');
    expect(await etcdctl(first.endpoint, ['snapshot', 'save', file])).toMatchObject({ code: 0 });
    const database = readFileSync(file).subarray(0, -SHA256_BYTES);
    const outcomes: boolean[] = [];
    const dump = ours.snapshots[0]?.message.snapshot?.data ?? new Uint8Array();
    ours.onSnapshotDue = () => ({
      data: withMember(dump, thirdId, peerUrl),
      source: sourceOf(database, (ok) => outcomes.push(ok)),
    });
    ours.member.compact(raft.appliedIndex);

    const joined = await startEtcd({
      name: 'third',
      flags: [
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=n1=http://127.0.0.1:${first.peerPort},ours=${ourUrl},third=${peerUrl}`,
        '--initial-cluster-state=existing',
      ],
    });
    servers.push(joined);
    expect(outcomes).toEqual([true]);
    expect(ours.snapshotReports).toEqual([{ id: thirdId, ok: true }]);
    const { stdout } = await etcdctl(joined.endpoint, ['get', 'last', '--print-value-only']);
    expect(stdout).toBe('before the snapshot\n');
    const hashes = await Promise.all([first, joined].map(({ endpoint }) => hashOf(endpoint)));
    expect(hashes[0]).toMatch(/^\d+$/);
    expect(hashes[1]).toBe(hashes[0]);
    expect(ours.member.raft.role).toBe('leader');
  });

  test('an etcd that is removed learns it from us, and ends', async () => {
    const [first, third] = servers as [ServerProcess, ServerProcess];
    const id = thirdId;
    const removed = await etcdctl(first.endpoint, ['member', 'remove', id.toString(16)]);
    expect(removed.stdout).toContain('removed from cluster');
    await until('it ended', () => !third.running);
    expect(third.logTail()).toContain('the member has been permanently removed from the cluster');
  });

  test('when ours is removed, etcd tells us', async () => {
    const [first] = servers as [ServerProcess];
    const other = ours.members().find(({ id }) => id !== ours.id)?.id ?? 0n;
    ours.do((raft) => raft.transferLeader(other));
    await until('etcd leads', () => ours.member.raft.leader === other);
    expect(ours.removedCalls).toBe(0);
    const removed = await etcdctl(first.endpoint, ['member', 'remove', ours.id.toString(16)]);
    expect(removed.stdout).toContain('removed from cluster');
    await until('we were told', () => ours.removedCalls > 0);
    expect(await etcdctl(first.endpoint, ['put', 'alone', 'again'])).toMatchObject({ code: 0 });
  });
});

async function hashOf(endpoint: string): Promise<string> {
  const { stdout } = await etcdctl(endpoint, ['endpoint', 'hashkv', '--write-out=json']);
  return /"hash":(\d+)/.exec(stdout)?.[1] ?? `no hash in ${stdout}`;
}
