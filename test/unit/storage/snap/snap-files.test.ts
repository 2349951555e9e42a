import { beforeEach, expect, test } from 'vitest';
import { toHex } from '../../../../src/base/bytes.ts';
import { crc32c } from '../../../../src/base/crc32c.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import { SnapFiles, parseSnapName, snapName } from '../../../../src/storage/snap/snap-files.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';

const DIR = '/data/member/snap';

let fs: MemoryFileSystem;
let snaps: SnapFiles;
let warnings: unknown[];

beforeEach(() => {
  fs = new MemoryFileSystem();
  warnings = [];
  snaps = new SnapFiles(fs, DIR, { ...silentLogger, warn: (_message, fields) => warnings.push(fields) });
});

function write(term: number, index: number): void {
  const confState = { voters: [7n] };
  snaps.write({ data: new Uint8Array(20).fill(index), metadata: { term, index, confState } });
}

function damage(name: string, at: number): void {
  const file = fs.open(`${DIR}/${name}`, 'write');
  const byte = new Uint8Array(1);
  file.read(byte, at);
  file.write(Uint8Array.of((byte[0] as number) ^ 1), at);
  file.close();
}

test('what is written is read', () => {
  write(2, 300);
  expect(fs.list(DIR)).toEqual(['0000000000000002-000000000000012c.snap']);
  const snapshot = snaps.newest();
  expect(snapshot?.metadata).toMatchObject({ index: 300, term: 2, confState: { voters: [7n] } });
  expect(snapshot?.data).toEqual(new Uint8Array(20).fill(300));
});

test('the file is the checksum and the snapshot, as etcd has it', () => {
  snaps.write({ data: Uint8Array.of(0x61), metadata: { term: 2, index: 3, confState: { voters: [7n] } } });
  const snapshot = ['0a0161', '120a', '0a04', '08072800', '1003', '1802'].join('');
  const crc = crc32c(0, Buffer.from(snapshot, 'hex'));
  const varint = [0, 7, 14, 21, 28].map((shift) => ((crc >>> shift) & 0x7f) | (shift === 28 ? 0 : 0x80));
  expect(toHex(fs.bytesOf(`${DIR}/${snapName(2, 3)}`))).toBe(
    `08${Buffer.from(varint).toString('hex')}12${(snapshot.length / 2).toString(16).padStart(2, '0')}${snapshot}`,
  );
});

test('the newest is by term, then by index, and may have to be one that is wanted', () => {
  write(1, 900);
  write(2, 100);
  write(2, 90);
  expect(snaps.list().map(({ index }) => index)).toEqual([900, 90, 100]);
  expect(snaps.newest()?.metadata?.index).toBe(100);
  expect(snaps.newest((file) => file.index !== 100)?.metadata?.index).toBe(90);
  expect(snaps.newest(() => false)).toBeUndefined();
});

test('a broken file is put aside, and the one before it is taken', () => {
  write(1, 1);
  write(1, 2);
  write(1, 3);
  damage(snapName(1, 3), 20);
  damage(snapName(1, 2), 0);
  fs.open(`${DIR}/${snapName(1, 4)}`, 'create').close();
  expect(snaps.newest()?.metadata?.index).toBe(1);
  expect(fs.list(DIR).sort((a, b) => (a < b ? -1 : 1))).toEqual([
    snapName(1, 1),
    `${snapName(1, 2)}.broken`,
    `${snapName(1, 3)}.broken`,
    `${snapName(1, 4)}.broken`,
  ]);
  expect(warnings.length).toBe(3);
});

test('every changed bit is found', () => {
  write(1, 1);
  const { length } = fs.bytesOf(`${DIR}/${snapName(1, 1)}`);
  for (let at = 0; at < length; at++) {
    fs.remove(`${DIR}/${fs.list(DIR)[0]}`);
    write(1, 1);
    damage(snapName(1, 1), at);
    expect(snaps.newest()).toBeUndefined();
  }
});

test('purge keeps the newest, and removes what a crash left', () => {
  for (let index = 1; index <= 8; index++) write(1, index);
  fs.open(`${DIR}/${snapName(1, 9)}.tmp`, 'create').close();
  fs.open(`${DIR}/db`, 'create').close();
  snaps.purge(0);
  expect(snaps.list().length).toBe(8);
  snaps.purge(5);
  expect(snaps.list().map(({ index }) => index)).toEqual([4, 5, 6, 7, 8]);
  expect(fs.list(DIR)).toContain('db');
  expect(fs.list(DIR)).not.toContain(`${snapName(1, 9)}.tmp`);
});

test('after a crash at any step, a file is whole or not there', () => {
  for (let step = 1; step < 12; step++) {
    fs = new MemoryFileSystem({ seed: step });
    snaps = new SnapFiles(fs, DIR, silentLogger);
    write(1, 1);
    fs.faults.powerLossAtStep = fs.steps + step;
    let returned = true;
    try {
      write(1, 2);
    } catch {
      returned = false;
    }
    fs.crash();
    const index = snaps.newest()?.metadata?.index;
    expect(returned ? [2] : [1, 2]).toContain(index);
    expect(fs.list(DIR).filter((name) => name.endsWith('.broken'))).toEqual([]);
  }
});

test('no directory is no files', () => {
  expect(snaps.list()).toEqual([]);
  expect(snaps.newest()).toBeUndefined();
  snaps.purge(5);
});

test('names', () => {
  expect(parseSnapName(snapName(2, 2 ** 33))).toMatchObject({ term: 2, index: 2 ** 33 });
  for (const name of ['db', '0000000000000001.snap.db', `${snapName(1, 1)}.broken`, `${snapName(1, 1)}.tmp`]) {
    expect(parseSnapName(name)).toBeUndefined();
  }
});
