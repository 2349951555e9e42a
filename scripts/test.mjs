/** `npm test [-- vitest arguments]`: sets up what is missing, then runs every test. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import {
  ensureBundle,
  ensureDependencies,
  ensureGenerated,
  node,
  root,
  say,
  serverCommand,
  serverEnvironment,
} from './setup.mjs';

ensureDependencies();
ensureGenerated();
ensureBundle();

const fetched = spawnSync('bash', [join(root, 'scripts', 'fetch-etcd.sh')], { cwd: root, stdio: ['ignore', 2, 2] });
if (fetched.status !== 0) {
  say('a real etcd could not be had (scripts/fetch-etcd.sh): tests against it are skipped, each with this reason');
  if (process.env.CI === 'true') process.exit(1);
}

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
// What `npm start` runs is what is tested; and it starts in a third of the time that the sources take.
const env = { QUORATE_COMMAND: JSON.stringify(serverCommand), ...serverEnvironment };
const { status } = spawnSync(node, [vitest, 'run', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit', env });
process.exitCode = status ?? 1;
