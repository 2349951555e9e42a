/** Options from ETCD_* variables: ETCD_ and the flag's name in upper case, with _ for -. */
import { ConfigError } from './config-error.ts';
import type { ConfigWarning } from './config-warning.ts';
import type { Flags } from './flags.ts';
import { optionNames } from './options.ts';
import { parseSetting } from './option-values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'ETCD_';
/** Would read as the flag --version. */
const VERSION_VARIABLE = 'ETCD_VERSION';

export function variableOf(flag: string): string {
  return PREFIX + flag.toUpperCase().replaceAll('-', '_');
}

/**
 * Adds to the flags' values what variables set. An empty variable counts as unset, except that it too may not stand beside its
 * flag. Values of unknown variables are kept out of the warnings: they may be secrets. Throws ConfigError.
 */
export function applyEnvironment(environment: Environment, { values, names }: Flags): ConfigWarning[] {
  const optionByVariable = new Map(Array.from(optionNames(), ([name]) => [variableOf(name), name]));
  const warnings: ConfigWarning[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(PREFIX)) continue;
    const name = optionByVariable.get(variable);
    if (variable === VERSION_VARIABLE) {
      if (text !== '') warnings.push(warning('cannot set special environment variable', variable));
    } else if (name !== undefined && names.has(name)) {
      throw new ConfigError(
        `conflicting environment variable "${variable}" is shadowed by corresponding command-line flag ` +
          `(either unset environment variable or disable flag)`,
      );
    } else if (name === undefined || text === '') {
      warnings.push(warning('unrecognized environment variable', variable));
    } else {
      values.set(parseSetting(name, text, variable));
    }
  }
  return warnings;
}

function warning(message: string, variable: string): ConfigWarning {
  return { message, fields: { 'environment-variable': variable } };
}
