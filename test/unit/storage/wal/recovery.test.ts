import { beforeEach, describe, expect, test } from 'vitest';
import { concatBytes } from '../../../../src/base/bytes.ts';
import { RecordType, SEGMENT_BYTES, segmentName } from '../../../../src/storage/wal/format.ts';
import { readWal } from '../../../../src/storage/wal/recovery.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';
import { METADATA, WalBytes } from './wal-bytes.ts';

const DIR = '/wal';
let fs: MemoryFileSystem;

beforeEach(() => {
  fs = new MemoryFileSystem();
  fs.makeDir(DIR, 0o700);
});

function put(seq: number, index: number, bytes: Uint8Array, lengthBytes = bytes.length): string {
  const path = `${DIR}/${segmentName(seq, index).name}`;
  const file = fs.open(path, 'create');
  file.write(bytes, 0);
  file.truncate(lengthBytes);
  return path;
}

/** One file with a new log: entries 1 to 5 of term 1, commit 4. */
function small(): WalBytes {
  return new WalBytes().head().mark(0, 0).entries(1, 5, 1).state(1, 4);
}

function read(from?: number): { start: unknown; entries: string; commit: number; marks: number[] } {
  const { start, entries, hardState, marks } = readWal(fs, DIR, from);
  return {
    start: start.index,
    entries: entries.map(({ index, term }) => `${index}/${term}`).join(' '),
    commit: hardState.commit,
    marks: marks.map((mark) => mark.index),
  };
}

describe('what a log is', () => {
  test('entries, state, metadata and marks, up to the zeros', () => {
    put(0, 0, small().bytes, 10_000);
    expect(read()).toEqual({ start: 0, entries: '1/1 2/1 3/1 4/1 5/1', commit: 4, marks: [0] });
    const contents = readWal(fs, DIR, undefined);
    expect(contents.metadata).toEqual({ nodeID: 7n, clusterID: 9n });
    expect(contents.hardState).toEqual({ term: 1, vote: 1n, commit: 4 });
    expect(contents.entries[2]?.data).toEqual(new Uint8Array(10).fill(3));
    expect(contents).toMatchObject({ torn: false, endOffset: small().bytes.length, lastIndex: 5, crc: small().crc });
  });

  test('an entry replaces the one with its index and all after it', () => {
    put(0, 0, small().entry({ index: 5, term: 2 }).entry({ index: 6, term: 2 }).entry({ index: 5, term: 3 }).bytes);
    expect(read().entries).toBe('1/1 2/1 3/1 4/1 5/3');
  });

  test('the newest mark that the commit index has reached is where entries begin', () => {
    put(0, 0, small().mark(2, 1).mark(3, 1).mark(5, 1).bytes);
    expect(read()).toEqual({ start: 3, entries: '4/1 5/1', commit: 4, marks: [0, 2, 3] });
  });

  test('a mark counts as soon as a later state reaches it', () => {
    put(0, 0, small().mark(5, 1).entries(6, 7, 1).state(1, 6).bytes);
    expect(read()).toEqual({ start: 5, entries: '6/1 7/1', commit: 6, marks: [0, 5] });
  });

  test('a given index is the start, whatever was marked', () => {
    put(0, 0, small().mark(4, 1).bytes);
    expect(read(2)).toEqual({ start: 2, entries: '3/1 4/1 5/1', commit: 4, marks: [0, 4] });
    expect(readWal(fs, DIR, 2).start.term).toBe(1);
    expect(read(5)).toMatchObject({ start: 5, entries: '', commit: 5 });
    expect(() => read(6)).toThrow("WAL in /wal ends at index 5, before the stored state's index 6");
  });

  test('a window bounds what is kept of the entries that may go, the newest stay', () => {
    put(0, 0, small().entries(6, 9, 1).state(1, 9).bytes);
    const keep = (through: number, bytesMax: number): unknown => {
      const { start, entries } = readWal(fs, DIR, 1, { through, bytesMax });
      return [start.index, start.term, entries.map(({ index }) => index).join(' ')];
    };
    expect(keep(8, 1000)).toEqual([1, 1, '2 3 4 5 6 7 8 9']);
    expect(keep(8, 30)).toEqual([6, 1, '7 8 9']);
    expect(keep(8, 39)).toEqual([6, 1, '7 8 9']);
    expect(keep(4, 30)).toEqual([4, 1, '5 6 7 8 9']);
    expect(keep(8, 0)).toEqual([8, 1, '9']);
  });

  test('what comes for entries that a window let go replaces what was kept', () => {
    put(0, 0, small().entries(6, 9, 1).entries(5, 8, 2).state(2, 8).bytes);
    const { start, entries, lastIndex } = readWal(fs, DIR, 1, { through: 7, bytesMax: 20 });
    expect([start, entries.map(({ index, term }) => [index, term]), lastIndex]).toEqual([
      { index: 7, term: 2 },
      [[8, 2]],
      8,
    ]);
  });

  test('the end of a log that was replaced at the given index is not kept', () => {
    put(0, 0, small().entries(6, 9, 1).entries(5, 6, 2).state(2, 6).bytes);
    expect(read(6)).toMatchObject({ start: 6, entries: '' });
    expect(readWal(fs, DIR, 6).start.term).toBe(2);
  });

  test('a mark ahead of the log replaces it, once the commit index reaches it', () => {
    put(0, 0, small().mark(20, 3).bytes);
    expect(read()).toEqual({ start: 0, entries: '1/1 2/1 3/1 4/1 5/1', commit: 4, marks: [0] });
    fs.remove(`${DIR}/${segmentName(0, 0).name}`);
    put(0, 0, small().mark(20, 3).state(3, 20).entries(21, 22, 3).bytes);
    expect(read()).toEqual({ start: 20, entries: '21/3 22/3', commit: 20, marks: [0, 20] });
    expect(read(3)).toMatchObject({ start: 20, entries: '21/3 22/3' });
  });

  test('entries behind such a mark show that it counts, even before the state says so', () => {
    put(0, 0, small().mark(20, 3).entries(21, 22, 3).bytes);
    expect(read()).toEqual({ start: 20, entries: '21/3 22/3', commit: 20, marks: [0, 20] });
  });

  test('a mark of another term than the log has at its index replaces the log from there on', () => {
    put(0, 0, small().entries(6, 9, 1).mark(7, 3).entries(8, 8, 3).state(3, 8).bytes);
    expect(read()).toEqual({ start: 7, entries: '8/3', commit: 8, marks: [0, 7] });
    fs.remove(`${DIR}/${segmentName(0, 0).name}`);
    put(0, 0, small().entries(6, 9, 1).mark(7, 3).state(3, 7).bytes);
    expect(read()).toEqual({ start: 7, entries: '', commit: 7, marks: [0, 7] });
  });

  test('large records, across many windows of the reader', () => {
    const log = new WalBytes().head().mark(0, 0);
    for (let index = 1; index <= 5; index++) log.entry({ index, term: 1, data: new Uint8Array(1_500_000).fill(index) });
    log.entries(6, 9, 1, 100);
    put(0, 0, log.bytes, log.bytes.length + 100);
    const { entries } = readWal(fs, DIR, undefined);
    expect(entries.map((entry) => entry.data.length)).toEqual([
      ...Array.from({ length: 5 }, () => 1_500_000),
      100,
      100,
      100,
      100,
    ]);
    for (const { data, index } of entries) expect(data.every((byte) => byte === index)).toBe(true);
  });
});

describe('several files', () => {
  function three(): WalBytes[] {
    const first = small();
    const second = new WalBytes(first.crc).head().state(1, 4).entries(6, 8, 1).state(1, 8).mark(7, 1);
    const third = new WalBytes(second.crc).head().state(1, 8).entries(9, 10, 1);
    return [first, second, third];
  }

  function putAll(files = three()): void {
    put(0, 0, files[0]!.bytes);
    put(1, 6, files[1]!.bytes);
    put(2, 9, files[2]!.bytes, 5000);
  }

  test('are one log', () => {
    putAll();
    expect(read()).toEqual({ start: 7, entries: '8/1 9/1 10/1', commit: 8, marks: [0, 7] });
    expect(read(0).entries.split(' ').length).toBe(10);
  });

  test('are read from the one that holds the given index', () => {
    putAll();
    const first = `${DIR}/${segmentName(0, 0).name}`;
    fs.remove(first);
    put(0, 0, new Uint8Array(100).fill(0xee));
    expect(read(6)).toEqual({ start: 6, entries: '7/1 8/1 9/1 10/1', commit: 8, marks: [7] });
    expect(() => read()).toThrow(first);
  });

  test('may begin later than the log did, if there is a mark to start from', () => {
    putAll();
    fs.remove(`${DIR}/${segmentName(0, 0).name}`);
    expect(read()).toEqual({ start: 7, entries: '8/1 9/1 10/1', commit: 8, marks: [7] });
    fs.remove(`${DIR}/${segmentName(1, 6).name}`);
    expect(() => read()).toThrow('WAL in /wal begins at index 8 and has no snapshot mark to start from');
    expect(() => read(6)).toThrow('WAL files in /wal begin at index 9, after index 6');
  });

  test('must not miss one in between', () => {
    putAll();
    fs.remove(`${DIR}/${segmentName(1, 6).name}`);
    expect(() => read()).toThrow(
      'WAL files are missing in /wal: 0000000000000002-0000000000000009.wal comes after 0000000000000000-0000000000000000.wal',
    );
  });

  test('must continue the chain of checksums', () => {
    const files = three();
    files[0] = new WalBytes().head().mark(0, 0).entries(1, 4, 1).state(1, 4);
    putAll(files);
    expect(() => read()).toThrow(
      /WAL file \/wal\/0000000000000001-0000000000000006.wal is corrupt at offset 0: crc .* recorded, .* computed/,
    );
  });

  test('must not lack entries', () => {
    const files = three();
    files[1] = new WalBytes(files[0]!.crc).head().state(1, 4).entries(7, 8, 1).state(1, 8).mark(7, 1);
    files[2] = new WalBytes(files[1].crc).head().entries(9, 10, 1);
    putAll(files);
    expect(() => read()).toThrow('entry 7 follows entry 5');
  });

  test('a file that is not the last one must be whole', () => {
    const [first, second, third] = three() as [WalBytes, WalBytes, WalBytes];
    const cut = first.bytes.slice(0, -3);
    put(0, 0, cut);
    put(1, 6, second.bytes);
    put(2, 9, third.bytes);
    expect(() => read()).toThrow(
      /0000000000000000-0000000000000000.wal is corrupt at offset \d+: a record of \d+ bytes passes the end/,
    );
  });

  test('names that are not of WAL files are passed over', () => {
    putAll();
    fs.open(`${DIR}/3.tmp`, 'create');
    fs.open(`${DIR}/0000000000000002-0000000000000009.wal.broken`, 'create');
    expect(read().entries).toBe('8/1 9/1 10/1');
  });
});

describe('a torn end', () => {
  /** A large entry behind the small log: sectors of 512 bytes, zeros where `lost`. */
  function tear(...lost: number[]): { bytes: Uint8Array; at: number } {
    const log = small();
    const at = log.bytes.length;
    const { bytes } = log.entries(6, 6, 1, 3000);
    for (const sector of lost) bytes.fill(0, sector * 512, (sector + 1) * 512);
    return { bytes, at };
  }

  test('a sector that did not get there ends the log', () => {
    for (const sector of [1, 2, 3, 4, 5, 6]) {
      fs = new MemoryFileSystem();
      fs.makeDir(DIR, 0o700);
      const { bytes, at } = tear(sector);
      put(0, 0, bytes, 8192);
      expect(readWal(fs, DIR, undefined)).toMatchObject({ torn: true, endOffset: at, lastIndex: 5 });
    }
  });

  test('so does a record that passes the end of the file', () => {
    const { bytes, at } = tear();
    for (const length of [at + 1, at + 7, at + 8, at + 2000, bytes.length - 1]) {
      fs = new MemoryFileSystem();
      fs.makeDir(DIR, 0o700);
      put(0, 0, bytes.slice(0, length));
      expect(readWal(fs, DIR, undefined)).toMatchObject({ torn: true, endOffset: at, lastIndex: 5 });
    }
  });

  test('zeros where a record would begin end it, whatever follows', () => {
    const { bytes, at } = tear(0);
    const { bytes: whole } = tear();
    put(0, 0, concatBytes(whole.slice(0, at), new Uint8Array(8), bytes.slice(at + 8)), 8192);
    expect(readWal(fs, DIR, undefined)).toMatchObject({ torn: false, endOffset: at, lastIndex: 5 });
  });

  test('a changed byte is not a torn write', () => {
    const { bytes, at } = tear();
    bytes[at + 2000] = 0xff;
    put(0, 0, bytes, 8192);
    expect(() => read()).toThrow(
      new RegExp(`WAL file /wal/0000000000000000-0000000000000000.wal is corrupt at offset ${at}: crc`),
    );
  });
});

describe('is refused with file and offset', () => {
  const at = (offset: number | undefined, why: string): string =>
    `WAL file /wal/0000000000000000-0000000000000000.wal is corrupt at offset ${offset}: ${why}`;

  test('a file without its crc record', () => {
    put(0, 0, new WalBytes().record(RecordType.metadata, METADATA).bytes);
    expect(() => read()).toThrow(at(0, "record of type 1 where the file's crc record has to be"));
  });

  test('a file without metadata, or an empty one', () => {
    put(0, 0, new WalBytes().record(RecordType.crc, new Uint8Array(0)).bytes);
    expect(() => read()).toThrow('the file has no metadata record');
    fs.remove(`${DIR}/${segmentName(0, 0).name}`);
    put(0, 0, new Uint8Array(0), 4096);
    expect(() => read()).toThrow(at(0, 'the file has no metadata record'));
  });

  test('metadata of another member', () => {
    const log = small().record(RecordType.metadata, new Uint8Array([8, 1, 16, 2]));
    put(0, 0, log.bytes);
    expect(() => read()).toThrow(at(log.offsets.at(-2), 'metadata differs from what came before'));
  });

  test('an unknown record type', () => {
    const log = small().record(6, new Uint8Array(3));
    put(0, 0, log.bytes);
    expect(() => read()).toThrow(at(log.offsets.at(-2), 'unknown record type 6'));
  });

  test('data that does not decode', () => {
    const log = small().record(RecordType.entry, new Uint8Array([0xff, 0xff]));
    put(0, 0, log.bytes);
    expect(() => read()).toThrow(at(log.offsets.at(-2), 'undecodable data in a record of type 2'));
  });

  test('a gap in the entries', () => {
    const log = small().entries(7, 7, 1);
    put(0, 0, log.bytes);
    expect(() => read()).toThrow(at(log.offsets.at(-2), 'entry 7 follows entry 5'));
  });

  test('a padding byte that does not fit the size', () => {
    const log = small();
    const { bytes } = log;
    const start = log.offsets[3] as number;
    bytes[start + 7] = 0x81;
    put(0, 0, bytes, 4096);
    expect(() => read()).toThrow(at(start, `frame header with size ${bytes[start]} and padding byte 0x81`));
  });

  test('a commit index beyond the last entry', () => {
    put(0, 0, small().state(1, 9).bytes);
    expect(() => read()).toThrow('WAL in /wal ends at index 5, before its commit index 9');
  });

  test('a directory without a log', () => {
    expect(() => read()).toThrow('no WAL files in /wal');
    expect(() => readWal(fs, '/none', undefined)).toThrow('no WAL files in /none');
  });
});

test('reading ends at the first zeros, and does not go through the rest of the file', () => {
  put(0, 0, small().bytes, SEGMENT_BYTES);
  let readBytes = 0;
  const open = fs.open.bind(fs);
  fs.open = (path, how) => {
    const file = open(path, how);
    const readFile = file.read.bind(file);
    file.read = (into, position) => {
      readBytes += into.length;
      return readFile(into, position);
    };
    return file;
  };
  expect(read().entries.length).toBeGreaterThan(0);
  expect(readBytes).toBeLessThanOrEqual(1 << 20);
});
