/** The Docker engine that these tests run on, and why there may be none. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const REPO = join(import.meta.dirname, '../../..');
const IMAGE = 'quorate:test';
const run = promisify(execFile);

/** Why there is no engine; undefined: there is one. scripts/docker/with-engine.sh tells. */
export const NO_ENGINE =
  process.env['QUORATE_DOCKER'] === 'yes'
    ? undefined
    : (process.env['QUORATE_NO_DOCKER'] ?? 'tests in containers run by `npm run docker:test`');

if (NO_ENGINE !== undefined) console.warn(`skipped: ${NO_ENGINE}`);

/** Longer tests, by command: DOCKER_TESTS=long. */
export const isLong = process.env['DOCKER_TESTS'] === 'long';

/** The docker command; resolves to what it printed. */
export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run('docker', args, { maxBuffer: 1 << 28 });
  return (stdout + stderr).trim();
}

export async function inspect(id: string, format: string): Promise<string> {
  return docker('inspect', '--format', format, id);
}

const built = new Map<string, Promise<string>>();

/** Builds the image as the Dockerfile says, or one of its targets; resolves to its tag. What has not changed is not built again. */
export function image(target?: string): Promise<string> {
  const tag = target === undefined ? IMAGE : `${IMAGE}-${target}`;
  let building = built.get(tag);
  if (building === undefined) {
    const args = target === undefined ? [] : ['--target', target];
    building = run('bash', [join(REPO, 'scripts/docker/build-image.sh'), tag, ...args]).then(({ stdout }) => {
      console.log(stdout.trim());
      return tag;
    });
    built.set(tag, building);
  }
  return building;
}
