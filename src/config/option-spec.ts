/** What the option table says about one option. The table itself: options.ts. */

/**
 * supported: does what etcd's option does.
 * noEffect: accepted; a value other than the default is reported once as without effect.
 * unsupported: recognised; a value other than the default ends the start with one clear line.
 * removed: likewise, as etcd itself has it no more.
 */
export type Support = 'supported' | 'noEffect' | 'unsupported' | 'removed';

/**
 * string   any text, or one of `choices`
 * bool     Go's spellings of true and false; bare on the command line
 * int      a signed integer; uint and uint32 are bounded as their names say
 * duration Go's syntax (1h2m3.5s) on the command line and in the environment, integer nanoseconds in a file
 * urls     comma-separated URLs of the form scheme://host:port, or of unix sockets
 * origins  likewise, or *
 * list     comma-separated text; a list in a file
 * ignored  a flag of old that takes anything and does nothing
 */
export type OptionType =
  'string' | 'bool' | 'int' | 'uint' | 'uint32' | 'duration' | 'urls' | 'origins' | 'list' | 'ignored';

export interface OptionSpec {
  readonly name: string;
  readonly type: OptionType;
  /** As it would be written on the command line. */
  readonly default: string;
  readonly help: string;
  readonly support: Support;
  readonly choices?: readonly string[];
  /** Earlier names, still accepted on the command line, in the environment and in a file. */
  readonly former?: readonly string[];
  /** Where a configuration file holds it, when not under its own name; null: nowhere. */
  readonly fileKey?: string | null;
  /** Its value is never shown. */
  readonly secret?: true;
  /** A list that a file nevertheless writes as comma-separated text. */
  readonly fileText?: true;
}

export interface OptionGroup {
  readonly title: string;
  readonly options: readonly OptionSpec[];
}
