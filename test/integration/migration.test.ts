/**
 * The procedure of docs/migrate-from-etcd.md, as it stands there, while clients write, read and watch. MIGRATION=long does it
 * there, back and there again, in place, and with members that need snapshots.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { ContinuousLoad, type LoadReport } from '../support/continuous-load.ts';
import { type GuideMember, MigrationGuide } from '../support/migration-guide.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, NO_ETCD, etcdIsOlder } from '../support/real-etcd.ts';
import { until } from '../support/until.ts';

const available = etcdBinDir() !== undefined;
if (!available) console.warn(`skipped: ${NO_ETCD}`);
const isLong = process.env['MIGRATION'] === 'long';
if (!isLong) console.info('skipped: migration there and back and with snapshots; set MIGRATION=long');

const etcd = (name: string, host: number): GuideMember => ({ name, host, kind: 'etcd' });
const quorate = (name: string, host: number): GuideMember => ({ name, host, kind: 'quorate' });
const [e1, e2, e3] = [etcd('e1', 1), etcd('e2', 2), etcd('e3', 3)];
const [q1, q2, q3] = [quorate('q1', 11), quorate('q2', 12), quorate('q3', 13)];
const TIMEOUT_MS = 600_000;

describe.skipIf(!available)('from etcd to quorate', () => {
  let guide: MigrationGuide;
  let load: ContinuousLoad | undefined;

  withBundleForFile();

  beforeEach(() => {
    load = undefined;
  });

  afterEach(async (context) => {
    await load?.stop();
    if (context.task.result?.state === 'fail') console.error(guide?.transcript);
    await guide?.end();
  });

  async function begin(env: Record<string, string>, all: readonly GuideMember[]): Promise<ContinuousLoad> {
    guide = await MigrationGuide.create(env);
    await Promise.all([e1, e2, e3].map((member) => guide.found(member, [e1, e2, e3])));
    load = new ContinuousLoad(all.map((member) => guide.endpoint(member)));
    await load.start();
    await guide.run('backup');
    await check(3);
    return load;
  }

  /** Steps 1 to 7, with the checks in between. */
  async function exchange(old: GuideMember, next: GuideMember, votersAfter: number): Promise<void> {
    await guide.who(old.name, next);
    await guide.runUntil('add');
    await guide.start(next.kind === 'quorate' ? 'start' : 'start-etcd', next);
    await guide.run('promote');
    await check(votersAfter + 1);
    await guide.run('lead');
    await guide.run('remove');
    await until(`${old.name} ends by itself`, async () => !guide.isRunning(old.name));
    await check(votersAfter);
  }

  /** The guide's check, with its outcome: all healthy, one leader, one hash. */
  async function check(voters: number): Promise<void> {
    const output = await guide.runUntil('check', (text) => {
      const hashes = [...text.matchAll(/^http\S+, (\d+)(?:, \d+)?$/gm)].map(([, hash]) => hash);
      return hashes.length === voters && new Set(hashes).size === 1;
    });
    expect(output.match(/is healthy/g) ?? []).toHaveLength(voters);
    expect(output).not.toContain('is unhealthy');
    // Of the status table; the learner column has the same word.
    expect(output.match(/(│|\|) +true (│|\|) +false (│|\|)/g) ?? []).toHaveLength(1);
  }

  async function versionIs(member: GuideMember, version: string): Promise<void> {
    await until(`the cluster's version is ${version}`, async () => {
      const answer = await fetch(`http://${guide.endpoint(member)}/version`);
      return ((await answer.json()) as { etcdcluster: string }).etcdcluster === version;
    });
  }

  async function expectUnharmed(running: ContinuousLoad, exchanges: number): Promise<LoadReport> {
    const report = await running.stop();
    load = undefined;
    console.info('migration:', JSON.stringify(report));
    expect(report.violations).toEqual([]);
    expect(report.writes).toBeGreaterThan(100 * exchanges);
    expect(report.reads).toBeGreaterThan(100 * exchanges);
    expect(report.events).toBeGreaterThanOrEqual(2 * report.writes);
    // No downtime: a change of the leader is the longest that a write ever waited for. Generous for a busy machine.
    expect(report.longestGapMs).toBeLessThan(15_000);
    return report;
  }

  /** The last section: what quorate holds, restored into a new etcd. */
  async function backFromSnapshot(): Promise<void> {
    const before = await hashOf(guide.endpoint(q3));
    await guide.run('snapshot-back');
    const e9 = etcd('e9', 9);
    await guide.startRestored(e9, `${guide.dir}/restored`);
    expect(await hashOf(guide.endpoint(e9))).toEqual(before);
  }

  test('three members, one after the other', { timeout: TIMEOUT_MS }, async () => {
    const running = await begin({}, [e1, e2, e3, q1, q2, q3]);
    await exchange(e1, q1, 3);
    await exchange(e2, q2, 3);
    await exchange(e3, q3, 3);
    await expectUnharmed(running, 3);
    await backFromSnapshot();
  });

  test('every step of the guide is known to this test', async () => {
    guide = await MigrationGuide.create();
    expect(guide.stepNames.sort()).toEqual(
      'add backup check helpers lead promote remove snapshot-back start start-etcd who'.split(' '),
    );
  });

  test.runIf(isLong)(
    'there, back before the last, there again, and back after the last',
    { timeout: TIMEOUT_MS },
    async () => {
      const [e4, e5, e6] = [etcd('e4', 4), etcd('e5', 5), etcd('e6', 6)];
      const [q4, q5] = [quorate('q4', 14), quorate('q5', 15)];
      const running = await begin({}, [e1, e2, e3, q1, q2, q3, e4, e5, q4, q5, e6]);
      await exchange(e1, q1, 3);
      await exchange(e2, q2, 3);
      await exchange(q1, e4, 3);
      await exchange(q2, e5, 3);
      await exchange(e3, q3, 3);
      await exchange(e4, q4, 3);
      await exchange(e5, q5, 3);
      await versionIs(q5, '3.6.0');
      if (etcdIsOlder()) {
        await downgrade(guide.endpoint(q5));
        await versionIs(q5, '3.5.0');
      }
      await exchange(q3, e6, 3);
      await expectUnharmed(running, 8);
    },
  );

  test.runIf(isLong)('with members that need a snapshot, both ways', { timeout: TIMEOUT_MS }, async () => {
    const e4 = etcd('e4', 4);
    const logsThatForget = { ETCD_SNAPSHOT_COUNT: '50', ETCD_EXPERIMENTAL_SNAPSHOT_CATCHUP_ENTRIES: '5' };
    const running = await begin(logsThatForget, [e1, e2, e3, q1, q2, q3, e4]);
    await until('there is something to forget', async () => running.writes > 500);
    await exchange(e1, q1, 3);
    expect(guide.log('q1')).toContain('taking over a snapshot from the leader');
    await exchange(e2, q2, 3);
    await exchange(q1, e4, 3);
    expect(guide.log('e4')).toContain('applied snapshot');
    await exchange(e3, q3, 3);
    await expectUnharmed(running, 4);
  });

  test.runIf(isLong)('in place: first out, then in', { timeout: TIMEOUT_MS }, async () => {
    const inPlace = quorate('q1', 1);
    const running = await begin({}, [e1, e2, e3]);
    await guide.who('e1', inPlace);
    await guide.run('lead', (code) => code.replace('$NEW', 'e2'));
    await guide.run('remove', (code) => code.replace('$HOST', '10.0.0.2'));
    await until('e1 ends by itself', async () => !guide.isRunning('e1'));
    await guide.runUntil('add');
    await guide.start('start', inPlace);
    await guide.run('promote');
    await check(3);
    await expectUnharmed(running, 1);
  });
});

/** As `etcdctl downgrade enable 3.5.0`, which the etcdctl of 3.5 does not have. */
async function downgrade(endpoint: string): Promise<void> {
  const client = new RawClient(endpoint);
  await client.downgrade('ENABLE', '3.5.0').finally(() => client.close());
}

async function hashOf(endpoint: string): Promise<{ hash: number; revision: bigint }> {
  const client = new RawClient(endpoint);
  try {
    const { header } = await client.range({ key: 'any' });
    return { hash: (await client.hashKv(header.revision)).hash, revision: header.revision };
  } finally {
    client.close();
  }
}
