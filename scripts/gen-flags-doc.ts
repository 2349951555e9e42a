/**
 * Generates docs/flags.md from the option table, and docs/compatibility.md, which lists the flags too. With --check it writes nothing
 * and fails when a file is not what it would write.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { flagsDoc } from '../src/config/flags-doc.ts';

const FILE = join(import.meta.dirname, '..', 'docs', 'flags.md');

const wanted = await format(flagsDoc(), { ...(await resolveConfig(FILE)), parser: 'markdown' });
if (!process.argv.includes('--check')) {
  writeFileSync(FILE, wanted);
} else if (!existsSync(FILE) || readFileSync(FILE, 'utf8') !== wanted) {
  console.error(
    'docs/flags.md is not what the option table says; run: node_modules/.bin/node scripts/gen-flags-doc.ts',
  );
  process.exitCode = 1;
}
await import('./gen-compatibility-doc.ts');
