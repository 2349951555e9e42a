/**
 * A real etcd and our transport with our Raft core are the two members of one cluster: neither can commit anything without
 * the other, so whatever etcd serves has gone over this protocol, in both directions.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { encodeInternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import { MessageType } from '../../../src/gen/raftpb.ts';
import { decodePutRequest, encodePutRequest } from '../../../src/gen/rpc.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { freePort } from '../../support/free-port.ts';
import { NO_ETCD, etcdBinDir, startEtcd, etcdIsOlder, etcdSeries } from '../../support/real-etcd.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { RaftMember } from './raft-member.ts';
import { RecordingProxy } from './recording-proxy.ts';
import { expectMessageStream, expectMsgAppStream } from './stream-bytes.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

async function until(what: string, condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

describe.skipIf(!available)('one cluster with a real etcd', () => {
  let etcd: ServerProcess;
  let ours: RaftMember;
  let proxy: RecordingProxy;
  let etcdId: bigint;

  beforeAll(async () => {
    const [etcdPort, ourPort] = [await freePort(), await freePort()];
    const etcdUrl = `http://127.0.0.1:${etcdPort}`;
    const ourUrl = `http://127.0.0.1:${ourPort}`;
    proxy = await RecordingProxy.start(etcdPort);
    ours = new RaftMember({
      cluster: { theirs: etcdUrl, ours: ourUrl },
      name: 'ours',
      listenUrl: ourUrl,
      dial: { [etcdUrl]: proxy.url },
    });
    etcdId = ours.members().find(({ id }) => id !== ours.id)?.id ?? 0n;
    await ours.start();
    etcd = await startEtcd({
      name: 'theirs',
      flags: [
        `--listen-peer-urls=${etcdUrl}`,
        `--initial-advertise-peer-urls=${etcdUrl}`,
        `--initial-cluster=theirs=${etcdUrl},ours=${ourUrl}`,
      ],
    });
  });

  afterAll(async () => {
    await ours?.stop();
    await etcd?.stop();
    proxy?.close();
  });

  /** Values of all puts to `key` that our member applied. */
  function appliedPuts(key: string): string[] {
    const puts = ours.requests().flatMap(({ put }) => (put === undefined ? [] : [decodePutRequest(put)]));
    return puts
      .filter((put) => Buffer.from(put.key).toString() === key)
      .map(({ value }) => Buffer.from(value).toString());
  }

  function clusterVersions(): string[] {
    const legacy = ours.legacyRequests().filter(({ path }) => path === '/0/version');
    const own = ours.requests().flatMap(({ clusterVersionSet }) => clusterVersionSet?.ver ?? []);
    return [...legacy.map(({ val }) => val), ...own];
  }

  function received(type: number): number {
    return ours.received.filter((message) => message.type === type).length;
  }

  test('our vote makes etcd the leader', () => {
    expect(received(MessageType.MsgPreVote)).toBeGreaterThan(0);
    expect(received(MessageType.MsgVote)).toBeGreaterThan(0);
    expect(received(MessageType.MsgApp)).toBeGreaterThan(0);
    expect(ours.member.raft.leader).toBe(etcdId);
    expect(ours.member.raft.role).toBe('follower');
  });

  test('what etcd commits with our acknowledgement is applied here', async () => {
    for (let i = 0; i < 20; i++) {
      expect(await etcdctl(etcd.endpoint, ['put', 'theirs', `value ${i}`])).toMatchObject({ code: 0, stdout: 'OK\n' });
    }
    await until('20 puts applied', () => appliedPuts('theirs').length === 20);
    expect(appliedPuts('theirs')).toEqual(Array.from({ length: 20 }, (_, i) => `value ${i}`));
    expect(ours.member.raft.status().lastIndex).toBe(ours.member.raft.appliedIndex);
  });

  test('etcd lists both members and decides on a cluster version after asking ours', async () => {
    const { stdout } = await etcdctl(etcd.endpoint, ['member', 'list']);
    expect(stdout).toContain(ours.id.toString(16));
    // Up to 3.5 a member's name and URLs are in the log as a request of the second API.
    const legacy = ours.legacyRequests().map(({ path }) => path);
    const attributes = `/0/members/${etcdId.toString(16)}/attributes`;
    if (etcdIsOlder()) expect(legacy).toContain(attributes);
    else expect(ours.requests().map(({ clusterMemberAttrSet }) => clusterMemberAttrSet?.memberID)).toContain(etcdId);
    const { stdout: version } = await etcdctl(etcd.endpoint, ['endpoint', 'status', '--write-out=json']);
    expect(version).toContain(`"version":"${etcdSeries()}.`);
    // The lower one of its own and of ours.
    await until('cluster version', () => clusterVersions().at(-1) === '3.5.0');
  });

  test('we take the leadership over, and etcd follows', async () => {
    ours.do((raft) => raft.transferLeader(ours.id));
    await until('we lead', () => ours.member.raft.role === 'leader');
    await until('etcd acknowledged', () => {
      const progress = ours.member.raft.status().progress.get(etcdId);
      return progress?.state === 'replicate' && progress.match === ours.member.raft.lastIndex;
    });
    const { stdout } = await etcdctl(etcd.endpoint, ['endpoint', 'status', '--write-out=json']);
    expect(stdout).toContain(`"leader":${ours.id}`);
  });

  test('what we propose as the leader etcd serves', async () => {
    const put = encodePutRequest({ key: utf8Encode('ours'), value: utf8Encode('from our log') });
    const data = encodeInternalRaftRequest({ header: { ID: 0x1234_5678_9abcn }, put });
    expect(ours.do((raft) => raft.propose([data]))).toBe('accepted');
    await until('applied here', () => appliedPuts('ours').length === 1);
    // A linearizable read: etcd asks us, the leader, for the index to read at.
    const { stdout } = await etcdctl(etcd.endpoint, ['get', 'ours', '--print-value-only']);
    expect(stdout).toBe('from our log\n');
    expect(received(MessageType.MsgReadIndex)).toBeGreaterThan(0);
  });

  test('what etcd forwards to us is committed, small and large', async () => {
    for (let i = 0; i < 20; i++) {
      expect(await etcdctl(etcd.endpoint, ['put', 'forwarded', `value ${i}`])).toMatchObject({
        code: 0,
        stdout: 'OK\n',
      });
    }
    const large = 'x'.repeat(1_000_000);
    expect(await etcdctl(etcd.endpoint, ['put', 'large'], { stdin: large })).toMatchObject({ code: 0, stdout: 'OK\n' });
    expect(received(MessageType.MsgProp)).toBeGreaterThan(20);
    await until('large value applied', () => appliedPuts('large').length === 1);
    expect(appliedPuts('large')[0]).toBe(large);
  });

  test('many entries at once go over our msgapp stream', async () => {
    const puts = Array.from({ length: 2000 }, (_, i) =>
      encodeInternalRaftRequest({
        header: { ID: BigInt(0x5000_0000 + i) },
        put: encodePutRequest({ key: utf8Encode(`bulk/${i}`), value: new Uint8Array(i) }),
      }),
    );
    for (let at = 0; at < puts.length; at += 100) ours.do((raft) => raft.propose(puts.slice(at, at + 100)));
    await until('etcd acknowledged', () => {
      return ours.member.raft.status().progress.get(etcdId)?.match === ours.member.raft.lastIndex;
    });
    const { stdout } = await etcdctl(etcd.endpoint, ['get', 'bulk/', '--prefix', '--count-only', '--write-out=fields']);
    expect(stdout).toContain('"Count" : 2000');
  });

  test('etcd takes the leadership back', async () => {
    ours.do((raft) => raft.transferLeader(etcdId));
    await until('etcd leads', () => ours.member.raft.leader === etcdId && ours.member.raft.role === 'follower');
    expect(await etcdctl(etcd.endpoint, ['put', 'theirs', 'again'])).toMatchObject({ code: 0, stdout: 'OK\n' });
    await until('applied', () => appliedPuts('theirs').at(-1) === 'again');
  });

  test('after etcd crashed and came back, both go on', async () => {
    await etcd.kill();
    await until('silence noticed', () => ours.transport.activeSince(etcdId) === undefined);
    await etcd.restart();
    expect(await etcdctl(etcd.endpoint, ['put', 'theirs', 'after the crash'])).toMatchObject({ code: 0 });
    await until('applied', () => appliedPuts('theirs').at(-1) === 'after the crash');
    expect(ours.transport.activeSince(etcdId)).toBeDefined();
  });

  test('every byte that etcd put on its streams is what our encoders write', () => {
    const id = ours.id.toString(16);
    const appends = expectMsgAppStream(proxy.body(`/raft/stream/msgapp/${id} `), etcdId, ours.id);
    const messages = expectMessageStream(proxy.body(`/raft/stream/message/${id} `));
    // Puts, and the heartbeats and answers around them.
    expect(appends).toBeGreaterThan(20);
    expect(messages).toBeGreaterThan(20);
  });

  test('etcd answers our probes', async () => {
    await until('a probe was answered', () => ours.transport.roundTrip(etcdId)?.isHealthy === true);
    const roundTrip = ours.transport.roundTrip(etcdId);
    expect(roundTrip?.smoothedMs).toBeLessThan(1000);
    expect(Math.abs(roundTrip?.clockAheadMs ?? Infinity)).toBeLessThan(1000);
  });
});
