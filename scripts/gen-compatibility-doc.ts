/** Generates docs/compatibility.md. With --check it writes nothing and fails when the file is not what it would write. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { compatibilityDoc } from './compatibility/doc.ts';

const FILE = join(import.meta.dirname, '..', 'docs', 'compatibility.md');

const wanted = await format(compatibilityDoc(), { ...(await resolveConfig(FILE)), parser: 'markdown' });
if (!process.argv.includes('--check')) {
  writeFileSync(FILE, wanted);
} else if (!existsSync(FILE) || readFileSync(FILE, 'utf8') !== wanted) {
  console.error(
    'docs/compatibility.md is not what its tables say; run: node_modules/.bin/node scripts/gen-compatibility-doc.ts',
  );
  process.exitCode = 1;
}
