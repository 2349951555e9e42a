/**
 * The WAL's file format, as etcd writes it; docs/formats.md describes it.
 */

/** Values of walpb.Record.type. */
export const RecordType = {
  metadata: 1,
  entry: 2,
  state: 3,
  crc: 4,
  snapshot: 5,
} as const;

/** A file that has reached this length is followed by a new one; the length files are preallocated to. */
export const SEGMENT_BYTES = 64_000_000;

/** Before each record: u64 little endian, low 56 bits the record's size, top byte 0 or 0x80 | padding. */
export const FRAME_HEADER_BYTES = 8;
/** Records are padded with zeros to this, so no header crosses a sector. */
export const FRAME_ALIGN_BYTES = 8;
/** What a disk writes wholly or not at all: a torn write leaves whole sectors of zeros. */
export const SECTOR_BYTES = 512;

export const SEGMENT_SUFFIX = '.wal';
export const TEMP_SUFFIX = '.tmp';

/** A WAL file by its name: `seq` counts up by one, `index` is that of the first entry it may hold. */
export interface SegmentName {
  readonly seq: number;
  readonly index: number;
  readonly name: string;
}

export function segmentName(seq: number, index: number): SegmentName {
  return { seq, index, name: `${hex16(seq)}-${hex16(index)}${SEGMENT_SUFFIX}` };
}

/** undefined for a name that is not of a WAL file. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/.exec(name);
  if (match === null) return undefined;
  return { seq: Number.parseInt(match[1] as string, 16), index: Number.parseInt(match[2] as string, 16), name };
}

function hex16(value: number): string {
  return value.toString(16).padStart(16, '0');
}

/** Zero bytes needed after a record of `sizeBytes`. */
export function paddingOf(sizeBytes: number): number {
  return -sizeBytes & (FRAME_ALIGN_BYTES - 1);
}
