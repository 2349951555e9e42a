import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import nodeEnvironment from '../../scripts/node-environment.json' with { type: 'json' };
import nodeOptions from '../../scripts/node-options.json' with { type: 'json' };
import { commandWords } from '../../scripts/cluster/command-words.ts';
import { type Command, type ServerOptions, ServerProcess } from './server-process.ts';

const REPO = join(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * How quorate is started: from its sources, or with the command line in QUORATE_COMMAND: words with spaces between them, for
 * instance `node dist/quorate.mjs`, or a JSON array of words. `npm test` names the bundle there.
 */
export function quorateCommand(): Command {
  const own = commandWords(process.env['QUORATE_COMMAND']);
  const [file, ...args] = own.length > 0 ? own : [join(REPO, 'node_modules/.bin/node'), join(REPO, 'src/main.ts')];
  return { kind: 'quorate', file: file ?? '', args };
}

export function quorateExists(): boolean {
  return process.env['QUORATE_COMMAND'] !== undefined || existsSync(join(REPO, 'src/main.ts'));
}

export function startQuorate(options: ServerOptions = {}): Promise<ServerProcess> {
  return ServerProcess.start(quorateCommand(), options);
}

/**
 * Runs `body` with quorate started from a bundle of the present sources, as `npm start` does: that is much faster, for tests that
 * start it again and again. A QUORATE_COMMAND that is set already stays.
 */
export async function withBundle<T>(body: () => Promise<T>): Promise<T> {
  if (process.env['QUORATE_COMMAND'] !== undefined) return body();
  const node = join(REPO, 'node_modules/.bin/node');
  // Below the repository, so that node_modules is found from there.
  const bundle = join(REPO, '.cache', `quorate-${process.pid}.mjs`);
  await promisify(execFile)(node, [join(REPO, 'scripts/build.ts'), `--outfile=${bundle}`], { cwd: REPO });
  process.env['QUORATE_COMMAND'] = JSON.stringify([node, ...nodeOptions, bundle]);
  Object.assign(process.env, { ...nodeEnvironment, ...process.env });
  try {
    return await body();
  } finally {
    delete process.env['QUORATE_COMMAND'];
    const files = (await readdir(dirname(bundle))).filter((file) => file.startsWith(`quorate-${process.pid}.`));
    await Promise.all(files.map((file) => rm(join(dirname(bundle), file), { force: true })));
  }
}
