/**
 * Whatever happens to the bytes, reading ends: with an error that names the file, or with a log that is right. Right means:
 * as it was, or, when the last file was hit, what was written up to some point.
 */
import { expect, test } from 'vitest';
import { equalBytes, toHex } from '../../../../src/base/bytes.ts';
import { SeededRandom } from '../../../../src/base/random.ts';
import { encodeEntry, encodeHardState } from '../../../../src/gen/raftpb.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import { WalError } from '../../../../src/storage/wal/errors.ts';
import { createWal } from '../../../../src/storage/wal/open.ts';
import { readWal, type WalContents } from '../../../../src/storage/wal/recovery.ts';
import { ManualLoop } from '../../../support/manual-loop.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';

const DIR = '/wal';
const VOTE = 0xc3a1_97f2_0b5d_84e6n;
const ROUNDS = 3000;

interface WalFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A log in several files; also what could be read back after each of its calls. */
function writeLog(): { files: WalFile[]; states: Set<string> } {
  const loop = new ManualLoop();
  const fs = new MemoryFileSystem({ defer: loop.defer });
  const options = {
    fs,
    dir: DIR,
    clock: loop,
    logger: silentLogger,
    schedule: loop.defer,
    segmentBytes: 3000,
    fillAhead: false,
  };
  const wal = createWal(options, { nodeID: 7n, clusterID: 9n });
  const random = new SeededRandom(3);
  const done = (error?: Error): void => expect(error).toBeUndefined();
  for (let index = 1; index <= 60; index++) {
    const data = new Uint8Array(random.below(200)).fill(index);
    wal.append(
      { term: 1 + Math.floor(index / 20), vote: VOTE, commit: index - 1 },
      [{ term: 1, index, data }],
      true,
      done,
    );
    if (index % 15 === 0) wal.markSnapshot({ index: index - 1, term: 1 }, done);
  }
  wal.close(done);
  loop.runAll();
  const files = fs.list(DIR).map((name) => ({ path: `${DIR}/${name}`, bytes: fs.bytesOf(`${DIR}/${name}`) }));
  return { files, states: prefixes(files) };
}

/** The log as it is when the last file ends after each multiple of the alignment. */
function prefixes(files: readonly WalFile[]): Set<string> {
  const states = new Set<string>();
  const last = files.at(-1) as WalFile;
  for (let length = 8; length <= last.bytes.length; length += 8) {
    const cut = { path: last.path, bytes: last.bytes.slice(0, length) };
    const contents = readOrError([...files.slice(0, -1), cut]);
    if (!(contents instanceof Error)) states.add(describeLog(contents));
  }
  return states;
}

function describeLog({ entries, hardState, start, marks }: WalContents): string {
  const parts = [start.index, toHex(encodeHardState(hardState)), marks.map((mark) => mark.index).join()];
  return [...parts, ...entries.map((entry) => toHex(encodeEntry(entry)))].join(' ');
}

function readOrError(files: readonly WalFile[]): WalContents | WalError {
  const fs = new MemoryFileSystem();
  fs.makeDir(DIR, 0o700);
  for (const { path, bytes } of files) {
    const file = fs.open(path, 'create');
    file.write(bytes, 0);
  }
  try {
    return readWal(fs, DIR, undefined);
  } catch (error) {
    if (error instanceof WalError) return error;
    throw error;
  }
}

function damage(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  const at = random.below(out.length);
  switch (random.below(4)) {
    case 0:
      return out.slice(0, at);
    case 1:
      out.fill(0, at, at + 1 + random.below(600));
      return out;
    case 2:
      out[at] = random.below(256);
      return out;
    default:
      out[at] = (out[at] as number) ^ (1 << random.below(8));
      return out;
  }
}

const log = writeLog();
const whole = describeLog(readOrError(log.files) as WalContents);

test('the log that is damaged below is more than one file, and whole', () => {
  expect(log.files.length).toBeGreaterThan(2);
  expect(log.states.has(whole)).toBe(true);
  expect(log.states.size).toBeGreaterThan(10);
});

test('damage is an error with the path, or the log is right', () => {
  const random = new SeededRandom(11);
  let refused = 0;
  let shortened = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const at = random.below(log.files.length);
    const hit = log.files[at] as WalFile;
    const damaged = { path: hit.path, bytes: damage(random, hit.bytes) };
    if (equalBytes(damaged.bytes, hit.bytes)) continue;
    const result = readOrError(log.files.with(at, damaged));
    if (result instanceof Error) {
      if (result.message.includes(DIR)) refused++;
      else throw result;
      continue;
    }
    const found = describeLog(result);
    const isLast = at === log.files.length - 1;
    if (found !== whole) shortened++;
    expect(found === whole || (isLast && log.states.has(found)), `round ${round}, file ${at}`).toBe(true);
  }
  expect(refused).toBeGreaterThan(ROUNDS / 4);
  expect(shortened).toBeGreaterThan(10);
});

test('every bit of every record type', () => {
  for (const [at, hit] of log.files.entries()) {
    const view = new DataView(hit.bytes.buffer, hit.bytes.byteOffset, hit.bytes.length);
    for (let offset = 0; offset < hit.bytes.length && view.getUint32(offset, true) !== 0;) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = hit.bytes.slice();
        bytes[offset + 9] = (bytes[offset + 9] as number) ^ (1 << bit);
        const result = readOrError(log.files.with(at, { path: hit.path, bytes }));
        expect(result, `file ${at}, offset ${offset}, bit ${bit}`).toBeInstanceOf(WalError);
      }
      offset += 8 + Math.ceil(view.getUint32(offset, true) / 8) * 8;
    }
  }
});

test('random bytes', () => {
  const random = new SeededRandom(5);
  for (let round = 0; round < 300; round++) {
    const bytes = new Uint8Array(random.below(3000));
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(4) === 0 ? random.below(256) : 0;
    const result = readOrError([{ path: `${DIR}/0000000000000000-0000000000000000.wal`, bytes }]);
    expect(result).toBeInstanceOf(WalError);
  }
});
