/**
 * The file system of the image: `node scripts/docker/root-fs.ts <directory>`, within the Dockerfile's build stage, after the
 * bundle is built. Node, the shared libraries that it and LMDB load, env (which the bundle's first line needs), the bundle, and
 * the packages that are not in it.
 */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

const ENV = '/usr/bin/env';
const ROOT_USER = 'root:x:0:0:root:/:/sbin/nologin';
/** As in other images without a shell. */
const PLAIN_USER_ID = 65532;
const PLAIN_USER = `quorate:x:${PLAIN_USER_ID}:${PLAIN_USER_ID}:quorate:/var/lib/quorate:/sbin/nologin`;
/** Of a package's files, what nobody loads. */
const NOT_LOADED = /\.(map|md|ts|cts|mts|gyp|c|h|cpp)$|\/(src|dependencies|bin)$|musl\.node$|abi\d+\.glibc\.node$/;

const target = process.argv[2];
if (target === undefined) throw new Error('usage: root-fs.ts <directory>');
const rootFs: string = target;
const repo = join(import.meta.dirname, '../..');
const app = join(rootFs, 'usr/local/lib/quorate');
/** Packages that have been copied. */
const copied = new Set<string>();

await import('lmdb');
for (const path of [ENV, ...sharedLibraries()]) copyFile(realpathSync(path), join(rootFs, path));
copyFile(process.execPath, join(rootFs, 'usr/local/bin/node'));
copyBundle();
copyPackage('lmdb', repo);
for (const name of ['quorate', 'etcd']) symlinkSync('../lib/quorate/quorate.mjs', join(rootFs, 'usr/local/bin', name));
writeSystemFiles();

/** What this process has loaded, its loader among it. */
function sharedLibraries(): string[] {
  const report = process.report.getReport() as { readonly sharedObjects: readonly string[] };
  return report.sharedObjects.filter(
    (path) => path.startsWith('/') && !path.endsWith('.node') && !path.includes('vdso'),
  );
}

function copyBundle(): void {
  const dist = join(repo, 'dist');
  for (const file of readdirSync(dist)) {
    if (file.endsWith('.mjs')) copyFile(join(dist, file), join(app, file));
  }
  chmodSync(join(app, 'quorate.mjs'), 0o755);
  copyFile(join(repo, 'package.json'), join(app, 'package.json'));
}

/** The package as `from` sees it, with all that it depends on and what of its optional dependencies was installed. */
function copyPackage(name: string, from: string): void {
  const dir = packageDir(name, from);
  if (dir === undefined || copied.has(dir)) return;
  copied.add(dir);
  const place = join(app, dir.slice(dir.indexOf('node_modules')));
  cpSync(dir, place, {
    recursive: true,
    filter: (path) => !NOT_LOADED.test(path) && !(path !== dir && basename(path) === 'node_modules'),
  });
  const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Partial<
    Record<'dependencies' | 'optionalDependencies', Readonly<Record<string, string>>>
  >;
  for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    copyPackage(dependency, dir);
  }
}

function packageDir(name: string, from: string): string | undefined {
  const places = createRequire(join(from, 'package.json')).resolve.paths(name) ?? [];
  return places.map((place) => join(place, name)).find((dir) => dir.startsWith(repo) && isPackage(dir));
}

function isPackage(dir: string): boolean {
  try {
    return readFileSync(join(dir, 'package.json')).length > 0;
  } catch {
    return false;
  }
}

function writeSystemFiles(): void {
  const etc = join(rootFs, 'etc');
  mkdirSync(etc, { recursive: true });
  writeFileSync(join(etc, 'passwd'), `${ROOT_USER}\n${PLAIN_USER}\n`);
  writeFileSync(join(etc, 'group'), `root:x:0:\nquorate:x:${PLAIN_USER_ID}:\n`);
  writeFileSync(join(etc, 'nsswitch.conf'), 'hosts: files dns\n');
  mkdirSync(join(rootFs, 'tmp'));
  chmodSync(join(rootFs, 'tmp'), 0o1777);
}

function copyFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}
