/** `npm start [-- flags]`: sets up what is missing, then runs the server with the flags. */
import { spawn } from 'node:child_process';
import nodeOptions from './node-options.json' with { type: 'json' };
import { bundle, ensureBundle, ensureDependencies, ensureGenerated, node } from './setup.mjs';

ensureDependencies();
ensureGenerated();
ensureBundle();

// For short garbage collections: docs/adr/0004-garbage.md.
const server = spawn(node, [...nodeOptions, bundle, ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => server.kill(signal));
server.on('exit', (code, signal) => {
  if (signal !== null) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exitCode = code ?? 1;
  }
});
