/** `npm run cluster [-- flags]`: sets up what is missing, then runs a cluster on this machine, for people who try it. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import {
  ensureBundle,
  ensureDependencies,
  ensureGenerated,
  node,
  root,
  serverCommand,
  serverEnvironment,
} from './setup.mjs';

ensureDependencies();
ensureGenerated();
ensureBundle();

const main = join(root, 'scripts', 'cluster', 'main.ts');
const cluster = spawn(node, [main, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { QUORATE_COMMAND: JSON.stringify(serverCommand), ...serverEnvironment },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => cluster.kill(signal));
cluster.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
