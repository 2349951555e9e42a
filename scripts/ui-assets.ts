/** Builds the dashboard (src/ui) into the few files that a server hands out. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import type { UiAsset, UiAssets } from '../src/http/ui/assets.ts';

const SOURCES = join(import.meta.dirname, '..', 'src', 'ui');

export async function buildUiAssets(): Promise<UiAssets> {
  const { outputFiles } = await build({
    entryPoints: ['main.ts', 'style.css'].map((file) => ({ in: join(SOURCES, file), out: 'app' })),
    outdir: '/',
    write: false,
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    // uPlot's licence wants its notice kept.
    legalComments: 'inline',
    // Nothing but the sources themselves decides what comes out.
    tsconfigRaw: {},
    logLevel: 'warning',
  });
  const built = (ending: string): string => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
  const source = (name: string): Promise<string> => readFile(join(SOURCES, name), 'utf8');
  return {
    'index.html': asset('text/html', await source('index.html')),
    'icon.svg': asset('image/svg+xml', await source('icon.svg')),
    'app.js': asset('text/javascript', built('.js')),
    'app.css': asset('text/css', built('.css')),
  };
}

/** For the server's bundle: the built files in place of the module that would build them. */
export const embeddedUiAssets: Plugin = {
  name: 'embedded-ui-assets',
  setup: (bundler) => {
    bundler.onLoad({ filter: /[\\/]src[\\/]http[\\/]ui[\\/]assets\.ts$/ }, async () => ({
      contents: `const assets = ${JSON.stringify(await buildUiAssets())};\nexport const loadAssets = async () => assets;\n`,
      loader: 'js',
    }));
  },
};

function asset(type: string, body: string): UiAsset {
  return { type: `${type}; charset=utf-8`, body };
}
