import { beforeEach, expect, test } from 'vitest';
import { SegmentFile } from '../../../../src/storage/wal/segment-file.ts';
import { ManualLoop } from '../../../support/manual-loop.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';

const PATH = '/file';
const LIMIT = 4 << 20;
const STEP = 256 << 10;

let loop: ManualLoop;
let fs: MemoryFileSystem;
let calls: string[];

beforeEach(() => {
  loop = new ManualLoop();
  fs = new MemoryFileSystem({ defer: loop.defer });
  calls = [];
});

function open(offset = 0, fill = true): SegmentFile {
  const file = fs.open(PATH, 'create');
  file.truncate(LIMIT);
  file.write(new Uint8Array(offset).fill(1), 0);
  return new SegmentFile(file, offset, LIMIT, fill);
}

function ones(length: number): Uint8Array {
  return new Uint8Array(length).fill(1);
}

/** Bytes other than zero must be exactly the first `length`. */
function expectOnes(length: number): void {
  const bytes = fs.bytesOf(PATH);
  expect(bytes.subarray(0, length).every((byte) => byte === 1)).toBe(true);
  expect(bytes.subarray(length).every((byte) => byte === 0)).toBe(true);
}

test('fills in steps, only so far ahead, and never beyond the limit', () => {
  const segment = open(100);
  segment.fillAhead();
  loop.runAll();
  const ahead = fs.syncs;
  expect(ahead).toBe(Math.floor(((2 << 20) + 100 - 4096) / STEP));
  segment.writeNow(ones(STEP));
  loop.runAll();
  expect(fs.syncs).toBe(ahead + 2);
  segment.writeNow(ones(LIMIT - 5000 - STEP));
  loop.runAll();
  expect(fs.bytesOf(PATH).length).toBe(LIMIT);
  expectOnes(100 + LIMIT - 5000);
});

test('a write that reaches into a fill under way waits for it; one in front of it does not', () => {
  const segment = open(100);
  segment.fillAhead();
  expect(segment.isFree(4096 - 100)).toBe(true);
  expect(segment.isFree(4096 - 99)).toBe(false);
  segment.writeNow(ones(1000));
  segment.write(ones(10_000), () => calls.push('written'));
  expect(segment.isFree(1)).toBe(false);
  loop.run();
  expect(calls).toEqual([]);
  loop.runAll();
  expect(calls).toEqual(['written']);
  expect(segment.offset).toBe(11_100);
  expectOnes(11_100);
});

test('a write into a fill under way on the caller’s thread is a bug', () => {
  const segment = open(100);
  segment.fillAhead();
  expect(() => segment.writeNow(ones(5000))).toThrow('WAL write beside another');
});

test('any mix of writes and fills leaves exactly what was written', () => {
  for (let seed = 1; seed <= 8; seed++) {
    loop = new ManualLoop(seed);
    fs = new MemoryFileSystem({ seed, defer: loop.defer });
    const segment = open();
    let written = 0;
    for (let i = 0; i < 40; i++) {
      const bytes = ones(((seed * 7919 + i * 104_729) % 60_000) + 1);
      if (i % 3 === 0 && segment.isFree(bytes.length)) {
        segment.writeNow(bytes);
        written += bytes.length;
        continue;
      }
      segment.write(bytes, () => calls.push('written'));
      for (let tasks = 0; calls.length === 0; tasks++) expect(loop.run() && tasks < 1000).toBe(true);
      calls = [];
      written += bytes.length;
    }
    loop.runAll();
    expect(segment.offset).toBe(written);
    expectOnes(written);
  }
});

test('a full disk ends the filling, but not the writing in front of it', () => {
  const segment = open(100);
  fs.faults.write = { code: 'ENOSPC', afterBytes: 0 };
  segment.fillAhead();
  loop.runAll();
  fs.faults.write = undefined;
  segment.write(ones(10), (error) => calls.push(String(error)));
  loop.runAll();
  expect(calls).toEqual(['undefined']);
  expectOnes(110);
});

test('any other error of a fill fails the next write: what the kernel dropped is unknown', () => {
  const segment = open(100);
  fs.faults.sync = 'EIO';
  segment.fillAhead();
  loop.runAll();
  fs.faults.sync = undefined;
  expect(() => segment.writeNow(ones(10))).toThrow('EIO');
  segment.write(ones(10), (error) => calls.push(String(error?.message)));
  loop.runAll();
  expect(calls).toEqual(['EIO: sync']);
  expectOnes(100);
});

test('close waits for the fill under way', () => {
  const segment = open(100);
  segment.fillAhead();
  segment.close(() => calls.push('closed'));
  expect(calls).toEqual([]);
  loop.runAll();
  expect(calls).toEqual(['closed']);
  expect(fs.syncs).toBe(1);
});
