/**
 * The command line of the server, by the rules of Go's flag package: --f=v, --f v, -f v; a boolean bare or with =; the last
 * one wins; flags end at the first argument that is none, or after --.
 *
 * yargs cannot be set up for these rules (it takes `false` in `--pre-vote false` for the value, strips quotes off values, reads
 * on after a positional argument or stops without telling an unknown flag from one), so it only serves the subcommands (src/cli).
 */
import { ConfigError } from './config-error.ts';
import { findOption } from './options.ts';
import { OptionValues, parseSetting } from './option-values.ts';

const USAGE_EXIT_CODE = 2;
const FLAG = /^--?([^-=][^=]*)(?:=(.*))?$/s;

export type FlagsResult = { readonly kind: 'help' } | { readonly kind: 'flags'; readonly flags: Flags };

export interface Flags {
  readonly values: OptionValues;
  /** The names that occurred, former ones as such. */
  readonly names: ReadonlySet<string>;
}

/** Throws ConfigError with exit code 2, or 1 for a positional argument. */
export function parseFlags(argv: readonly string[]): FlagsResult {
  const values = new OptionValues();
  const names = new Set<string>();
  let next = 0;
  while (next < argv.length) {
    const argument = argv[next++] ?? '';
    if (argument === '--') break;
    if (!argument.startsWith('-') || argument === '-') throw notAFlag(argument);
    const [, name, inline] = FLAG.exec(argument) ?? [];
    if (name === undefined) throw usageError(`bad flag syntax: ${argument}`);
    const option = findOption(name);
    if (option === undefined) {
      if (name === 'help' || name === 'h') return { kind: 'help' };
      throw usageError(`unknown flag --${name}`);
    }
    const bare = option.spec.type === 'bool' || option.spec.type === 'ignored' ? 'true' : undefined;
    const text = inline ?? bare ?? argv[next++];
    if (text === undefined) throw usageError(`flag --${name} needs a value`);
    values.set(parseSetting(name, text, `flag --${name}`, USAGE_EXIT_CODE));
    names.add(name);
  }
  const positional = argv[next];
  if (positional !== undefined) throw notAFlag(positional);
  return { kind: 'flags', flags: { values, names } };
}

function usageError(line: string): ConfigError {
  return new ConfigError(line, USAGE_EXIT_CODE);
}

function notAFlag(argument: string): ConfigError {
  return new ConfigError(`'${argument}' is not a valid flag`);
}
