/** The conf changes in a log, without keeping the rest of it in memory. */
import { EntryType, decodeEntry, type Entry } from '../../gen/raftpb.ts';
import type { FileSystem } from '../../ports/file-system.ts';
import { WalError } from './errors.ts';
import { RecordType } from './format.ts';
import { listSegments, segmentOf } from './recovery.ts';
import { SegmentReader } from './segment-reader.ts';

/** Those with an index above `after` up to `through`, which must be committed; the log must be one that readWal accepts. */
export function readConfChanges(fs: FileSystem, dir: string, after: number, through: number): Entry[] {
  const segments = listSegments(fs, dir);
  const first = segmentOf(segments, after + 1);
  if (first === -1)
    throw new WalError(`WAL files in ${dir} begin at index ${segments[0]?.index}, after index ${after}`);
  const found = new Map<number, Entry>();
  let crc: number | undefined;
  segments.slice(first).forEach(({ name }, at, { length }) => {
    const path = `${dir}/${name}`;
    const file = fs.open(path, 'read');
    try {
      const reader = new SegmentReader(file, path, at === length - 1, crc);
      while (reader.next() === 'record') {
        if (reader.type === RecordType.entry) take(decodeEntry(reader.data), found);
      }
      crc = reader.crc;
    } finally {
      file.close();
    }
  });
  const wanted = [...found.values()].filter(({ index }) => index > after && index <= through);
  return wanted.sort((a, b) => a.index - b.index);
}

/** An entry replaces the one with its index and all after it. */
function take(entry: Entry, found: Map<number, Entry>): void {
  for (const index of found.keys()) if (index >= entry.index) found.delete(index);
  if (entry.type !== EntryType.EntryNormal) found.set(entry.index, { ...entry, data: entry.data.slice() });
}
