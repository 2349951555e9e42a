import { renameSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogger } from '../../../src/observability/logger.ts';
import { RotatingFile, type RotationOptions } from '../../../src/observability/rotating-file.ts';

const OPTIONS: RotationOptions = { sizeBytesMax: 100, ageMsMax: 0, backupsMax: 0, localTime: false, compress: false };
const LINE = `${'x'.repeat(39)}\n`;
const DAY_MS = 86_400_000;

let dir = '';
let nowMs = 0;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rotating-'));
  nowMs = Date.UTC(2026, 0, 31, 23, 59, 59, 123);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(options: Partial<RotationOptions> = {}, name = 'etcd.log'): RotatingFile {
  return new RotatingFile(join(dir, name), { ...OPTIONS, ...options }, () => nowMs);
}

function text(name: string): string {
  return readFileSync(join(dir, name), 'utf8');
}

const files = (): string[] => readdirSync(dir).sort();

test('the file is moved aside, with the time in its name, before it would get too long', () => {
  const file = open();
  for (let i = 0; i < 5; i++) {
    file.write(`${i}${LINE}`);
    nowMs += 1000;
  }
  expect(files()).toEqual(['etcd-2026-02-01T00-00-01.123.log', 'etcd-2026-02-01T00-00-03.123.log', 'etcd.log']);
  expect(files().map((name) => text(name).length)).toEqual([82, 82, 41]);
  expect(
    files()
      .map((name) => text(name))
      .join(''),
  ).toBe([0, 1, 2, 3, 4].map((i) => `${i}${LINE}`).join(''));
  expect(statSync(join(dir, 'etcd.log')).mode & 0o777).toBe(0o600);
});

test('goes on with the file of the last run, and rotates it when its turn has come', () => {
  writeFileSync(join(dir, 'etcd.log'), LINE + LINE);
  const file = open();
  file.write(LINE);
  expect(files()).toEqual(['etcd-2026-01-31T23-59-59.123.log', 'etcd.log']);
  expect(text('etcd.log')).toBe(LINE);
});

test('a line longer than a file stands alone', () => {
  const file = open({ sizeBytesMax: 10 });
  file.write(LINE);
  file.write(LINE);
  expect(files().map((name) => text(name))).toEqual([LINE, LINE]);
});

test('rotations in one millisecond do not overwrite each other', () => {
  const file = open({ sizeBytesMax: 40 });
  for (let i = 0; i < 4; i++) file.write(`${i}${LINE.slice(1)}`);
  expect(files()).toEqual([
    'etcd-2026-01-31T23-59-59.123.log',
    'etcd-2026-01-31T23-59-59.124.log',
    'etcd-2026-01-31T23-59-59.125.log',
    'etcd.log',
  ]);
  expect(files().map((name) => text(name)[0])).toEqual(['0', '1', '2', '3']);
});

test('only so many backups are kept, compressed ones among them, and nothing else is touched', async () => {
  const others = ['etcd-2026-01-01.log', 'etcd-x.log', 'other-2026-01-01T00-00-00.000.log', 'etcd.log.1'];
  const old = ['etcd-2025-01-01T00-00-00.000.log', 'etcd-2025-01-02T00-00-00.000.log.gz'];
  for (const name of [...others, ...old]) writeFileSync(join(dir, name), name);
  const file = open({ sizeBytesMax: 40, backupsMax: 2 });
  await file.tidied();
  expect(files()).toEqual([...others, ...old, 'etcd.log'].sort());
  file.write(LINE);
  file.write(LINE);
  await file.tidied();
  expect(files()).toEqual(
    [...others, 'etcd-2025-01-02T00-00-00.000.log.gz', 'etcd-2026-01-31T23-59-59.123.log', 'etcd.log'].sort(),
  );
});

test('backups beyond their age are deleted', async () => {
  writeFileSync(join(dir, 'etcd-2026-01-29T00-00-00.000.log'), 'young enough');
  writeFileSync(join(dir, 'etcd-2026-01-28T00-00-00.000.log'), 'old');
  await open({ ageMsMax: 3 * DAY_MS }).tidied();
  expect(files()).toEqual(['etcd-2026-01-29T00-00-00.000.log', 'etcd.log']);
});

test('backups are compressed', async () => {
  const file = open({ sizeBytesMax: 40, compress: true });
  file.write(LINE);
  file.write(LINE);
  await file.tidied();
  expect(files()).toEqual(['etcd-2026-01-31T23-59-59.123.log.gz', 'etcd.log']);
  expect(gunzipSync(readFileSync(join(dir, 'etcd-2026-01-31T23-59-59.123.log.gz'))).toString()).toBe(LINE);
});

test('local time in names, read back as such', async () => {
  const shift = new Date(nowMs).getTimezoneOffset() * 60_000;
  const file = open({ sizeBytesMax: 40, localTime: true, ageMsMax: DAY_MS });
  file.write(LINE);
  file.write(LINE);
  await file.tidied();
  const stamp = new Date(nowMs - shift).toISOString().slice(0, -1).replaceAll(':', '-');
  expect(files()).toEqual([`etcd-${stamp}.log`, 'etcd.log']);
});

test('a file that somebody moved is made again', () => {
  const file = open({ sizeBytesMax: 40 });
  file.write(LINE);
  renameSync(join(dir, 'etcd.log'), join(dir, 'moved'));
  file.write(LINE);
  expect(files()).toEqual(['etcd.log', 'moved']);
});

test('where no new file can be made, the log goes on in the old one, and tries again later', () => {
  const file = open({ sizeBytesMax: 40 }, 'logs/etcd.log');
  file.write(LINE);
  renameSync(join(dir, 'logs'), join(dir, 'elsewhere'));
  file.write(LINE);
  expect(text('elsewhere/etcd.log')).toBe(LINE + LINE);
  renameSync(join(dir, 'elsewhere'), join(dir, 'logs'));
  file.write(LINE);
  expect(readdirSync(join(dir, 'logs')).sort()).toEqual(['etcd-2026-01-31T23-59-59.123.log', 'etcd.log']);
  expect(text('logs/etcd.log')).toBe(LINE);
});

test('the directory is made', () => {
  const file = open({}, 'a/b/etcd.log');
  file.write(LINE);
  expect(text('a/b/etcd.log')).toBe(LINE);
});

test('as an output of the log', () => {
  const path = join(dir, 'server.log');
  const logger = createLogger({ outputs: [path], rotation: { ...OPTIONS, sizeBytesMax: 2000 } });
  for (let i = 0; i < 100; i++) logger.info(`line ${i}`, { padding: 'x'.repeat(100) });
  const messages = files()
    .flatMap((name) => text(name).trimEnd().split('\n'))
    .map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(files().length).toBeGreaterThan(5);
  expect(messages.sort()).toEqual(Array.from({ length: 100 }, (_, i) => `line ${i}`).sort());
});
