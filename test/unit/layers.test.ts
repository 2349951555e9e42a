import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

/** design: a file imports only from a lower level or from its own folder. */
const LEVELS: Record<string, number> = {
  base: 0,
  gen: 1,
  ports: 1,
  raft: 2,
  mvcc: 2,
  lease: 2,
  watch: 3,
  membership: 3,
  auth: 3,
  apply: 4,
  server: 5,
  storage: 6,
  peer: 6,
  rpc: 6,
  http: 6,
  observability: 6,
  platform: 6,
  config: 6,
  discovery: 6,
  cli: 7,
  embed: 7,
};
/** main.ts and embed.ts put the rest of level 7 together. */
const TOP_LEVEL = 8;
const PURE_LEVEL_MAX = 4;
/** Runs in a browser: it imports nothing of the server, which takes from it no more than the types of what they exchange. */
const BROWSER = 'ui';
const BROWSER_PACKAGES: ReadonlySet<string> = new Set(['uplot']);
const EXCHANGED = 'ui/cluster-view.ts';
/** import/export … from '…', import '…' and import('…'); statements start a line, as the formatter leaves them. */
const IMPORT =
  /^(?:import|export)\b[^'";]*\bfrom\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
const SRC = join(import.meta.dirname, '..', '..', 'src');

interface Import {
  readonly file: string;
  readonly target: string;
}

function folderOf(path: string): string {
  const [first, ...rest] = path.split('/');
  return rest.length === 0 ? '' : (first ?? '');
}

function levelOf(path: string): number {
  const folder = folderOf(path);
  const level = folder === '' ? TOP_LEVEL : LEVELS[folder];
  if (level === undefined) throw new Error(`src/${path}: folder src/${folder} has no level`);
  return level;
}

function sourceFiles(): string[] {
  return readdirSync(SRC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(SRC, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = text.matchAll(IMPORT);
  return Array.from(found, (match) => ({ file, target: match[1] ?? match[2] ?? match[3] ?? '' }));
}

function violation(found: Import): string | undefined {
  const { file, target } = found;
  if (folderOf(file) === BROWSER) return browserViolation(found);
  const level = levelOf(file);
  if (!target.startsWith('.')) {
    if (level <= PURE_LEVEL_MAX)
      return `src/${file} imports ${target}: levels 0 to 4 import no package and no node: module`;
    if (target === 'lmdb' && !file.startsWith('storage/lmdb/'))
      return `src/${file} imports lmdb: only src/storage/lmdb may`;
    return undefined;
  }
  const resolved = relative(SRC, join(SRC, dirname(file), target));
  if (resolved.startsWith('..')) return `src/${file} imports ${target}: outside of src`;
  if (folderOf(resolved) === folderOf(file)) return undefined;
  if (folderOf(resolved) === BROWSER) {
    if (resolved === EXCHANGED && level > PURE_LEVEL_MAX) return undefined;
    return `src/${file} imports src/${resolved}: only src/${EXCHANGED} is for the server`;
  }
  return levelOf(resolved) < level ? undefined : `src/${file} imports src/${resolved}: not from a lower level`;
}

function browserViolation({ file, target }: Import): string | undefined {
  if (BROWSER_PACKAGES.has(target)) return undefined;
  const resolved = target.startsWith('.') ? relative(SRC, join(SRC, dirname(file), target)) : '';
  return folderOf(resolved) === BROWSER ? undefined : `src/${file} imports ${target}: it runs in a browser`;
}

describe('layers', () => {
  test('every import goes to a lower level or stays in its folder', () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(5);
    expect(files.flatMap(importsOf).map(violation).filter(Boolean)).toEqual([]);
  });

  test('the check itself finds an upward import, an impure one and a stray lmdb', () => {
    expect(violation({ file: 'base/x.ts', target: '../mvcc/backend.ts' })).toContain('not from a lower level');
    expect(violation({ file: 'raft/x.ts', target: 'node:fs' })).toContain('levels 0 to 4');
    expect(violation({ file: 'server/x.ts', target: 'lmdb' })).toContain('only src/storage/lmdb');
    expect(violation({ file: 'server/x.ts', target: '../base/bytes.ts' })).toBeUndefined();
  });

  test('the check keeps browser and server apart', () => {
    expect(violation({ file: 'ui/x.ts', target: '../base/bytes.ts' })).toContain('runs in a browser');
    expect(violation({ file: 'ui/x.ts', target: 'node:fs' })).toContain('runs in a browser');
    expect(violation({ file: 'ui/x.ts', target: './api.ts' })).toBeUndefined();
    expect(violation({ file: 'http/ui/x.ts', target: '../../ui/api.ts' })).toContain('is for the server');
    expect(violation({ file: 'http/ui/x.ts', target: '../../ui/cluster-view.ts' })).toBeUndefined();
    expect(violation({ file: 'apply/x.ts', target: '../ui/cluster-view.ts' })).toContain('is for the server');
  });
});
