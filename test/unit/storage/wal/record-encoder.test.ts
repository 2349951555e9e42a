import { expect, test } from 'vitest';
import { toHex } from '../../../../src/base/bytes.ts';
import { SeededRandom } from '../../../../src/base/random.ts';
import type { EntryInit } from '../../../../src/gen/raftpb.ts';
import { RecordType, parseSegmentName, segmentName } from '../../../../src/storage/wal/format.ts';
import { RecordEncoder } from '../../../../src/storage/wal/record-encoder.ts';
import { WalBytes } from './wal-bytes.ts';

test('records equal those of the generated codecs, byte for byte', () => {
  const random = new SeededRandom(1);
  const encoder = new RecordEncoder(0);
  const plain = new WalBytes();
  const taken: Uint8Array[] = [];
  for (let i = 0; i < 3000; i++) {
    if (i % 50 === 0) {
      const data = new Uint8Array(random.below(100)).fill(i);
      encoder.record(RecordType.state, data);
      plain.record(RecordType.state, data);
    }
    const entry = randomEntry(random);
    encoder.entry(entry);
    plain.entry(entry);
    if (i % 100 === 99) {
      taken.push(encoder.take().slice());
    }
  }
  taken.push(encoder.take().slice());
  expect(Buffer.concat(taken).equals(plain.bytes)).toBe(true);
  expect(encoder.crc).toBe(plain.crc);
});

function randomEntry(random: SeededRandom): EntryInit {
  const data = new Uint8Array(random.below([1, 30, 200, 20_000][random.below(4)] as number));
  for (let i = 0; i < data.length; i++) data[i] = random.below(256);
  return { type: random.below(3), term: randomInteger(random), index: randomInteger(random), data };
}

/** Any number of bits from 0 to 53. */
function randomInteger(random: SeededRandom): number {
  return Math.floor(random.fraction() * 2 ** random.below(54));
}

test('every length of the checksum is written as the codec writes it', () => {
  // A record without data keeps the checksum that the chain begins with.
  for (const crc of [0, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000, 0xfff_ffff, 0x1000_0000, 0xffff_ffff]) {
    const encoder = new RecordEncoder(crc);
    encoder.crcRecord();
    const plain = new WalBytes(crc).record(RecordType.crc, new Uint8Array(0));
    expect(toHex(encoder.take())).toBe(toHex(plain.bytes));
  }
});

test('bytes taken stay as they are while the next ones are encoded, until they are recycled', () => {
  const encoder = new RecordEncoder(0);
  encoder.entry({ term: 1, index: 1, data: new Uint8Array(100).fill(1) });
  const first = encoder.take();
  const copy = first.slice();
  encoder.entry({ term: 1, index: 2, data: new Uint8Array(100).fill(2) });
  const second = encoder.take();
  expect(first).toEqual(copy);
  encoder.recycle(first);
  encoder.recycle(second);
  encoder.take();
  encoder.entry({ term: 1, index: 3, data: new Uint8Array(100).fill(3) });
  expect(encoder.take().buffer === second.buffer).toBe(true);
});

test('file names hold sequence number and first index as 16 hex digits', () => {
  expect(segmentName(0, 0).name).toBe('0000000000000000-0000000000000000.wal');
  expect(segmentName(0x1a, 2 ** 40 + 1).name).toBe('000000000000001a-0000010000000001.wal');
  expect(parseSegmentName('000000000000001a-0000010000000001.wal')).toEqual(segmentName(0x1a, 2 ** 40 + 1));
  for (const name of [
    '0.tmp',
    '000000000000001a-0000010000000001.wal.broken',
    '1a-1.wal',
    '000000000000001A-0000010000000001.wal',
  ]) {
    expect(parseSegmentName(name)).toBeUndefined();
  }
});
