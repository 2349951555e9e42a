import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');

test('src/gen is what proto/ generates', () => {
  const check = spawnSync(process.execPath, [join(ROOT, 'scripts/gen-proto.ts'), '--check'], { encoding: 'utf8' });
  expect(check.stderr).toBe('');
  expect(check.status).toBe(0);
});
