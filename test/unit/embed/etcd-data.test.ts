/** etcd's data directory is taken over whole or not at all, whatever happens on the way. */
import { expect, describe, test } from 'vitest';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { MemberState } from '../../../src/embed/member-state.ts';
import { markTaken } from '../../../src/embed/open-log.ts';
import { ConfChangeType, encodeConfChange, type ConfState, type EntryInit } from '../../../src/gen/raftpb.ts';
import { encodeMember } from '../../../src/membership/member.ts';
import { encodeKeyValue, encodeTombstone } from '../../../src/mvcc/key-value.ts';
import { encodeRevision } from '../../../src/mvcc/revision.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { encodeConfState } from '../../../src/server/conf-state.ts';
import { DatabaseWriter } from '../../../src/storage/bbolt/database-writer.ts';
import { PAGE_BYTES } from '../../../src/storage/bbolt/format.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryFileSystem } from '../../support/memory-file-system.ts';
import { DATABASE_DIR, DATA_DIR, DataDirectory, WAL_DIR, closeState, confStateOf, uint64 } from './data-directory.ts';

const DATABASE = `${DATABASE_DIR}/db`;
const SNAP = `${DATABASE_DIR}/0000000000000001-0000000000000003.snap`;
const ASIDE = `${DATA_DIR}/etcd-original`;
const ROWS = 300;

interface DatabaseShape {
  readonly index: number;
  readonly confState: ConfState;
  readonly learners?: readonly bigint[];
  readonly members: readonly bigint[];
}

/** What an etcd's database file holds: a key with many versions, members, and how far it is. */
function databaseOf({ index, confState, learners = [], members }: DatabaseShape): Uint8Array {
  const files = new MemoryFileSystem();
  const writer = new DatabaseWriter(files.open('/db', 'create'));
  const bucket = (name: string, rows: readonly (readonly [Uint8Array, Uint8Array])[]): void => {
    writer.beginBucket(name);
    for (const [key, value] of rows) writer.add(key, value);
    writer.endBucket();
  };
  const k = utf8Encode('k');
  bucket('cluster', [[utf8Encode('clusterVersion'), utf8Encode('3.5.0')]]);
  bucket('key', [
    ...Array.from({ length: ROWS }, (_, at) => {
      const main = at + 2;
      return [encodeRevision(main, 0), encodeKeyValue(k, 2, main, at + 1, new Uint8Array(50).fill(at), 0n)] as const;
    }),
    [encodeRevision(ROWS + 2, 0, true), encodeTombstone(k)],
  ]);
  bucket(
    'members',
    members.map((id) => [
      utf8Encode(id.toString(16)),
      encodeMember({ id, name: `n${id}`, peerURLs: [], clientURLs: [], isLearner: learners.includes(id) }),
    ]),
  );
  bucket('meta', [
    [utf8Encode('confState'), encodeConfState(confState)],
    [utf8Encode('consistent_index'), uint64(index)],
    [utf8Encode('term'), uint64(1)],
  ]);
  writer.finish();
  return files.bytesOf('/db');
}

function change(index: number, type: number, nodeId: bigint): EntryInit {
  return { type: 1, term: 1, index, data: encodeConfChange({ id: 0n, type, nodeId, context: new Uint8Array(0) }) };
}

const { ConfChangeAddNode, ConfChangeAddLearnerNode, ConfChangeRemoveNode } = ConfChangeType;
const FOUNDED = [change(1, ConfChangeAddNode, 1n), change(2, ConfChangeAddNode, 2n)];
const LATER = Array.from({ length: 6 }, (_, at) => ({ type: 0, term: 1, index: at + 3, data: utf8Encode(`e${at}`) }));
/** The database is behind the log, as after a kill. */
const BEHIND = databaseOf({ index: 5, confState: confStateOf(1n, 2n), members: [1n, 2n] });

async function prepared(seed = 1, database = BEHIND, entries: readonly EntryInit[] = [...FOUNDED, ...LATER]) {
  const directory = new DataDirectory(seed);
  await directory.writeLog({ term: 1, vote: 1n, commit: entries.length - 1 }, [], entries);
  writeFile(directory, DATABASE, database);
  writeFile(directory, SNAP, utf8Encode('a snap file'));
  return directory;
}

function writeFile({ files }: DataDirectory, path: string, bytes: Uint8Array): void {
  const file = files.open(path, 'create');
  file.writeDurable(bytes, 0);
  file.close();
  files.syncDir(DATABASE_DIR);
}

const RECEIVED = databaseOf({ index: 10, confState: confStateOf(1n, 2n, 3n), members: [1n, 2n, 3n] });

/** The log says that a snapshot at index 10 has taken its place; the database is at index 2. */
async function withReceivedSnapshot(): Promise<DataDirectory> {
  const directory = await prepared(
    1,
    databaseOf({ index: 2, confState: confStateOf(1n, 2n), members: [1n, 2n] }),
    FOUNDED,
  );
  const options = { fs: directory.files, dir: WAL_DIR, clock: new ManualClock(), logger: silentLogger };
  const mark = { index: 10, term: 3, confState: confStateOf(1n, 2n, 3n) };
  await markTaken({ ...options, segmentBytes: 1 << 16, fillAhead: false }, mark);
  return directory;
}

/** Every file of the directory, as text that shows a difference. */
function contentsOf({ files }: DataDirectory): Map<string, string> {
  const found = new Map<string, string>();
  for (const dir of [DATABASE_DIR, WAL_DIR]) {
    for (const name of files.list(dir)) found.set(`${dir}/${name}`, digest(files.bytesOf(`${dir}/${name}`)));
  }
  return found;
}

function digest(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function expectTaken(state: MemberState, label = ''): void {
  expect([state.applied.index, state.store.currentRev, state.store.keyCount], label).toEqual([5, ROWS + 2, 0]);
  expect(state.applied.confState.voters, label).toEqual([1n, 2n]);
  expect(
    state.cluster.members().map(({ name }) => name),
    label,
  ).toEqual(['n1', 'n2']);
  expect(state.entries.at(-1)?.index, label).toBe(8);
  expect(state.hardState, label).toEqual({ term: 1, vote: 1n, commit: 7 });
  expect(state.store.versionAt(utf8Encode('k'), 7), label).toMatchObject({ main: 7, createRevision: 2, version: 6 });
}

/** A copy that etcd could start on, and nothing of it where it was. */
function expectAside({ files }: DataDirectory, log: string, label = ''): void {
  expect(digest(files.bytesOf(`${ASIDE}/member/snap/db`)), label).toBe(digest(BEHIND));
  expect(files.list(`${ASIDE}/member/snap`).length, label).toBe(2);
  const [segment = ''] = files.list(`${ASIDE}/member/wal`);
  expect(digest(files.bytesOf(`${ASIDE}/member/wal/${segment}`)), label).toBe(log);
  expect(files.list(DATABASE_DIR), label).toEqual(['quorate.mdb']);
}

function logOf({ files }: DataDirectory): string {
  const [segment = ''] = files.list(WAL_DIR).filter((name) => name.endsWith('.wal'));
  return digest(files.bytesOf(`${WAL_DIR}/${segment}`));
}

describe('a data directory of etcd', () => {
  test('is taken over once, with the log behind the database, and set aside', async () => {
    const directory = await prepared();
    const log = logOf(directory);
    for (let start = 0; start < 3; start++) {
      const state = await directory.open();
      expectTaken(state, `start ${start}`);
      expectAside(directory, log);
      await closeState(state);
    }
  });

  test.each(['power loss', 'kill'] as const)(
    'is there whole or taken over whole after a %s at any step',
    async (how) => {
      const outcomes = { before: 0, after: 0 };
      for (let step = 1, wasLost = true; wasLost; step++) {
        for (const seed of how === 'kill' ? [1] : [1, 2, 3]) {
          const label = `step ${step}, seed ${seed}`;
          const directory = await prepared(seed);
          const { files } = directory;
          const before = contentsOf(directory);
          const log = logOf(directory);
          files.faults.powerLossAtStep = files.steps + step;
          await directory.untilPowerLoss(() => directory.open());
          wasLost = files.powerLost;
          if (!wasLost) break;
          if (how === 'kill') files.kill();
          else files.crash();
          const isTaken = files.exists(`${DATABASE_DIR}/quorate.mdb`);
          outcomes[isTaken ? 'after' : 'before']++;
          if (!isTaken) for (const [path, bytes] of before) expect(digest(files.bytesOf(path)), label).toBe(bytes);
          const state = await directory.open();
          expectTaken(state, label);
          expectAside(directory, log, label);
          await closeState(state);
        }
      }
      expect(outcomes.before).toBeGreaterThan(10);
      expect(outcomes.after).toBeGreaterThan(3);
    },
  );

  test('gets its members from the log: from the conf changes up to where the database ends', async () => {
    const entries = [
      ...FOUNDED,
      change(3, ConfChangeAddLearnerNode, 3n),
      change(4, ConfChangeAddNode, 3n),
      change(5, ConfChangeRemoveNode, 2n),
      change(6, ConfChangeAddNode, 4n),
      change(7, ConfChangeAddNode, 5n),
    ];
    // A learner that was promoted and a member that was removed are still there, and the voters are of another cluster.
    const database = databaseOf({ index: 5, confState: confStateOf(9n), members: [1n, 2n, 3n], learners: [3n] });
    const directory = await prepared(1, database, entries);
    const state = await directory.open();
    expect(state.applied.confState.voters).toEqual([1n, 3n]);
    expect(state.cluster.members().map(({ id, isLearner }) => [id, isLearner])).toEqual([
      [1n, false],
      [3n, false],
    ]);
    await closeState(state);
  });

  test('of an etcd that died while it took over a snapshot from its leader: the database is the one that it had received', async () => {
    const directory = await withReceivedSnapshot();
    writeFile(directory, `${DATABASE_DIR}/000000000000000a.snap.db`, RECEIVED);
    const state = await directory.open();
    expect([state.applied.index, state.applied.confState.voters]).toEqual([10, [1n, 2n, 3n]]);
    expect(state.cluster.members().map(({ id }) => id)).toEqual([1n, 2n, 3n]);
    expect(directory.files.list(`${ASIDE}/member/snap`).length).toBe(3);
    await closeState(state);
  });

  test('comes after one that was set aside before', async () => {
    const directory = await prepared();
    directory.files.makeDir(ASIDE, 0o700);
    const state = await directory.open();
    expectTaken(state);
    expect(directory.files.list(`${ASIDE}-2/member/snap`).sort()).toContain('db');
    await closeState(state);
  });
});

describe('a data directory that cannot be taken over stays as it is, and the error is one line', () => {
  async function refusal(directory: DataDirectory): Promise<string> {
    const before = contentsOf(directory);
    const text = await directory.open().then(
      async (state) => {
        await closeState(state);
        return 'taken over';
      },
      (error: unknown) => String(error),
    );
    expect(text).not.toContain('\n');
    if (text !== 'taken over') {
      expect(contentsOf(directory)).toEqual(before);
      expect(directory.files.exists(ASIDE)).toBe(false);
    }
    return text;
  }

  test('a file that is no database, or ends early', async () => {
    expect(await refusal(await prepared(1, new Uint8Array(0)))).toContain(`the database ${DATABASE} is damaged`);
    expect(await refusal(await prepared(1, utf8Encode('x'.repeat(20_000))))).toContain('no valid meta page');
    for (let pages = 1; pages * PAGE_BYTES < BEHIND.length; pages += 3) {
      expect(await refusal(await prepared(1, BEHIND.slice(0, pages * PAGE_BYTES)))).toContain('damaged');
    }
  });

  test('a log that is not there, ends before the database, or is damaged', async () => {
    const gone = await prepared();
    for (const name of gone.files.list(WAL_DIR)) gone.files.remove(`${WAL_DIR}/${name}`);
    expect(await refusal(gone)).toContain(`its WAL in ${WAL_DIR} is not`);
    expect(await refusal(await prepared(1, BEHIND, FOUNDED))).toContain(`WAL in ${WAL_DIR} ends at index 2`);
    const damaged = await prepared();
    const [segment = ''] = damaged.files.list(WAL_DIR);
    const file = damaged.files.open(`${WAL_DIR}/${segment}`, 'write');
    file.writeDurable(new Uint8Array([0x55]), 60);
    expect(await refusal(damaged)).toContain('is corrupt at offset');
  });

  test('an older database than the log goes on from', async () => {
    const text = await refusal(await withReceivedSnapshot());
    expect(text).toContain(`the log goes on from 10: ${DATABASE_DIR}/000000000000000a.snap.db is missing`);
  });

  test('a full disk', async () => {
    for (const afterBytes of [0, 3000, 60_000]) {
      const directory = await prepared();
      directory.files.faults.write = { code: 'ENOSPC', afterBytes };
      const text = await directory.open().then(
        () => 'taken over',
        (error: unknown) => String(error),
      );
      expect(text).toContain('ENOSPC');
      directory.files.faults.write = undefined;
      const state = await directory.open();
      expectTaken(state);
      await closeState(state);
    }
  });

  test(
    'bits that flipped anywhere: refused, or no difference in what the file says of itself',
    { timeout: 120_000 },
    async () => {
      const refused = new Set<string>();
      for (let seed = 0; seed < 300; seed++) {
        const random = new SeededRandom(seed);
        const bytes = BEHIND.slice();
        // Behind the metas, of which one is enough.
        const at = 2 * PAGE_BYTES + random.below(bytes.length - 2 * PAGE_BYTES);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        const text = await refusal(await prepared(1, bytes));
        if (text !== 'taken over') refused.add(text);
      }
      expect(refused.size).toBeGreaterThan(10);
      for (const text of refused)
        expect(text).toMatch(/^Error: (the database .* is damaged|the WAL in .* does not fit|WAL)/);
    },
  );
});
