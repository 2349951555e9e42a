/**
 * What `npm start` and `npm test` need before anything else: the dependencies of the lock file (among them the Node that runs
 * everything) and the bundle. Plain JavaScript that any Node from 20 on can run; says what it does, does nothing twice.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeEnvironment from './node-environment.json' with { type: 'json' };
import nodeOptions from './node-options.json' with { type: 'json' };

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const node = join(root, 'node_modules', '.bin', 'node');
export const bundle = join(root, 'dist', 'quorate.mjs');
/** What runs the server, and with what in its environment: docs/adr/0004-garbage.md. */
export const serverCommand = [node, ...nodeOptions, bundle];
export const serverEnvironment = { ...nodeEnvironment, ...process.env };

/** One line of progress on stderr: stdout belongs to the program. */
export function say(text) {
  process.stderr.write(`quorate: ${text}\n`);
}

function run(what, command, args) {
  const started = Date.now();
  say(`${what} …`);
  // Set-up output goes to stderr too.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error !== undefined || status !== 0) {
    say(`${what} failed: ${error?.message ?? `${command} ended with status ${status}`}`);
    process.exit(1);
  }
  say(`${what}: done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function digest(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update(readFileSync(path));
  return hash.digest('hex');
}

function filesBelow(dir) {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** Runs `work` unless the stamp at `path` says that it was done for the same inputs and `result` is still there. */
function onceFor(path, inputs, result, work) {
  const wanted = digest(inputs);
  if (existsSync(path) && existsSync(result) && readFileSync(path, 'utf8') === wanted) return;
  work();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, wanted);
}

export function ensureDependencies() {
  onceFor(join(root, 'node_modules', '.quorate-lock'), [join(root, 'package-lock.json')], node, () => {
    // Not `npm ci`: it refuses a lock file that leaves out optional packages of other platforms.
    run('installing dependencies', 'npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
    if (!existsSync(node) || statSync(node).size === 0) {
      say('the package `node` did not install its binary; run `npm install` with install scripts allowed');
      process.exit(1);
    }
  });
}

export function ensureGenerated() {
  onceFor(join(root, 'node_modules', '.quorate-gen'), filesBelow(join(root, 'proto')), join(root, 'src', 'gen'), () => {
    run('checking the generated codecs', node, [join(root, 'scripts', 'gen-proto.ts'), '--check']);
  });
}

export function ensureBundle() {
  const inputs = [
    ...filesBelow(join(root, 'src')),
    join(root, 'scripts', 'build.ts'),
    join(root, 'scripts', 'ui-assets.ts'),
    join(root, 'package-lock.json'),
  ];
  onceFor(join(root, 'dist', '.stamp'), inputs, bundle, () => {
    run('building', node, [join(root, 'scripts', 'build.ts')]);
  });
}
