import { SeededRandom } from '../../../../src/base/random.ts';
import type { Entry, HardState } from '../../../../src/gen/raftpb.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import type { RecoveredLog } from '../../../../src/server/durable-log.ts';
import { createWal, openWal, walExists } from '../../../../src/storage/wal/open.ts';
import type { Wal } from '../../../../src/storage/wal/wal.ts';
import { ManualLoop } from '../../../support/manual-loop.ts';
import { MemoryFileSystem, PowerLoss } from '../../../support/memory-file-system.ts';

const DIR = '/data/member/wal';

/** After each record that could end up as the last one on disk: the whole log. */
interface Snapshot {
  readonly entries: readonly Entry[];
  readonly state: HardState;
}

/** Appends, marks and releases at random over a file system that loses power at a random moment. */
export class CrashScenario {
  readonly random: SeededRandom;
  readonly loop: ManualLoop;
  readonly fs: MemoryFileSystem;
  /** What the log may look like, in the order of the records; all before `acknowledged` are impossible. */
  history: Snapshot[] = [{ entries: [], state: { term: 0, vote: 0n, commit: 0 } }];
  acknowledged = 0;
  /** Newest mark whose done was called. */
  markIndex = 0;
  created = false;
  wal: Wal | undefined;
  term = 1;
  payload = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.loop = new ManualLoop(seed);
    this.fs = new MemoryFileSystem({ seed, defer: this.loop.defer });
    this.fs.makeDir('/data/member', 0o700);
  }

  get now(): Snapshot {
    return this.history.at(-1) as Snapshot;
  }

  /** Opens the log, and checks what it holds. */
  open(): void {
    const options = {
      fs: this.fs,
      dir: DIR,
      clock: this.loop,
      logger: silentLogger,
      schedule: this.loop.defer,
      segmentBytes: 8192,
      filesMax: this.random.below(3) + 1,
      inlineSync: this.random.below(2) === 0,
      fillAhead: this.random.below(4) !== 0,
    };
    if (!walExists(options)) {
      if (this.created) throw new Error('a log that was created is gone');
      this.wal = createWal(options, { nodeID: 7n, clusterID: 9n });
      this.created = true;
      return;
    }
    const from = this.random.below(2) === 0 ? undefined : this.markIndex;
    const { wal, log } = openWal(options, from);
    this.wal = wal;
    this.created = true;
    this.check(log);
  }

  check(log: RecoveredLog): void {
    if (log.metadata.nodeID !== 7n || log.metadata.clusterID !== 9n) throw new Error('other metadata');
    const position = this.history.findIndex((snapshot, at) => at >= this.acknowledged && isLog(log, snapshot));
    if (position === -1) {
      throw new Error(
        `recovered a log that never was: start ${log.start.index}, ${log.entries.length} entries to ` +
          `${log.entries.at(-1)?.index}, acknowledged to ${this.history[this.acknowledged]?.entries.at(-1)?.index}`,
      );
    }
    const found = this.history[position] as Snapshot;
    // What was read is durable from now on, acknowledged or not. The commit index may be older than what was seen.
    this.history = [{ entries: found.entries, state: log.hardState }];
    this.acknowledged = 0;
    this.term = Math.max(this.term, log.hardState.term, log.entries.at(-1)?.term ?? 0);
    this.markIndex = Math.max(this.markIndex, log.start.index);
  }

  append(): void {
    const { entries: old, state } = this.now;
    const committed = state.commit;
    const replaces = this.random.below(8) === 0 && old.length > committed;
    if (replaces) this.term++;
    let index = (replaces ? committed + this.random.below(old.length - committed) : old.length) + 1;
    const entries: Entry[] = [];
    for (let count = this.random.below(4); count > 0; count--) {
      entries.push({ type: 0, term: this.term, index: index++, data: this.data() });
    }
    let log = old;
    for (const entry of entries) {
      log = [...log.slice(0, entry.index - 1), entry];
      this.history.push({ entries: log, state });
    }
    const commit = Math.max(committed, this.random.below(log.length + 1));
    const next = { term: this.term, vote: BigInt(this.random.below(3)), commit };
    const mustSync = entries.length > 0 || next.term !== state.term || next.vote !== state.vote;
    this.history.push({ entries: log, state: next });
    const reached = this.history.length - 1;
    this.wal?.append(next, entries, mustSync, (error) => {
      if (error === undefined && mustSync) this.acknowledged = Math.max(this.acknowledged, reached);
    });
  }

  data(): Uint8Array {
    const length = this.random.below(3) === 0 ? this.random.below(3000) : this.random.below(60);
    const data = new Uint8Array(length);
    // Zeros are what a torn write looks like: have plenty of them.
    for (let i = 0; i < length; i++) data[i] = i % 700 < 520 ? 0 : 1 + ((i + this.payload) % 255);
    this.payload++;
    if (length > 0) data[0] = this.payload;
    return data;
  }

  mark(): void {
    const { entries, state } = this.now;
    const index = state.commit;
    const mark = { index, term: entries[index - 1]?.term ?? 0 };
    this.wal?.markSnapshot(mark, (error) => {
      if (error !== undefined) return;
      this.markIndex = Math.max(this.markIndex, index);
      this.wal?.release(index);
    });
  }

  /** A snapshot from the leader: ahead of the log, or in place of its uncommitted end. */
  receiveSnapshot(): void {
    const { entries: old, state } = this.now;
    const index = state.commit + 1 + this.random.below(old.length - state.commit + 4);
    this.term++;
    const mark = { index, term: this.term };
    const next = { term: this.term, vote: 0n, commit: index };
    // Equal to no entry: nothing before the mark may be read back.
    const log = Array.from({ length: index }, (): Entry => ({ type: 0, term: mark.term, index: 0, data: NO_DATA }));
    this.history.push({ entries: log, state: next });
    const reached = this.history.length - 1;
    this.wal?.markSnapshot(mark, (error) => {
      if (error !== undefined) return;
      this.markIndex = Math.max(this.markIndex, index);
      this.acknowledged = Math.max(this.acknowledged, reached);
    });
  }

  act(): void {
    const what = this.random.below(16);
    if (what === 0) this.mark();
    else if (what === 1 && this.random.below(4) === 0) this.receiveSnapshot();
    else if (what < 8) this.append();
    else this.loop.run();
  }

  /** Works until the power goes, or all steps are done and it goes then. */
  workUntilCrash(): void {
    const steps = this.fs.steps;
    this.fs.faults.powerLossAtStep = steps + 1 + this.random.below(120);
    try {
      this.open();
      for (let i = 0; i < 120; i++) this.act();
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error;
    }
    this.loop.clear();
    if (this.random.below(4) === 0) this.fs.kill();
    else this.fs.crash();
  }
}

const NO_DATA = new Uint8Array(0);

function isLog(log: RecoveredLog, { entries, state }: Snapshot): boolean {
  const { start, hardState } = log;
  if (hardState.term !== state.term || hardState.vote !== state.vote || hardState.commit > state.commit) return false;
  if (start.index + log.entries.length !== entries.length) return false;
  return log.entries.every((entry, at) => isEntry(entry, entries[start.index + at]));
}

function isEntry(a: Entry, b: Entry | undefined): boolean {
  return a.index === b?.index && a.term === b.term && a.type === b.type && Buffer.compare(a.data, b.data) === 0;
}
