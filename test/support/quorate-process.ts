import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, type ServerOptions, ServerProcess } from './server-process.ts';

const REPO = join(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * How quorate is started: from its sources, or with the command line in QUORATE_COMMAND (split at spaces), for instance
 * `node dist/quorate.mjs`.
 */
export function quorateCommand(): Command {
  const own = process.env['QUORATE_COMMAND']?.split(' ').filter((word) => word !== '');
  const [file, ...args] = own?.length ? own : [join(REPO, 'node_modules/.bin/node'), join(REPO, 'src/main.ts')];
  return { kind: 'quorate', file: file ?? '', args };
}

export function quorateExists(): boolean {
  return process.env['QUORATE_COMMAND'] !== undefined || existsSync(join(REPO, 'src/main.ts'));
}

export function startQuorate(options: ServerOptions = {}): Promise<ServerProcess> {
  return ServerProcess.start(quorateCommand(), options);
}
