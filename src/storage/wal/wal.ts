import { assert } from '../../base/assert.ts';
import { encodeHardState, type EntryInit, type HardState } from '../../gen/raftpb.ts';
import { encodeSnapshot } from '../../gen/walpb.ts';
import type { DurableLog, LogDone, SnapshotMarkInit } from '../../server/durable-log.ts';
import { WalError, WalFailedError } from './errors.ts';
import { RecordType, SEGMENT_BYTES, segmentName, type SegmentName } from './format.ts';
import { RecordEncoder } from './record-encoder.ts';
import { segmentOf } from './recovery.ts';
import { isNoSpace, type SegmentFile } from './segment-file.ts';
import { SegmentMaker } from './segment-maker.ts';
import { SyncPolicy } from './sync-policy.ts';
import { WAL_FILES_MAX, type WalOptions } from './wal-options.ts';

/** etcd warns of a sync that takes this long. */
const SLOW_SYNC_WARN_MS = 1000;

/** Between two attempts to write to a full disk. */
const ROOM_LOOK_MS = 500;

/** Where a log ends: what a writer needs to go on. */
export interface WalEnd {
  readonly metadataBytes: Uint8Array;
  readonly hardState: HardState;
  readonly lastIndex: number;
  /** Index of the newest mark that is on disk; undefined when none is known. */
  readonly markIndex: number | undefined;
  readonly crc: number;
  readonly segments: readonly SegmentName[];
}

/** Bytes for one file. */
interface Part {
  /** Set when the bytes are the head and the first records of a new file. */
  readonly begins: SegmentName | undefined;
  readonly bytes: Uint8Array;
}

/** What is written with one sync (or one for each file that it touches) and reported together. */
interface Group {
  readonly parts: readonly Part[];
  readonly dones: readonly LogDone[];
}

/**
 * The durable log in etcd's WAL format. Records are encoded as they are appended, while the group before is being synced;
 * when that ends, all of them go out with one write. There is one group under way at a time, and no limit on its size: who
 * appends bounds what waits (Raft by its limit on uncommitted entries and on messages under way).
 */
export class Wal implements DurableLog {
  readonly #options: WalOptions;
  readonly #segmentBytes: number;
  readonly #schedule: (run: () => void) => void;
  readonly #maker: SegmentMaker;
  readonly #policy: SyncPolicy;
  readonly #encoder: RecordEncoder;
  readonly #metadataBytes: Uint8Array;
  /** Files on disk, oldest first; the last one is #file. */
  readonly #segments: SegmentName[];
  #file: SegmentFile;

  /** The state given last, and whether it has yet to be encoded. */
  #hardState: HardState;
  #stateWaits = false;
  /** The state encoded last, and what else the encoder has come to: all of it may still wait to be written. */
  #encodedState: HardState;
  #lastIndex: number;
  #lastSeq: number;
  /** Length of the file that is being encoded for. */
  #position: number;

  /** Parts that the encoder is through with; what it holds itself comes after them. */
  #parts: Part[] = [];
  #encoderBegins: SegmentName | undefined;
  #dones: LogDone[] = [];

  /** Of the newest mark that is on disk. */
  #markIndex: number | undefined;
  /** Sequence number of the file that was prepared last, or that could not be. */
  #preparedSeq = 0;
  #busy = false;
  #flushScheduled = false;
  #failure: WalFailedError | undefined;
  #closing: LogDone | undefined;
  #closed = false;

  /** For createWal and openWal: `file` is the last of `end.segments`. */
  constructor(options: WalOptions, end: WalEnd, file: SegmentFile) {
    this.#options = options;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#schedule = options.schedule ?? queueMicrotask;
    const fill = options.fillAhead ?? true;
    this.#maker = new SegmentMaker(options.fs, options.dir, this.#segmentBytes, fill);
    this.#policy = new SyncPolicy(options.clock, options.inlineSync ?? true, options.isDiskBusy);
    this.#encoder = new RecordEncoder(end.crc);
    this.#metadataBytes = end.metadataBytes;
    this.#segments = [...end.segments];
    this.#file = file;
    this.#hardState = end.hardState;
    this.#encodedState = end.hardState;
    this.#lastIndex = end.lastIndex;
    this.#lastSeq = end.segments.at(-1)?.seq ?? 0;
    this.#position = file.offset;
    this.#markIndex = end.markIndex;
    file.fillAhead();
  }

  append(hardState: HardState | undefined, entries: readonly EntryInit[], mustSync: boolean, done: LogDone): void {
    if (!this.#accepts()) return this.#refuse(done);
    this.#checkEntries(entries);
    if (hardState !== undefined) {
      this.#checkState(hardState);
      this.#hardState = { ...hardState };
      this.#stateWaits = true;
    }
    if (entries.length > 0 || mustSync) this.#encode(entries);
    this.#dones.push(done);
    this.#scheduleFlush();
  }

  markSnapshot(mark: SnapshotMarkInit, done: LogDone): void {
    if (!this.#accepts()) return this.#refuse(done);
    // The state goes first: a mark counts once the commit index has reached it.
    this.#encode(NO_ENTRIES);
    this.#record(RecordType.snapshot, encodeSnapshot(mark));
    if (mark.index > this.#hardState.commit) this.#commitMark(mark);
    this.#lastIndex = Math.max(this.#lastIndex, mark.index);
    this.#dones.push((error) => {
      if (error === undefined) this.#markIndex = Math.max(this.#markIndex ?? 0, mark.index);
      done(error);
    });
    this.#scheduleFlush();
  }

  release(index: number): void {
    const { fs, dir, logger, filesMax = WAL_FILES_MAX } = this.#options;
    if (this.#markIndex === undefined || filesMax === 0 || !this.#accepts()) return;
    const needed = segmentOf(this.#segments, Math.min(index, this.#markIndex));
    const count = Math.min(needed, this.#segments.length - filesMax);
    if (count <= 0) return;
    try {
      for (let i = 0; i < count; i++) {
        const { name } = this.#segments[0] as SegmentName;
        fs.remove(`${dir}/${name}`);
        this.#segments.shift();
        logger.info('deleted a WAL file that is no longer needed', { path: `${dir}/${name}` });
      }
    } catch (error) {
      logger.warn('failed to delete a WAL file', { dir, error: String(error) });
    }
    fs.syncDirAsync(dir, (error) => {
      if (error !== undefined) logger.warn('failed to sync the WAL directory', { dir, error: error.message });
    });
  }

  close(done: LogDone): void {
    if (this.#closing !== undefined || this.#closed) return this.#refuse(done);
    if (this.#stateWaits && this.#failure === undefined) this.#encode(NO_ENTRIES);
    this.#closing = done;
    this.#scheduleFlush();
  }

  #accepts(): boolean {
    return this.#failure === undefined && this.#closing === undefined && !this.#closed;
  }

  #refuse(done: LogDone): void {
    this.#schedule(() => done(this.#failure ?? new WalError('the log is closed')));
  }

  /** What a reader would refuse must not get into a file. */
  #checkEntries(entries: readonly EntryInit[]): void {
    let last = this.#lastIndex;
    for (const { index = 0 } of entries) {
      assert(index > this.#encodedState.commit && index <= last + 1, 'entry does not fit on the log', {
        index,
        last,
        commit: this.#encodedState.commit,
      });
      last = index;
    }
  }

  #checkState({ term, commit }: HardState): void {
    const before = this.#hardState;
    assert(term >= before.term && commit >= before.commit, 'hard state goes back', {
      term,
      commit,
      termBefore: before.term,
      commitBefore: before.commit,
    });
  }

  /** Encodes the entries, then the hard state if it changed. */
  #encode(entries: readonly EntryInit[]): void {
    if (this.#position >= this.#segmentBytes) this.#beginSegment();
    const encoder = this.#encoder;
    const before = encoder.length;
    for (const entry of entries) encoder.entry(entry);
    this.#position += encoder.length - before;
    const last = entries.at(-1);
    if (last?.index !== undefined) this.#lastIndex = last.index;
    if (this.#stateWaits) this.#encodeState();
  }

  #record(type: number, data: Uint8Array): void {
    const before = this.#encoder.length;
    this.#encoder.record(type, data);
    this.#position += this.#encoder.length - before;
  }

  /**
   * A snapshot from the leader, ahead of the log. It has to count before the entries that follow it are written: otherwise a
   * crash in between would leave them behind entries that the snapshot replaced.
   */
  #commitMark(mark: SnapshotMarkInit): void {
    const { term, vote } = this.#hardState;
    const newTerm = mark.term > term;
    this.#hardState = { term: newTerm ? mark.term : term, vote: newTerm ? 0n : vote, commit: mark.index };
    this.#encodeState();
  }

  #encodeState(): void {
    this.#stateWaits = false;
    this.#encodedState = this.#hardState;
    this.#record(RecordType.state, encodeHardState(this.#hardState));
  }

  /** What is encoded from here on goes into a new file. */
  #beginSegment(): void {
    this.#endPart();
    this.#lastSeq++;
    this.#encoderBegins = segmentName(this.#lastSeq, this.#lastIndex + 1);
    this.#encoder.crcRecord();
    this.#encoder.record(RecordType.metadata, this.#metadataBytes);
    // Not one that waits: it may count entries as committed that are about to follow.
    if (!isEmptyState(this.#encodedState)) this.#encoder.record(RecordType.state, encodeHardState(this.#encodedState));
    this.#position = this.#encoder.length;
  }

  #endPart(): void {
    if (this.#encoder.length === 0) return;
    this.#parts.push({ begins: this.#encoderBegins, bytes: this.#encoder.take() });
    this.#encoderBegins = undefined;
  }

  #scheduleFlush(): void {
    if (this.#busy || this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#schedule(() => {
      this.#flushScheduled = false;
      if (!this.#busy) this.#flush();
    });
  }

  #flush(): void {
    const group = this.#takeGroup();
    if (group.parts.length === 0) report(group);
    else if (this.#mayWriteNow(group)) this.#writeNow(group);
    else this.#write(group);
    this.#closeIfIdle();
  }

  #takeGroup(): Group {
    this.#endPart();
    const group = { parts: this.#parts, dones: this.#dones };
    this.#parts = [];
    this.#dones = [];
    return group;
  }

  #mayWriteNow(group: Group): boolean {
    const [part] = group.parts;
    if (part === undefined || group.parts.length > 1 || part.begins !== undefined) return false;
    return this.#policy.inline(group.dones.length, part.bytes.length) && this.#file.isFree(part.bytes.length);
  }

  #writeNow(group: Group): void {
    const { bytes } = group.parts[0] as Part;
    const startMs = this.#options.clock.monotonicMs();
    let problem: Error | undefined;
    try {
      this.#file.writeNow(bytes);
    } catch (error) {
      problem = error instanceof Error ? error : new Error(String(error));
    }
    if (problem === undefined) this.#wrote(bytes, startMs, true);
    else if (this.#mayWaitForRoom(problem)) {
      this.#write(group);
      return;
    }
    this.#report(group, problem);
  }

  /** Writes the group off the main thread, file by file: a file is complete and on disk before the next one appears. */
  #write(group: Group): void {
    this.#busy = true;
    let starting = true;
    let next = 0;
    const step = (error: Error | undefined): void => {
      if (error !== undefined && this.#mayWaitForRoom(error)) {
        next--;
        this.#waitForRoom(() => step(undefined));
        return;
      }
      const part = group.parts[next++];
      if (error === undefined && part !== undefined) this.#writePart(part, step);
      else if (starting) this.#schedule(() => this.#ended(group, error));
      else this.#ended(group, error);
    };
    step(undefined);
    starting = false;
  }

  /** What did not fit is written again, over whatever came of the first attempt: nothing of it counts yet. */
  #mayWaitForRoom(error: Error): boolean {
    return this.#options.onDiskFull !== undefined && this.#closing === undefined && isNoSpace(error);
  }

  #waitForRoom(again: () => void): void {
    const { clock, dir, logger, onDiskFull } = this.#options;
    logger.warn('no space left for the WAL; waiting for it', { dir });
    onDiskFull?.();
    clock.after(ROOM_LOOK_MS, again);
  }

  #writePart(part: Part, done: (error: Error | undefined) => void): void {
    const startMs = this.#options.clock.monotonicMs();
    const { begins, bytes } = part;
    if (begins === undefined) {
      this.#file.write(bytes, (error) => {
        if (error === undefined) this.#wrote(bytes, startMs, false);
        done(error);
      });
      return;
    }
    this.#maker.make(begins, bytes, (error, file) => {
      if (file === undefined) return done(error);
      const full = this.#file;
      this.#file = file;
      this.#segments.push(begins);
      this.#wrote(bytes, startMs, false);
      this.#options.logger.info('created a new WAL segment', { path: `${this.#options.dir}/${begins.name}` });
      full.close(() => done(undefined));
    });
  }

  #wrote(bytes: Uint8Array, startMs: number, inline: boolean): void {
    const tookMs = this.#options.clock.monotonicMs() - startMs;
    this.#policy.observe(tookMs, inline);
    this.#options.metrics?.fsyncSeconds.observe(tookMs / 1000);
    this.#options.metrics?.writeSeconds.observe(tookMs / 1000);
    this.#options.metrics?.writtenBytes.inc(bytes.length);
    if (tookMs >= SLOW_SYNC_WARN_MS) this.#options.logger.warn('slow fdatasync', { took: `${tookMs.toFixed(0)}ms` });
    this.#encoder.recycle(bytes);
    this.#prepareNext();
  }

  #ended(group: Group, error: Error | undefined): void {
    this.#busy = false;
    // The disk works on the next group while the reports of this one are handled.
    if (error === undefined && this.#hasPendingBytes()) this.#write(this.#takeGroup());
    this.#report(group, error);
    this.#closeIfIdle();
  }

  #hasPendingBytes(): boolean {
    return this.#parts.length > 0 || this.#encoder.length > 0;
  }

  #report(group: Group, error: Error | undefined): void {
    if (error === undefined) {
      report(group);
      if (this.#dones.length > 0) this.#scheduleFlush();
      return;
    }
    this.#failure = new WalFailedError(`failed to write the WAL in ${this.#options.dir}: ${error.message}`, {
      cause: error,
    });
    this.#options.logger.error('failed to write the WAL', { dir: this.#options.dir, error: error.message });
    const waiting = this.#takeGroup();
    for (const done of [...group.dones, ...waiting.dones]) done(this.#failure);
  }

  /** Half-way through a file, the next one is created in the background. */
  #prepareNext(): void {
    const next = (this.#segments.at(-1)?.seq ?? 0) + 1;
    if (this.#file.offset < this.#segmentBytes / 2 || this.#preparedSeq === next) return;
    this.#preparedSeq = next;
    try {
      this.#maker.prepare(next);
    } catch (error) {
      // Not lost yet: it is tried again when the file is needed.
      this.#options.logger.warn('failed to prepare a WAL file', { dir: this.#options.dir, error: String(error) });
    }
  }

  #closeIfIdle(): void {
    const done = this.#closing;
    if (done === undefined || this.#busy || this.#dones.length > 0 || this.#flushScheduled) return;
    this.#closing = undefined;
    this.#closed = true;
    this.#file.close(() => this.#maker.close(() => done(this.#failure)));
  }
}

const NO_ENTRIES: readonly EntryInit[] = [];

function isEmptyState(state: HardState): boolean {
  return state.term === 0 && state.vote === 0n && state.commit === 0;
}

function report(group: Group): void {
  for (const done of group.dones) done();
}
