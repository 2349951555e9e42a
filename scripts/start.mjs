/** `npm start [-- flags]`: sets up what is missing, then runs the server with the flags. */
import { spawn } from 'node:child_process';
import { ensureBundle, ensureDependencies, ensureGenerated, serverCommand, serverEnvironment } from './setup.mjs';

ensureDependencies();
ensureGenerated();
ensureBundle();

const [file, ...args] = serverCommand;
const server = spawn(file, [...args, ...process.argv.slice(2)], { stdio: 'inherit', env: serverEnvironment });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => server.kill(signal));
server.on('exit', (code, signal) => {
  if (signal !== null) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exitCode = code ?? 1;
  }
});
