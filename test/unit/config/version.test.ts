import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ETCD_COMPAT_VERSION, QUORATE_VERSION, versionText } from '../../../src/config/version.ts';

test("quorate's version is the package's", () => {
  const text = readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8');
  expect((JSON.parse(text) as { version: string }).version).toBe(QUORATE_VERSION);
});

test('the first line of --version is where tools look for the version', () => {
  const [first, ...rest] = versionText().split('\n');
  expect(first).toMatch(/^etcd Version: \d+\.\d+\.\d+$/);
  expect(first).toBe(`etcd Version: ${ETCD_COMPAT_VERSION}`);
  expect(rest).toEqual([
    `quorate Version: ${QUORATE_VERSION}`,
    `Node Version: ${process.version}`,
    `Node OS/Arch: ${process.platform}/${process.arch}`,
  ]);
});
