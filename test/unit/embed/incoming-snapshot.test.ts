/** A snapshot from the leader takes the place of database and log, whatever happens on the way. */
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { incomingMetadata, storeIncoming } from '../../../src/embed/incoming-snapshot.ts';
import type { MemberState } from '../../../src/embed/member-state.ts';
import type { HardState } from '../../../src/gen/raftpb.ts';
import { Raft } from '../../../src/raft/raft.ts';
import { DataDirectory, DATABASE_DIR, closeState, confStateOf, inPieces, leaderSnapshot } from './data-directory.ts';

const OLD = confStateOf(1n, 2n);
const NEW = confStateOf(1n, 2n, 3n);
const SNAPSHOT = leaderSnapshot({ index: 10, term: 3, confState: NEW });

interface Situation {
  readonly hardState: HardState;
  /** Terms of the entries in the log. */
  readonly entries: readonly number[];
  readonly applied: number;
  /** Terms of the entries that must be there after the snapshot. */
  readonly kept: readonly number[];
}

const SITUATIONS: [string, Situation][] = [
  ['behind', { hardState: { term: 1, vote: 2n, commit: 4 }, entries: [1, 1, 1, 1], applied: 4, kept: [] }],
  [
    'with entries of a former leader that nobody else has, beyond the snapshot',
    {
      hardState: { term: 2, vote: 1n, commit: 4 },
      entries: [1, 1, 1, 1, ...Array<number>(10).fill(2)],
      applied: 4,
      kept: [],
    },
  ],
  [
    'that was brought up by the log meanwhile',
    {
      hardState: { term: 3, vote: 2n, commit: 11 },
      entries: [1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3],
      applied: 4,
      kept: [3, 3],
    },
  ],
  ['that knows a later term', { hardState: { term: 7, vote: 3n, commit: 2 }, entries: [1, 1], applied: 2, kept: [] }],
];

async function prepared(situation: Situation, seed: number): Promise<DataDirectory> {
  const directory = new DataDirectory(seed);
  await directory.writeLog(situation.hardState, situation.entries);
  await directory.writeDatabase(situation.applied, 1, OLD);
  return directory;
}

function store(directory: DataDirectory, pieceBytes = 4096): Promise<void> {
  const { metadata, database } = SNAPSHOT;
  return storeIncoming(directory.files, DATABASE_DIR, metadata, inPieces(database, pieceBytes));
}

/** Checks that it is a state to go on from, and which: at the snapshot or before. */
function expectUsable(state: MemberState, situation: Situation, label: string): 'old' | 'new' {
  const { applied, hardState, logStart, entries } = state;
  const isNew = applied.index === SNAPSHOT.metadata.index;
  if (!isNew) expect(applied.index, label).toBe(situation.applied);
  expect(state.cluster.version, label).toBe(`3.0.${applied.index}`);
  expect(applied.confState.voters, label).toEqual(isNew ? NEW.voters : OLD.voters);
  expect(hardState.commit, label).toBeGreaterThanOrEqual(applied.index);
  expect(hardState.term, label).toBeGreaterThanOrEqual(situation.hardState.term);
  // A vote given in a term is given for all of it.
  if (hardState.term === situation.hardState.term) expect(hardState.vote, label).toBe(situation.hardState.vote);
  const raft = new Raft({
    id: 1n,
    electionTicks: 10,
    heartbeatTicks: 1,
    random: new SeededRandom(1),
    preVote: true,
    checkQuorum: true,
    maxSizePerMessageBytes: 1 << 20,
    inflightMessagesMax: 8,
    inflightBytesMax: 0,
    uncommittedBytesMax: 0,
    initial: { hardState, confState: applied.confState, snapshot: logStart, entries, applied: applied.index },
  });
  if (isNew) {
    expect(raft.termAt(10), label).toBe(SNAPSHOT.metadata.term);
    const after = Array.from({ length: raft.lastIndex - 10 }, (_, at) => raft.termAt(11 + at));
    expect(after, label).toEqual(situation.kept);
  } else {
    expect(raft.lastIndex, label).toBe(situation.entries.length);
  }
  return isNew ? 'new' : 'old';
}

/** Opens it until that works without the power going; at most the one loss that was asked for comes in between. */
async function openSurely(directory: DataDirectory): Promise<MemberState> {
  const first = await directory.untilPowerLoss(() => directory.open());
  if (first !== undefined) return first;
  directory.files.crash();
  return directory.open();
}

describe.each(SITUATIONS)('a member %s', (_, situation) => {
  test('takes the snapshot over at its next start, once', async () => {
    const directory = await prepared(situation, 1);
    await store(directory);
    for (let start = 0; start < 3; start++) {
      const state = await directory.open();
      expect(expectUsable(state, situation, `start ${start}`)).toBe('new');
      expect(incomingMetadata(directory.files, DATABASE_DIR)).toBeUndefined();
      await closeState(state);
    }
  });

  test('has the old state or the new one after a loss of power at any step', async () => {
    const outcomes = { old: 0, new: 0 };
    let wasLost = true;
    for (let step = 1; wasLost; step++) {
      for (const seed of [1, 2]) {
        const label = `step ${step}, seed ${seed}`;
        const directory = await prepared(situation, seed);
        directory.files.faults.powerLossAtStep = directory.files.steps + step;
        await directory.untilPowerLoss(() => store(directory));
        wasLost = directory.files.powerLost;
        if (wasLost) directory.files.crash();
        const isStored = !wasLost;
        const state = await openSurely(directory);
        wasLost ||= directory.files.faults.powerLossAtStep === undefined;
        const outcome = expectUsable(state, situation, label);
        if (isStored) expect(outcome, label).toBe('new');
        outcomes[outcome]++;
        await closeState(state);
        // What an interruption leaves behind is in nobody's way.
        if (outcome === 'old') {
          await store(directory);
          const again = await directory.open();
          expect(expectUsable(again, situation, label)).toBe('new');
          await closeState(again);
        }
      }
    }
    expect(outcomes.old).toBeGreaterThan(5);
    expect(outcomes.new).toBeGreaterThan(10);
  });
});

describe('a snapshot that is not stored', () => {
  const situation = SITUATIONS[0]?.[1] as Situation;

  async function refused(
    database: AsyncIterable<Uint8Array>,
    change: (directory: DataDirectory) => void = () => {},
  ): Promise<string> {
    const directory = await prepared(situation, 1);
    change(directory);
    const outcome = storeIncoming(directory.files, DATABASE_DIR, SNAPSHOT.metadata, database);
    const text = await outcome.then(
      () => 'stored',
      (error: unknown) => String(error),
    );
    Object.assign(directory.files.faults, { write: undefined, sync: undefined, create: undefined });
    const state = await directory.open();
    expect(expectUsable(state, situation, text)).toBe('old');
    await closeState(state);
    return text;
  }

  test('its sender goes away', async () => {
    const { database } = SNAPSHOT;
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield* inPieces(database.subarray(0, 5000), 1000);
      throw new Error('the sender is gone');
    }
    expect(await refused(cut())).toBe('Error: the sender is gone');
  });

  test('it ends early, is of another index, or no database at all', async () => {
    const { database } = SNAPSHOT;
    expect(await refused(inPieces(database.subarray(0, database.length - 4096), 1000))).toContain('DatabaseError');
    const other = leaderSnapshot({ index: 11, term: 3, confState: NEW });
    expect(await refused(inPieces(other.database, 1000))).toBe('Error: the database is at index 11, its message at 10');
    expect(await refused(inPieces(new Uint8Array(9000), 1000))).toContain('DatabaseError');
    expect(await refused(inPieces(new Uint8Array(0), 1000))).toContain('DatabaseError');
  });

  test('the disk is full or fails', async () => {
    const { database } = SNAPSHOT;
    const full = await refused(inPieces(database, 1000), ({ files }) => {
      files.faults.write = { code: 'ENOSPC', afterBytes: 3000 };
    });
    expect(full).toContain('ENOSPC');
    const failing = await refused(inPieces(database, 1000), ({ files }) => {
      files.faults.create = 'EIO';
    });
    expect(failing).toContain('EIO');
  });

  test('a later one takes the place of one that waits', async () => {
    const directory = await prepared(situation, 1);
    await store(directory);
    const later = leaderSnapshot({ index: 20, term: 4, confState: NEW });
    await storeIncoming(directory.files, DATABASE_DIR, later.metadata, inPieces(later.database, 999));
    const state = await directory.open();
    expect([state.applied.index, state.cluster.version]).toEqual([20, '3.0.20']);
    await closeState(state);
  });
});
