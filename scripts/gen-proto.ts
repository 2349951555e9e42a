/**
 * Generates src/gen from proto/. With --check it writes nothing and fails when src/gen is not what it would write.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emitJsonSchema } from './proto/emit-schema.ts';
import { emitFile, emitServices } from './proto/emit.ts';
import { loadFiles } from './proto/schema.ts';

const ROOT = join(import.meta.dirname, '..');
const OUT_DIR = join(ROOT, 'src/gen');

function generate(): Map<string, string> {
  const files = loadFiles(join(ROOT, 'proto'));
  const outputs = new Map(files.map((file) => [file.output, emitFile(file)]));
  return outputs.set('services.ts', emitServices(files)).set('json-schema.ts', emitJsonSchema(join(ROOT, 'proto')));
}

function staleNames(outputs: ReadonlyMap<string, string>): string[] {
  const present = existsSync(OUT_DIR) ? readdirSync(OUT_DIR) : [];
  const missing = [...outputs.keys()].filter((name) => !present.includes(name));
  const differing = present.filter((name) => readFileSync(join(OUT_DIR, name), 'utf8') !== outputs.get(name));
  return [...missing, ...differing];
}

function write(outputs: ReadonlyMap<string, string>): void {
  mkdirSync(OUT_DIR, { recursive: true });
  for (const name of readdirSync(OUT_DIR)) if (!outputs.has(name)) rmSync(join(OUT_DIR, name));
  for (const [name, text] of outputs) writeFileSync(join(OUT_DIR, name), text);
}

const outputs = generate();
if (process.argv.includes('--check')) {
  const stale = staleNames(outputs);
  if (stale.length > 0) {
    console.error(`src/gen is not what proto/ generates (${stale.join(', ')}); run: npm run gen`);
    process.exitCode = 1;
  }
} else {
  write(outputs);
}
