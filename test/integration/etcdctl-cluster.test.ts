/** etcdctl on three members: the same commands, through leader and followers, to quorate and to a real etcd print the same. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { ClusterSession } from '../support/cluster-session.ts';
import { parseEndpointStatus, type RunningTool } from '../support/etcdctl.ts';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import { until } from '../support/until.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);

/** As long as a member must have been connected to count as healthy. */
const HEALTHY_MS = 5500;
/** Elections only where the test wants one, also on a busy machine. */
const FLAGS = ['--heartbeat-interval=150', '--election-timeout=3000'];
const ALL = 'm1,m2,m3';

type Scenario = (session: ClusterSession) => Promise<void>;

describe.skipIf(!available)('etcdctl on three members', () => {
  const sessions: ClusterSession[] = [];

  withBundleForFile();

  beforeAll(async () => {
    const started = await Promise.all((['etcd', 'quorate'] as const).map((kind) => ClusterSession.start(kind, FLAGS)));
    sessions.push(...started);
    await Promise.all(sessions.map((session) => session.handTo('m1')));
    await Promise.all(sessions.map(versionIsKnown));
  });

  afterAll(async () => {
    await Promise.all(sessions.map(({ cluster }) => cluster.stop()));
  });

  /** Runs the scenario on both and compares; `expected` are lines that must be there, so that equal nonsense does not pass. */
  function same(name: string, expected: readonly (string | RegExp)[], scenario: Scenario): void {
    it(`prints the same: ${name}`, { timeout: 120_000 }, async () => {
      await Promise.all(sessions.map(scenario));
      const [etcd, quorate] = sessions.map((session) => session.take());
      for (const line of expected) expect(etcd).toMatch(line);
      expect(quorate).toBe(etcd);
    });
  }

  same('endpoint status, health and hashkv', ['is healthy', /M1-CLIENT, M1, /], async (session) => {
    await session.run('m2', ['put', 'a', 'through a follower']);
    await session.run('m3', ['get', 'a', '-w', 'json']);
    await session.run('m1', ['get', 'a', '--consistency=s']);
    for (const through of ['m1', 'm2', ALL]) {
      await status(session, through);
      await session.run(through, ['endpoint', 'health', '--cluster'], { sorted: true });
      await session.run(through, ['endpoint', 'hashkv', '--cluster'], { sorted: true });
      await session.run(through, ['alarm', 'list']);
    }
    await session.run(ALL, ['endpoint', 'health'], { sorted: true });
    await session.run(ALL, ['member', 'list'], { sorted: true });
    await session.run('m3', ['member', 'list', '--consistency=s'], { sorted: true });
  });

  same('move-leader', ['Leadership transferred from M1 to M2', 'no leader endpoint given'], async (session) => {
    await session.run('m2', ['move-leader', session.id('m2')]);
    await session.run(ALL, ['move-leader', session.id('m2')]);
    await status(session, 'm3');
    await session.run('m2', ['move-leader', session.id('m2')]);
    await session.run(ALL, ['move-leader', '1234567890abcdef']);
    await session.run(ALL, ['move-leader', 'not-hexadecimal']);
    await session.run(ALL, ['move-leader', session.id('m1')]);
    await status(session, 'm3');
  });

  same('watch through followers', ['PUT', 'DELETE', 'from m3'], async (session) => {
    const tools = ['m1', 'm2', 'm3'].map((name) => session.running(name, ['watch', 'w/', '--prefix', '--prev-kv']));
    // etcdctl does not tell when its watch is there: a key of its own does, written until all have seen it.
    await Promise.all(tools.map((tool) => untilWatching(session, tool)));
    const before = tools.map(({ stdout }) => stdout.length);
    for (const name of ['m1', 'm2', 'm3']) await session.run(name, ['put', 'w/key', `from ${name}`]);
    await session.run('m2', ['del', 'w/key']);
    for (const [i, tool] of tools.entries()) {
      await expect.poll(() => tool.stdout.slice(before[i]), { timeout: 15_000 }).toContain('DELETE');
      // Signs of life of the other tools may come in between.
      const after = tool.stdout.slice(before[i]).replaceAll(/PUT\n(w\/alive\n.*\n)?w\/alive\n.*\n/g, '');
      session.note(`watch through m${i + 1}:\n${after.slice(after.indexOf('PUT'))}\n`);
      await tool.stop();
    }
    await session.run('m3', ['del', 'w/', '--prefix']);
  });

  same('lease through followers', [/granted with TTL\(600s\)/, 'keepalived with TTL', /revoked/], async (session) => {
    const id = await grant(session, 'm2', '600', 'LEASE');
    await session.run('m3', ['put', 'leased', 'x', `--lease=${id}`]);
    for (const name of ['m1', 'm2', 'm3']) {
      await session.run(name, ['lease', 'keep-alive', '--once', id]);
      await session.run(name, ['lease', 'list']);
      const left = await session.run(name, ['lease', 'timetolive', id, '--keys'], { quiet: true });
      session.note(left.replace(/remaining\(\d+s\)/, 'remaining(TIME)'));
    }
    const shortId = await grant(session, 'm3', '3', 'SHORT');
    const alive = session.running('m2', ['lease', 'keep-alive', shortId]);
    await alive.untilLines(4);
    session.note(`${alive.stdout.split('\n').slice(0, 4).join('\n')}\n`);
    await session.run('m3', ['lease', 'revoke', shortId]);
    await expect.poll(() => alive.stdout, { timeout: 15_000 }).toContain('expired');
    session.note(`${(await alive.result()).stdout.split('\n').slice(-2).join('\n')}\n`);
    await session.run('m2', ['lease', 'revoke', id]);
    await session.run('m3', ['lease', 'keep-alive', '--once', id]);
    await session.run('m2', ['lease', 'revoke', id]);
    await session.run('m3', ['get', 'leased']);
  });

  same('lock, held through one follower and waited for through the other', ['held by m3'], async (session) => {
    await session.run('m2', ['lock', 'short', 'echo', 'held and left']);
    const holder = session.running('m2', ['lock', 'resource']);
    const [key] = await holder.untilLines(1);
    session.note(`key below the name: ${key?.startsWith('resource/')}\n`);
    const waiting = session.running('m3', ['lock', 'resource', 'echo', 'held by m3']);
    await expect.poll(() => waitersOf(session, 'resource/'), { timeout: 15_000 }).toBe(2);
    await session.run(ALL, ['move-leader', session.id('m2')]);
    session.note(`while held, after the leader changed: [${waiting.stdout}]\n`);
    session.note(`holder ended with ${(await holder.stop()).code}\n`);
    session.note(`then: ${(await waiting.result()).stdout}`);
    await session.run(ALL, ['move-leader', session.id('m1')]);
    await expect.poll(() => waitersOf(session, 'resource/'), { timeout: 15_000 }).toBe(0);
  });

  same('elect, through all', [/^first elected/m, /^second elected/m], async (session) => {
    const first = session.running('m2', ['elect', 'office', 'first']);
    await first.untilLines(2);
    const second = session.running('m3', ['elect', 'office', 'second']);
    await expect.poll(() => waitersOf(session, 'office/'), { timeout: 15_000 }).toBe(2);
    const observer = session.running('m1', ['elect', '-l', 'office']);
    await observer.untilLines(2);
    session.note(`${first.stdout.split('\n')[1]} elected, [${second.stdout}]\n`);
    await first.stop();
    await second.untilLines(2);
    await observer.untilLines(4);
    session.note(`${second.stdout.split('\n')[1]} elected\n`);
    const seen = observer.stdout.split('\n');
    session.note(`seen: ${seen[1]}, ${seen[3]}\n`);
    await second.stop();
    await observer.stop();
    await expect.poll(() => waitersOf(session, 'office/'), { timeout: 15_000 }).toBe(0);
  });

  same('members that are refused', [/Peer URLs already exists/, /member not found/, /URLs/], async (session) => {
    await sleep(HEALTHY_MS);
    const used = session.member('m2').peerUrl;
    await session.run('m2', ['member', 'add', 'm4', `--peer-urls=${used}`]);
    await session.run('m2', ['member', 'add', 'm4', '--learner', `--peer-urls=${used}`]);
    await session.run('m2', ['member', 'add', 'm4', '--peer-urls=nonsense']);
    await session.run('m2', ['member', 'add', 'm4', '--peer-urls=http://no-port']);
    await session.run('m2', ['member', 'add', 'm4']);
    await session.run('m2', ['member', 'remove', '1234567890abcdef']);
    await session.run('m2', ['member', 'remove', 'm2']);
    await session.run('m2', ['member', 'remove']);
    await session.run('m2', ['member', 'update', '1234567890abcdef', '--peer-urls=http://127.0.0.1:1']);
    await session.run('m2', ['member', 'update', session.id('m1'), `--peer-urls=${used}`]);
    await session.run('m2', ['member', 'update', session.id('m1'), '--peer-urls=nonsense']);
    await session.run('m2', ['member', 'promote', '1234567890abcdef']);
    for (const through of ['m1', 'm2']) await session.run(through, ['member', 'promote', session.id('m3')]);
    await session.run(ALL, ['member', 'list'], { sorted: true });
  });

  same('a learner', ['in sync with leader', 'too many learner', 'rpc not supported', 'promoted'], async (session) => {
    const url = await announce(session, 'm2', 'm4', '--learner');
    const other = await peerAddress(session, 'OTHER');
    await session.run('m3', ['member', 'add', 'm5', '--learner', `--peer-urls=${other}`]);
    // Not yet started: it cannot be in sync.
    const id = await idOf(session, url);
    session.name(id, 'M4');
    await session.run('m2', ['member', 'list'], { sorted: true });
    for (const through of ['m1', 'm2']) await session.run(through, ['member', 'promote', id]);
    await session.run(ALL, ['move-leader', id]);
    await session.join(url);
    await status(session, 'm4');
    await session.run('m2', ['member', 'list', '-w', 'simple'], { sorted: true });
    await session.run('m4', ['get', 'a']);
    await expect
      .poll(async () => (await session.member('m4').client.range({ key: 'a', serializable: true })).kvs.length, {
        timeout: 15_000,
      })
      .toBe(1);
    await session.run('m4', ['get', 'a', '--consistency=s']);
    await session.run('m4', ['put', 'a', 'b']);
    await session.run('m4', ['member', 'list']);
    await session.run('m4', ['lease', 'grant', '10']);
    await session.run('m4', ['alarm', 'list']);
    await session.run('m4', ['endpoint', 'hashkv']);
    await session.run(ALL, ['move-leader', id]);
    await inSync(session, 'm4');
    await session.run('m3', ['member', 'promote', id]);
    await session.run('m3', ['member', 'promote', id]);
    await session.run('m4', ['put', 'a', 'through the newcomer']);
    await session.run('m4', ['member', 'list'], { sorted: true });
  });

  same('update, and removal of a member', ['updated in cluster', 'removed from cluster'], async (session) => {
    const { peerUrl } = session.member('m4');
    const other = peerUrl.replace('127.0.0.1', 'localhost');
    session.address(new URL(other).host, 'M4-LOCALHOST');
    await session.run('m2', ['member', 'update', session.id('m4'), `--peer-urls=${other}`]);
    await session.run('m3', ['member', 'list'], { sorted: true });
    await session.run('m2', ['member', 'update', session.id('m4'), `--peer-urls=${peerUrl}`]);
    await sleep(HEALTHY_MS);
    await session.run('m3', ['member', 'remove', session.id('m4')]);
    const removed = session.member('m4');
    await removed.server.exited();
    await session.run('m2', ['member', 'remove', removed.id.toString(16)]);
    await session.cluster.drop(removed);
    await session.run('m2', ['member', 'list'], { sorted: true });
    await session.run('m3', ['put', 'a', 'after the removal']);
  });

  same('a dead member', ['unhealthy cluster', 'removed from cluster'], async (session) => {
    const dead = session.member('m3');
    await dead.server.kill();
    const health = await session.run('m1', ['endpoint', 'health', '--cluster'], { quiet: true });
    session.noteSorted(health.split('\n'));
    // The two that are left are the quorum.
    await session.run('m2', ['member', 'remove', session.id('m1')]);
    await session.run('m2', ['member', 'remove', session.id('m2')]);
    await session.run('m2', ['member', 'add', 'm4', `--peer-urls=${await peerAddress(session, 'NEW')}`]);
    await session.run('m2', ['put', 'a', 'with two of three']);
    await session.run('m2', ['member', 'remove', dead.id.toString(16)]);
    await session.cluster.drop(dead);
    // A voter that has not started counts as down.
    const url = await announce(session, 'm2', 'm5');
    await session.run('m2', ['member', 'add', 'm6', `--peer-urls=${await peerAddress(session, 'NEXT')}`]);
    const { name } = await session.join(url);
    await session.run(name, ['put', 'a', 'through the replacement']);
    await session.run('m1', ['endpoint', 'health', '--cluster'], { sorted: true });
    await session.run('m1', ['endpoint', 'hashkv', '--cluster'], { sorted: true });
    expect(new Set(await session.cluster.hashes()).size).toBe(1);
  });
});

/** The cluster version decides what is served; it is agreed on a moment after the start. */
async function versionIsKnown({ cluster }: ClusterSession): Promise<void> {
  for (const { server } of cluster.members) {
    await until('the cluster version is agreed on', async () => {
      const version = (await (await fetch(`${server.clientUrl}/version`)).json()) as { etcdcluster: string };
      return version.etcdcluster !== '3.0.0' && version.etcdcluster !== 'not_decided';
    });
  }
}

/** What `endpoint status --cluster` says apart from sizes, indexes and the server's version. */
async function status(session: ClusterSession, through: string): Promise<void> {
  const { cluster } = session;
  await cluster.leader();
  const args = ['endpoint', 'status', ...(through === 'm4' ? [] : ['--cluster'])];
  const printed = await session.run(through, args, { quiet: true });
  const lines = printed.split('\n').filter((line) => line !== '');
  const shown = lines.map((line) => {
    const { endpoint, id, version, size, isLeader, isLearner, term, index, applied, errors } =
      parseEndpointStatus(line);
    expect([version, size]).toEqual([expect.stringMatching(/^3\.\d+\.\d+$/), expect.stringMatching(/^[\d.]+ [kM]?B$/)]);
    for (const number of [term, index, applied]) expect(Number(number)).toBeGreaterThan(0);
    return `${endpoint}, ${id}, leader ${isLeader}, learner ${isLearner}, errors ${errors}`;
  });
  session.noteSorted([`status through ${through}`, ...shown]);
}

async function untilWatching(session: ClusterSession, tool: RunningTool): Promise<void> {
  await expect
    .poll(
      async () => {
        await session.member('m1').client.put({ key: 'w/alive', value: 'x' });
        return tool.stdout;
      },
      { timeout: 20_000, interval: 200 },
    )
    .toContain('w/alive');
}

async function waitersOf(session: ClusterSession, prefix: string): Promise<number> {
  const { kvs } = await session.member('m1').client.range({ key: prefix, range_end: `${prefix}~` });
  return kvs.length;
}

async function peerAddress(session: ClusterSession, name: string): Promise<string> {
  const url = await session.cluster.newPeerUrl();
  session.address(new URL(url).host, `${name}-PEER`);
  return url;
}

/** `member add`; the peer URL to start it with. */
async function announce(session: ClusterSession, through: string, name: string, ...flags: string[]): Promise<string> {
  const url = await peerAddress(session, name.toUpperCase());
  const added = await session.run(through, ['member', 'add', name, ...flags, `--peer-urls=${url}`], { quiet: true });
  session.name(/Member +([0-9a-f]+) added/.exec(added)?.[1] ?? '0', name.toUpperCase());
  session.note(added);
  return url;
}

/** `lease grant`; its id. */
async function grant(session: ClusterSession, through: string, seconds: string, name: string): Promise<string> {
  const granted = await session.run(through, ['lease', 'grant', seconds], { quiet: true });
  const id = /lease ([0-9a-f]+) granted/.exec(granted)?.[1] ?? '0';
  session.name(id, name);
  session.note(granted);
  return id;
}

async function idOf(session: ClusterSession, peerUrl: string): Promise<string> {
  const { members } = await session.member('m1').client.memberList({ linearizable: true });
  return members.find(({ peerURLs }) => peerURLs.includes(peerUrl))?.ID.toString(16) ?? '';
}

async function inSync(session: ClusterSession, name: string): Promise<void> {
  const index = async (one: string): Promise<bigint> => (await session.member(one).client.status()).raftAppliedIndex;
  await expect.poll(async () => (await index('m1')) - (await index(name)), { timeout: 15_000 }).toBeLessThanOrEqual(0n);
}
