import { encodeMetadata, type MetadataInit } from '../../gen/etcdserver.ts';
import type { HardState } from '../../gen/raftpb.ts';
import { encodeSnapshot } from '../../gen/walpb.ts';
import type { RecoveredLog } from '../../server/durable-log.ts';
import { WalError } from './errors.ts';
import { RecordType, SEGMENT_BYTES, TEMP_SUFFIX, segmentName, type SegmentName } from './format.ts';
import type { KeptWindow } from './log-assembler.ts';
import { RecordEncoder } from './record-encoder.ts';
import { listSegments, readWal, type WalContents } from './recovery.ts';
import { SegmentFile } from './segment-file.ts';
import { Wal } from './wal.ts';
import type { WalOptions } from './wal-options.ts';

const DIR_MODE = 0o700;

/** Whether `dir` holds a log, of etcd or of quorate. */
export function walExists(options: Pick<WalOptions, 'fs' | 'dir'>): boolean {
  return listSegments(options.fs, options.dir).length > 0;
}

/** Creates `dir` and an empty log in it; when this returns, both survive a crash. */
export function createWal(options: WalOptions, metadata: MetadataInit): Wal {
  const { fs, dir } = options;
  if (walExists(options)) throw new WalError(`there is a WAL in ${dir} already`);
  fs.makeDir(dir, DIR_MODE);
  removeTemporary(options);
  const metadataBytes = encodeMetadata(metadata);
  const encoder = new RecordEncoder(0);
  encoder.crcRecord();
  encoder.record(RecordType.metadata, metadataBytes);
  encoder.record(RecordType.snapshot, encodeSnapshot({}));
  const head = encoder.take();

  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
  const segment = segmentName(0, 0);
  const temporary = `${dir}/${segment.seq}${TEMP_SUFFIX}`;
  const file = fs.open(temporary, 'create');
  file.truncate(segmentBytes);
  const segmentFile = new SegmentFile(file, 0, segmentBytes, options.fillAhead ?? true);
  segmentFile.writeNow(head);
  fs.rename(temporary, `${dir}/${segment.name}`);
  fs.syncDir(dir);
  fs.syncDir(parentOf(dir));
  const hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  const end = { metadataBytes, hardState, lastIndex: 0, markIndex: 0, crc: encoder.crc, segments: [segment] };
  return new Wal(options, end, segmentFile);
}

/**
 * Opens the log in `dir` to append to it, and returns what it holds after index `from` (undefined: after the newest mark), or
 * what `window` leaves of that.
 * A torn write at the end is cut off. When this returns, everything it returned survives a crash.
 */
export function openWal(
  options: WalOptions,
  from: number | undefined,
  window?: KeptWindow,
): { wal: Wal; log: RecoveredLog } {
  const { fs, dir, logger } = options;
  const contents = readWal(fs, dir, from, window);
  if (contents.torn) {
    const path = `${dir}/${contents.segments.at(-1)?.name}`;
    logger.warn('cut off a torn write at the end of the WAL', { path, offset: contents.endOffset });
  }
  removeTemporary(options);
  const file = openLast(options, contents);
  // A process that died may have left a rename that only the kernel knows of.
  fs.syncDir(dir);
  const end = { ...contents, markIndex: contents.marks.at(-1)?.index };
  return { wal: new Wal(options, end, file), log: contents };
}

function openLast(options: WalOptions, contents: WalContents): SegmentFile {
  const { fs, dir } = options;
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
  const last = contents.segments.at(-1) as SegmentName;
  const file = fs.open(`${dir}/${last.name}`, 'write');
  try {
    // Behind the last record there may be parts of later ones that were never acknowledged. New records must not end up
    // in front of them.
    file.truncate(contents.endOffset);
    if (contents.endOffset < segmentBytes) file.truncate(segmentBytes);
    // Also for what was read: a process that died may have left it with the kernel only.
    file.sync();
  } catch (error) {
    file.close();
    throw error;
  }
  return new SegmentFile(file, contents.endOffset, segmentBytes, options.fillAhead ?? true);
}

function removeTemporary({ fs, dir }: WalOptions): void {
  for (const name of fs.list(dir)) if (name.endsWith(TEMP_SUFFIX)) fs.remove(`${dir}/${name}`);
}

function parentOf(dir: string): string {
  const slash = dir.replace(/\/+$/, '').lastIndexOf('/');
  if (slash === -1) return '.';
  return slash === 0 ? '/' : dir.slice(0, slash);
}
