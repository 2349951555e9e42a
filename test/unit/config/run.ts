/** Shorthands for tests that go through parseCommandLine(). */
import { type CommandLine, parseCommandLine } from '../../../src/config/command-line.ts';
import type { ConfigWarning } from '../../../src/config/config-warning.ts';
import type { ServerConfig } from '../../../src/config/server-config.ts';

export type RunResult = Extract<CommandLine, { kind: 'run' }>;
export type ErrorResult = Extract<CommandLine, { kind: 'error' }>;

export const FILE = 'quorate.yaml';

/** Flags split at spaces; a file of the name FILE holds `file`. */
export function parse(flags: string | string[], env: Record<string, string> = {}, file?: string): CommandLine {
  const argv = typeof flags === 'string' ? flags.split(' ').filter((word) => word !== '') : flags;
  return parseCommandLine(argv, env, (path) => {
    if (file === undefined || path !== FILE) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    return file;
  });
}

export function run(flags: string | string[], env: Record<string, string> = {}, file?: string): RunResult {
  const result = parse(flags, env, file);
  if (result.kind !== 'run') throw new Error(`not a configuration: ${JSON.stringify(result)}`);
  return result;
}

export function config(flags: string | string[], env: Record<string, string> = {}, file?: string): ServerConfig {
  return run(flags, env, file).config;
}

export function warnings(
  flags: string | string[],
  env: Record<string, string> = {},
  file?: string,
): readonly ConfigWarning[] {
  return run(flags, env, file).warnings;
}

export function fromFile(file: string): ServerConfig {
  return config(`--config-file=${FILE}`, {}, file);
}

export function failure(flags: string | string[], env: Record<string, string> = {}, file?: string): ErrorResult {
  const result = parse(flags, env, file);
  if (result.kind !== 'error') throw new Error(`no error: ${result.kind}`);
  return result;
}

export function fileFailure(file: string): string {
  return failure(`--config-file=${FILE}`, {}, file).line;
}
