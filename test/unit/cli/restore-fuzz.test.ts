/** Files that are damaged: `snapshot restore`, `status` and `hashkv` say so in one line, and nothing is left behind. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { encodeKeyValue } from '../../../src/mvcc/key-value.ts';
import { encodeRevision } from '../../../src/mvcc/revision.ts';
import { DatabaseWriter } from '../../../src/storage/bbolt/database-writer.ts';
import { PAGE_BYTES } from '../../../src/storage/bbolt/format.ts';
import { MemoryFileSystem } from '../../support/memory-file-system.ts';
import { runQuorate } from '../../support/run-subcommand.ts';

let dir: string;
let file: string;
let target: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'restore-fuzz-'));
  file = join(dir, 'backup.db');
  target = join(dir, 'restored');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function databaseBytes(): Uint8Array {
  const files = new MemoryFileSystem();
  const writer = new DatabaseWriter(files.open('/db', 'create'));
  writer.beginBucket('key');
  for (let main = 2; main < 400; main++) {
    const kv = encodeKeyValue(utf8Encode(`k${main % 50}`), main, main, 1, new Uint8Array(40).fill(main), 0n);
    writer.add(encodeRevision(main, 0), kv);
  }
  writer.endBucket();
  writer.beginBucket('meta');
  writer.add(utf8Encode('consistent_index'), new Uint8Array(8));
  writer.endBucket();
  writer.finish();
  return files.bytesOf('/db');
}

const DATABASE = databaseBytes();

function withChecksum(database: Uint8Array): Uint8Array {
  return Buffer.concat([database, createHash('sha256').update(database).digest()]);
}

/** Writes the file and restores it; the error, or undefined where it was restored. */
async function restored(bytes: Uint8Array, ...flags: string[]): Promise<string | undefined> {
  writeFileSync(file, bytes);
  const { exitCode, error } = await runQuorate('snapshot', 'restore', file, '--data-dir', target, ...flags);
  const names = readdirSync(dir).sort();
  rmSync(target, { recursive: true, force: true });
  if (exitCode === 0) return undefined;
  expect(error).toMatch(/^Error: [^\n]+$/);
  expect(names).toEqual(['backup.db']);
  return error;
}

describe('a snapshot file', () => {
  test('that is whole is restored', async () => {
    expect(await restored(withChecksum(DATABASE))).toBeUndefined();
    expect(await restored(DATABASE, '--skip-hash-check')).toBeUndefined();
  });

  test('with a checksum is refused whatever bit of it flips, and wherever it ends', { timeout: 120_000 }, async () => {
    const whole = withChecksum(DATABASE);
    for (let seed = 0; seed < 60; seed++) {
      const random = new SeededRandom(seed);
      const bytes = Uint8Array.from(whole);
      // Each page gets its turn, the checksum too.
      const at = Math.min(
        (seed % Math.ceil(whole.length / PAGE_BYTES)) * PAGE_BYTES + random.below(PAGE_BYTES),
        whole.length - 1,
      );
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      expect(await restored(bytes), `seed ${seed}`).toMatch(/expected sha256|invalid database/);
      expect(await restored(whole.subarray(0, random.below(whole.length))), `seed ${seed}`).toMatch(/^Error: /);
    }
  });

  test('without a checksum is restored or refused, and so do status and hashkv', { timeout: 120_000 }, async () => {
    const refused = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const random = new SeededRandom(seed);
      const bytes = Uint8Array.from(DATABASE);
      for (let changes = 0; changes <= random.below(4); changes++) {
        const page = 2 + random.below(bytes.length / PAGE_BYTES - 2);
        // Mostly where lengths and page numbers are.
        bytes[page * PAGE_BYTES + random.below(random.below(3) === 0 ? PAGE_BYTES : 200)] = random.below(256);
      }
      const error = await restored(bytes, '--skip-hash-check');
      if (error !== undefined) refused.add(error);
      for (const command of [['snapshot', 'status', file], ...(seed % 6 === 0 ? [['hashkv', file]] : [])]) {
        const { exitCode, error: text, out } = await runQuorate(...command);
        expect(exitCode === 0 ? out : text, `seed ${seed}`).toMatch(exitCode === 0 ? /^[^\n]+$/ : /^Error: [^\n]+$/);
      }
    }
    expect(refused.size).toBeGreaterThan(5);
    for (const text of refused) expect(text).toMatch(/invalid database/);
  });

  test('of something else is refused', async () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(32), utf8Encode('text'), new Uint8Array(PAGE_BYTES * 4)]) {
      expect(await restored(bytes, '--skip-hash-check')).toContain('invalid database: no valid meta page');
    }
  });
});
