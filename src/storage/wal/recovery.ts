import { must } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import { WireError } from '../../base/wire.ts';
import { decodeMetadata, type Metadata } from '../../gen/etcdserver.ts';
import { decodeEntry, decodeHardState } from '../../gen/raftpb.ts';
import { decodeSnapshot } from '../../gen/walpb.ts';
import type { FileSystem } from '../../ports/file-system.ts';
import type { RecoveredLog } from '../../server/durable-log.ts';
import { WalError } from './errors.ts';
import { RecordType, parseSegmentName, type SegmentName } from './format.ts';
import { LogAssembler, type KeptWindow } from './log-assembler.ts';
import { SegmentReader } from './segment-reader.ts';

/** What a WAL directory holds, and what a writer needs to go on. */
export interface WalContents extends RecoveredLog {
  /** The metadata record's data, which every file repeats. */
  readonly metadataBytes: Uint8Array;
  readonly segments: readonly SegmentName[];
  /** Length of the last file's whole records; whatever follows is zeros or a torn write. */
  readonly endOffset: number;
  readonly torn: boolean;
  /** The chain of checksums at endOffset. */
  readonly crc: number;
  /** Of the last entry, or of a mark beyond it. */
  readonly lastIndex: number;
}

/** The directory's WAL files in order; none when it is missing. */
export function listSegments(fs: FileSystem, dir: string): SegmentName[] {
  if (!fs.exists(dir)) return [];
  const segments: SegmentName[] = [];
  for (const name of fs.list(dir)) {
    const parsed = parseSegmentName(name);
    if (parsed !== undefined) segments.push(parsed);
  }
  segments.sort((a, b) => a.seq - b.seq);
  for (let i = 1; i < segments.length; i++) {
    const [before, after] = [segments[i - 1] as SegmentName, segments[i] as SegmentName];
    // The indexes need not go up: the last entries before a cut may have replaced a longer tail.
    if (after.seq !== before.seq + 1) {
      throw new WalError(`WAL files are missing in ${dir}: ${after.name} comes after ${before.name}`);
    }
  }
  return segments;
}

/**
 * Reads the log. `from`: only entries after this index, from the file that holds it on; undefined: everything is read, and
 * the entries start after the newest mark that counts. `window`: what of them is kept at most. Changes nothing on disk.
 *
 * Memory: the entries that are returned, and a window of the file; with `from` undefined, the entries between two marks.
 */
export function readWal(fs: FileSystem, dir: string, from: number | undefined, window?: KeptWindow): WalContents {
  const segments = listSegments(fs, dir);
  if (segments.length === 0) throw new WalError(`no WAL files in ${dir}`);
  const first = from === undefined ? 0 : segmentOf(segments, from);
  if (first === -1) {
    throw new WalError(`WAL files in ${dir} begin at index ${segments[0]?.index}, after index ${from}`);
  }
  const reading = new Reading(from, (segments[first] as SegmentName).index, window);
  for (let i = first; i < segments.length; i++) {
    reading.readSegment(fs, `${dir}/${(segments[i] as SegmentName).name}`, i === segments.length - 1);
  }
  return reading.result(dir, segments);
}

/** Position of the last segment that begins at or before `index`; -1 when there is none. */
export function segmentOf(segments: readonly SegmentName[], index: number): number {
  return segments.findLastIndex((segment) => segment.index <= index);
}

class Reading {
  readonly #log: LogAssembler;
  #metadataBytes: Uint8Array | undefined;
  #metadata: Metadata | undefined;
  #crc: number | undefined;
  #endOffset = 0;
  #torn = false;

  constructor(from: number | undefined, firstIndex: number, window: KeptWindow | undefined) {
    this.#log = new LogAssembler(from, firstIndex, window);
  }

  readSegment(fs: FileSystem, path: string, isLast: boolean): void {
    const file = fs.open(path, 'read');
    try {
      const reader = new SegmentReader(file, path, isLast, this.#crc);
      let read = reader.next();
      if (read === 'record' && reader.type !== RecordType.crc)
        throw reader.corrupt('the file begins without a crc record');
      let described = false;
      for (; read === 'record'; read = reader.next()) {
        described ||= reader.type === RecordType.metadata;
        this.#take(reader);
      }
      if (!described) throw reader.corrupt('the file has no metadata record');
      this.#torn = read === 'torn';
      this.#crc = reader.crc;
      this.#endOffset = reader.end;
    } finally {
      file.close();
    }
  }

  result(dir: string, segments: readonly SegmentName[]): WalContents {
    const { entries, hardState, marks, start, lastIndex } = this.#log;
    if (hardState.commit > lastIndex) {
      throw new WalError(`WAL in ${dir} ends at index ${lastIndex}, before its commit index ${hardState.commit}`);
    }
    if (lastIndex < start.index) {
      throw new WalError(`WAL in ${dir} ends at index ${lastIndex}, before the stored state's index ${start.index}`);
    }
    if (!this.#log.hasStart) {
      throw new WalError(`WAL in ${dir} begins at index ${start.index} and has no snapshot mark to start from`);
    }
    return {
      metadata: must(this.#metadata, 'WAL metadata'),
      // A state machine at `start` has applied it, so it is committed, even if the record that says so was not written.
      hardState: { ...hardState, commit: Math.max(hardState.commit, start.index) },
      start,
      entries,
      marks,
      metadataBytes: must(this.#metadataBytes, 'WAL metadata'),
      segments,
      endOffset: this.#endOffset,
      torn: this.#torn,
      crc: must(this.#crc, 'WAL crc'),
      lastIndex,
    };
  }

  #take(reader: SegmentReader): void {
    try {
      const problem = this.#takeRecord(reader);
      if (problem !== undefined) throw reader.corrupt(problem);
    } catch (error) {
      if (error instanceof WireError) throw reader.corrupt(`undecodable data in a record of type ${reader.type}`);
      throw error;
    }
  }

  #takeRecord(reader: SegmentReader): string | undefined {
    switch (reader.type) {
      case RecordType.entry:
        return this.#takeEntry(reader);
      case RecordType.state:
        return this.#log.setState(decodeHardState(reader.data));
      case RecordType.metadata:
        return this.#takeMetadata(reader.data);
      case RecordType.snapshot:
        this.#log.addMark(decodeSnapshot(reader.data));
        return undefined;
      case RecordType.crc:
        return undefined;
      default:
        return `unknown record type ${reader.type}`;
    }
  }

  #takeMetadata(data: Uint8Array): string | undefined {
    this.#metadataBytes ??= data.slice();
    this.#metadata ??= decodeMetadata(data);
    return equalBytes(this.#metadataBytes, data) ? undefined : 'metadata differs from what came before';
  }

  #takeEntry(reader: SegmentReader): string | undefined {
    const entry = decodeEntry(reader.data);
    if (!this.#log.keeps(entry.index)) return this.#log.skipEntry(entry);
    reader.retain();
    return this.#log.addEntry(entry);
  }
}
