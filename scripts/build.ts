/**
 * Bundles src/main.ts and what it imports into dist/quorate.mjs, or into --outfile=<path>: one file loads faster than a
 * thousand. Beside it goes the file that its bcrypt threads begin with. Wherever they lie, node_modules must be found from there.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import nodeOptions from './node-options.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { outfile: { type: 'string' } } });

const outfile = resolve(values.outfile ?? join(root, 'dist', 'quorate.mjs'));
await bundle('main.ts', outfile);
await bundle(join('platform', 'bcrypt-worker.ts'), outfile.replace(/\.mjs$/, '.bcrypt-worker.mjs'));

async function bundle(entry: string, to: string): Promise<void> {
  await build({
    entryPoints: [join(root, 'src', entry)],
    outfile: to,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    sourcemap: 'linked',
    legalComments: 'none',
    // Has a native part, found relative to its own folder.
    external: ['lmdb'],
    banner: {
      js: [
        `#!/usr/bin/env -S node ${nodeOptions.join(' ')}`,
        "import { createRequire as quorateCreateRequire } from 'node:module'; const require = quorateCreateRequire(import.meta.url);",
      ].join('\n'),
    },
    logLevel: 'warning',
  });
}
