/** What the process was told to do: the one way from flags, environment and configuration file to a ServerConfig. */
import { buildConfig } from './build-config.ts';
import { ConfigError } from './config-error.ts';
import { parseConfigFile } from './config-file.ts';
import type { ConfigWarning } from './config-warning.ts';
import { applyEnvironment, type Environment, variableOf } from './environment.ts';
import { type Flags, parseFlags } from './flags.ts';
import { helpText } from './help.ts';
import type { OptionValues } from './option-values.ts';
import type { ServerConfig } from './server-config.ts';
import { versionText } from './version.ts';

export type CommandLine =
  | { readonly kind: 'run'; readonly config: ServerConfig; readonly warnings: readonly ConfigWarning[] }
  /** For stdout; exit code 0. */
  | { readonly kind: 'print'; readonly text: string }
  /** For stderr: what is wrong, in one line. */
  | { readonly kind: 'error'; readonly line: string; readonly exitCode: number };

interface Source {
  readonly values: OptionValues;
  readonly fromFile: boolean;
  readonly warnings: readonly ConfigWarning[];
}

/**
 * Rules and order of precedence are etcd's (§6): a configuration file alone, else flags and environment, of which one may set
 * an option. Touches nothing but what `readFile` reads.
 *
 * @param argv without the program
 * @param readFile text of a file; may throw
 * @param memberExists whether a directory holds the log of a member: the options for founding a cluster are then not checked
 */
export function parseCommandLine(
  argv: readonly string[],
  env: Environment,
  readFile: (path: string) => string,
  memberExists: (walDir: string) => boolean = () => false,
): CommandLine {
  try {
    const parsed = parseFlags(argv);
    if (parsed.kind === 'help') return { kind: 'print', text: helpText() };
    if (parsed.flags.values.get('version')) return { kind: 'print', text: versionText() };
    const { values, fromFile, warnings } = readSource(parsed.flags, env, readFile);
    const built = buildConfig(values, { fromFile, memberExists });
    return { kind: 'run', config: built.config, warnings: [...warnings, ...built.warnings] };
  } catch (error) {
    if (error instanceof ConfigError) return { kind: 'error', line: error.message, exitCode: error.exitCode };
    throw error;
  }
}

function readSource(flags: Flags, env: Environment, readFile: (path: string) => string): Source {
  const path = flags.values.get('config-file') || (env[variableOf('config-file')] ?? '');
  if (path === '') return { values: flags.values, fromFile: false, warnings: applyEnvironment(env, flags) };
  return { ...parseConfigFile(path, readText(path, readFile)), fromFile: true };
}

function readText(path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path);
  } catch (error) {
    throw new ConfigError(`--config-file ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
