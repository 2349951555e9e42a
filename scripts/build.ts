/** Bundles src/main.ts and what it imports into dist/quorate.mjs: one file loads faster than a thousand. */
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

await build({
  entryPoints: [join(root, 'src', 'main.ts')],
  outfile: join(root, 'dist', 'quorate.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  sourcemap: 'linked',
  legalComments: 'none',
  // Has a native part, found relative to its own folder.
  external: ['lmdb'],
  banner: {
    js: "import { createRequire as quorateCreateRequire } from 'node:module'; const require = quorateCreateRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
