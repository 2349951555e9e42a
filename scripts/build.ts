/**
 * Bundles src/main.ts and what it imports into dist/quorate.mjs, or into --outfile=<path>: one file loads faster than a
 * thousand. What is seldom needed goes into files of its own beside it, which are read when it is, and so does what the bcrypt
 * threads begin with; all their names begin as the bundle's. Wherever they lie, node_modules must be found from there.
 */
import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { embeddedUiAssets } from './ui-assets.ts';
import nodeEnvironment from './node-environment.json' with { type: 'json' };
import nodeOptions from './node-options.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { outfile: { type: 'string' } } });

const outfile = resolve(values.outfile ?? join(root, 'dist', 'quorate.mjs'));
const outdir = dirname(outfile);
const assignments = Object.entries(nodeEnvironment).map(([variable, value]) => `${variable}=${value}`);
const name = basename(outfile, '.mjs');

removeOld();
await build({
  entryPoints: [
    { in: join(root, 'src', 'main.ts'), out: name },
    { in: join(root, 'src', 'platform', 'bcrypt-worker.ts'), out: `${name}.bcrypt-worker` },
  ],
  outdir,
  bundle: true,
  splitting: true,
  chunkNames: `${name}.[name]-[hash]`,
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  format: 'esm',
  target: 'node22',
  sourcemap: 'linked',
  legalComments: 'none',
  plugins: [embeddedUiAssets],
  // Its other form looks for grpc-js at run time, beside the bundle: a second copy of it, if there is one at all.
  alias: {
    '@opentelemetry/otlp-grpc-exporter-base': join(
      root,
      'node_modules/@opentelemetry/otlp-grpc-exporter-base/dist/index.cjs',
    ),
  },
  // Has a native part, found relative to its own folder.
  external: ['lmdb'],
  banner: {
    js: [
      `#!/usr/bin/env -S ${[...assignments, 'node', ...nodeOptions].join(' ')}`,
      "import { createRequire as quorateCreateRequire } from 'node:module'; const require = quorateCreateRequire(import.meta.url);",
    ].join('\n'),
  },
  logLevel: 'warning',
});

/** The other files' names change with what is in them. */
function removeOld(): void {
  let files: string[] = [];
  try {
    files = readdirSync(outdir);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  for (const file of files) if (file.startsWith(`${name}.`)) rmSync(join(outdir, file));
}
