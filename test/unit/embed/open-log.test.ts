/** Where a member's log comes from: founded, joined, or opened again. */
import { describe, expect, test } from 'vitest';
import type { MemberState } from '../../../src/embed/member-state.ts';
import { ConfChangeType, decodeConfChange, encodeConfChange, type EntryInit } from '../../../src/gen/raftpb.ts';
import { encodeMember } from '../../../src/membership/member.ts';
import { NO_PEERS } from '../../../src/server/no-peers.ts';
import {
  PeerCallError,
  type PeerCalls,
  type PeerMembers,
  type PeerNetwork,
} from '../../../src/server/peer-transport.ts';
import { DataDirectory, closeState, confStateOf, WAL_DIR } from './data-directory.ts';

const THREE = [
  '--name=a',
  '--initial-cluster=a=http://a:2380,b=http://b:2380,c=http://c:2380',
  '--initial-advertise-peer-urls=http://a:2380',
];
const JOINING = [...THREE, '--initial-cluster-state=existing'];

/** A network whose members answer the question for the members like this. */
function answering(
  members: () => Promise<PeerMembers>,
  { cluster = '3.6.0', downgrade = false }: { cluster?: string | undefined; downgrade?: boolean } = {},
): PeerNetwork & { asked: string[][] } {
  const asked: string[][] = [];
  const calls: PeerCalls = {
    ...NO_PEERS.calls(undefined),
    versions: () =>
      Promise.resolve({ server: '3.6.0', cluster: cluster === '' ? undefined : cluster, storage: undefined }),
    isDowngradeEnabled: () => Promise.resolve(downgrade),
    members: (urls) => {
      asked.push([...urls]);
      return members();
    },
  };
  return { ...NO_PEERS, calls: () => calls, asked };
}

const silent = (): PeerNetwork & { asked: string[][] } =>
  answering(() => Promise.reject(new PeerCallError('nobody answers')));

function member(id: bigint, name: string, clientURLs: string[] = []) {
  return { id, name, peerURLs: [`http://${name || 'a'}:2380`], clientURLs, isLearner: false };
}

async function failure(opening: Promise<MemberState>): Promise<string> {
  return opening.then(
    () => 'opened',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

function addition(index: number, id: bigint, term = 1): EntryInit {
  const context = encodeMember({ ...member(id, ''), peerURLs: [`http://${id}:2380`] });
  const type = ConfChangeType.ConfChangeAddNode;
  return { type: 1, term, index, data: encodeConfChange({ id: 0n, type, nodeId: id, context }) };
}

describe('founding a cluster', () => {
  test('begins the log with its members, committed, the same on each of them', async () => {
    const states = await Promise.all(
      ['a', 'b'].map(async (name) => {
        const [, initialCluster = ''] = THREE;
        const flags = [`--name=${name}`, initialCluster, `--initial-advertise-peer-urls=http://${name}:2380`];
        const state = await new DataDirectory().open(flags, silent());
        await closeState(state);
        return state;
      }),
    );
    const [a, b] = states as [MemberState, MemberState];
    expect(a.entries).toEqual(b.entries);
    expect([a.clusterId, a.hardState]).toEqual([b.clusterId, { term: 1, vote: 0n, commit: 3 }]);
    expect(a.memberId).not.toBe(b.memberId);
    const ids = a.entries.map(({ data }) => decodeConfChange(data).nodeId);
    expect(ids).toEqual([...ids].sort((x, y) => (x < y ? -1 : 1)));
    expect(ids).toContain(a.memberId);
  });

  test('is the same after a loss of power at any step', async () => {
    const directory = new DataDirectory();
    const whole = await directory.open(THREE, silent());
    await closeState(whole);
    let wasLost = true;
    for (let step = 1; wasLost; step++) {
      for (const seed of [1, 2, 3]) {
        const interrupted = new DataDirectory(seed);
        interrupted.files.faults.powerLossAtStep = interrupted.files.steps + step;
        const opened = await interrupted.untilPowerLoss(() => interrupted.open(THREE, silent()));
        wasLost = interrupted.files.powerLost;
        if (opened !== undefined) {
          await closeState(opened);
          break;
        }
        interrupted.files.crash();
        const state = await interrupted.open(THREE, silent());
        const { memberId, clusterId, hardState, entries } = state;
        expect({ memberId, clusterId, hardState, entries }, `step ${step}, seed ${seed}`).toEqual({
          memberId: whole.memberId,
          clusterId: whole.clusterId,
          hardState: whole.hardState,
          entries: whole.entries,
        });
        await closeState(state);
      }
    }
  });

  test('is refused where the others know this member with its data', async () => {
    const directory = new DataDirectory();
    const first = await directory.open(THREE, silent());
    await closeState(first);
    const known = answering(() =>
      Promise.resolve({
        clusterId: first.clusterId,
        members: [member(first.memberId, 'a', ['http://a:2379'])],
      }),
    );
    expect(await failure(new DataDirectory().open(THREE, known))).toBe(
      `member ${first.memberId.toString(16)} has already been bootstrapped`,
    );
    expect(known.asked).toEqual([['http://b:2380', 'http://c:2380']]);
    // The data are there: nobody needs to be asked.
    const again = await directory.open(THREE, known);
    expect(again.memberId).toBe(first.memberId);
    await closeState(again);
  });

  test('and one that began with other flags but was never used is refused', async () => {
    const directory = new DataDirectory();
    await directory.writeLog({ term: 0, vote: 0n, commit: 0 }, []);
    expect(await failure(directory.open(THREE, silent()))).toContain('was begun with other flags, and never used');
  });
});

describe('joining a cluster', () => {
  const others = [member(2n, 'b', ['http://b:2379']), member(3n, 'c')];

  test('takes its id from it, and begins with an empty log', async () => {
    const network = answering(() => Promise.resolve({ clusterId: 77n, members: [member(5n, ''), ...others] }));
    const directory = new DataDirectory();
    for (let start = 0; start < 2; start++) {
      const state = await directory.open(JOINING, network);
      expect([state.memberId, state.clusterId, state.entries, state.hardState.term]).toEqual([5n, 77n, [], 0]);
      if (start === 0) expect(state.contacts.map(({ id }) => id)).toEqual([5n, 2n, 3n]);
      await closeState(state);
    }
  });

  test('asks the next member where one is behind, or does not answer', async () => {
    const answers = [
      () => Promise.resolve({ clusterId: 77n, members: [] }),
      () => Promise.resolve({ clusterId: 77n, members: [member(5n, ''), ...others] }),
    ];
    for (const first of [() => Promise.reject(new PeerCallError('nobody answers')), answers[0]]) {
      const left = [first, answers[1]];
      const network = answering(() => left.shift()!());
      const state = await new DataDirectory().open(JOINING, network);
      expect([state.memberId, network.asked]).toEqual([5n, [['http://b:2380'], ['http://c:2380']]]);
      await closeState(state);
    }
  });

  test('is refused where the flags and the cluster differ, and leaves nothing behind', async () => {
    const cases: [string, bigint[] | undefined, string][] = [
      ['member count', [5n, 2n], 'member count is unequal: --initial-cluster has 3, the cluster 2'],
      ['no answer', undefined, 'cannot fetch cluster info from peer urls: nobody answers'],
    ];
    for (const [label, ids, text] of cases) {
      const network = answering(() =>
        ids === undefined
          ? Promise.reject(new PeerCallError('nobody answers'))
          : Promise.resolve({
              clusterId: 77n,
              members: [member(5n, ''), ...others].filter(({ id }) => ids.includes(id)),
            }),
      );
      const directory = new DataDirectory();
      expect(await failure(directory.open(JOINING, network)), label).toContain(text);
      expect(directory.files.list(WAL_DIR)).toEqual([]);
    }
    const moved = answering(() =>
      Promise.resolve({ clusterId: 77n, members: [{ ...member(5n, ''), peerURLs: ['http://x:1'] }, ...others] }),
    );
    expect(await failure(new DataDirectory().open(JOINING, moved))).toBe(
      'error validating peerURLs: PeerURLs: no match found for existing member (5, [http://x:1])',
    );
  });

  test.each([
    ['a cluster of a later version', { cluster: '3.7.0' }, 'its members say 3.7.0, 3.7.0, this one is 3.6.'],
    ['one that knows no version yet', { cluster: '' }, 'its members say unknown, unknown, this one is 3.6.'],
    ['one that goes down to a version below', { downgrade: true }, 'its members say 3.6.0, 3.6.0, this one is 3.6.'],
  ])('is refused by %s', async (_, versions, text) => {
    const network = answering(
      () => Promise.resolve({ clusterId: 77n, members: [member(5n, ''), ...others] }),
      versions,
    );
    const directory = new DataDirectory();
    const refused = await failure(directory.open(JOINING, network));
    expect(refused).toContain(`incompatible with current running cluster: ${text}`);
    expect(directory.files.list(WAL_DIR)).toEqual([]);
  });

  test('is refused where there are more learners than the flags allow', async () => {
    const learners = others.map((other) => ({ ...other, isLearner: true }));
    const network = answering(() => Promise.resolve({ clusterId: 77n, members: [member(5n, ''), ...learners] }));
    expect(await failure(new DataDirectory().open(JOINING, network))).toBe('too many learner members in cluster: 2');
    const allowed = await new DataDirectory().open([...JOINING, '--max-learners=2'], network);
    await closeState(allowed);
  });
});

describe('opening again', () => {
  test('a database says whose it is, and a log of another member is refused', async () => {
    const directory = new DataDirectory();
    await directory.writeLog({ term: 2, vote: 3n, commit: 2 }, [1, 2]);
    await directory.writeDatabase(2, 2, confStateOf(1n));
    const state = await directory.open();
    const batch = state.buffer.beginFlush();
    if (batch !== undefined) await new Promise<void>((resolve) => state.backend.commit(batch, () => resolve()));
    state.buffer.endFlush();
    await closeState(state);
    await closeState(await directory.open());
    for (const name of directory.files.list(WAL_DIR)) directory.files.remove(`${WAL_DIR}/${name}`);
    await directory.writeLog({ term: 2, vote: 3n, commit: 2 }, [1, 2], [], { nodeID: 0x2an, clusterID: 9n });
    expect(await failure(directory.open())).toBe(
      'the database in /data is that of member 1 of cluster 9, the WAL in /data/member/wal is that of member 2a of cluster 9',
    );
  });

  test('does not look at what the flags say of the cluster', async () => {
    const directory = new DataDirectory();
    await directory.writeLog({ term: 2, vote: 3n, commit: 2 }, [1, 2]);
    await directory.writeDatabase(2, 2, confStateOf(1n));
    const state = await directory.open(THREE, silent());
    expect([state.memberId, state.clusterId, state.applied.index]).toEqual([1n, 9n, 2]);
    expect(state.hardState).toEqual({ term: 2, vote: 3n, commit: 2 });
    await closeState(state);
  });

  test('leaves a change of the members that is not applied to be applied', async () => {
    const directory = new DataDirectory();
    await directory.writeLog({ term: 1, vote: 1n, commit: 3 }, [1, 1], [addition(3, 2n), addition(4, 3n)]);
    await directory.writeDatabase(2, 1, confStateOf(1n));
    const state = await directory.open();
    expect(state.applied.confState.voters).toEqual([1n]);
    expect(state.entries.filter(({ index }) => index > 2).map(({ index, type }) => [index, type])).toEqual([
      [3, 1],
      [4, 1],
    ]);
    expect(state.hardState.commit).toBe(3);
    await closeState(state);
  });

  test('the database may be ahead of the commit index that was written, not of the log', async () => {
    const ahead = new DataDirectory();
    await ahead.writeLog({ term: 1, vote: 1n, commit: 1 }, [1, 1, 1]);
    await ahead.writeDatabase(3, 1, confStateOf(1n));
    const state = await ahead.open();
    expect([state.hardState.commit, state.applied.index]).toEqual([3, 3]);
    await closeState(state);

    const beyond = new DataDirectory();
    await beyond.writeLog({ term: 1, vote: 1n, commit: 1 }, [1, 1, 1]);
    await beyond.writeDatabase(9, 1, confStateOf(1n));
    expect(await failure(beyond.open())).toContain('ends at index 3');
  });

  test('a database without its log, and a log of which the beginning is gone, are refused in one line', async () => {
    const alone = new DataDirectory();
    await alone.writeDatabase(3, 1, confStateOf(1n));
    expect(await failure(alone.open())).toBe('the database in /data is there, but its WAL in /data/member/wal is not');

    const gone = new DataDirectory();
    await gone.writeLog({ term: 1, vote: 1n, commit: 3 }, [1, 1, 1]);
    const [name] = gone.files.list(WAL_DIR);
    const bytes = gone.files.bytesOf(`${WAL_DIR}/${name}`);
    gone.files.remove(`${WAL_DIR}/${name}`);
    const renamed = gone.files.open(`${WAL_DIR}/0000000000000000-0000000000000007.wal`, 'create');
    renamed.write(bytes, 0);
    renamed.close();
    await gone.writeDatabase(3, 1, confStateOf(1n));
    const text = await failure(gone.open());
    expect(text).not.toBe('opened');
    expect(text).not.toContain('\n');
  });
});
