/**
 * The one table of every option: flags, environment variables, the configuration file, --help and docs/flags.md all follow
 * from it. Names, defaults and groups are etcd's (§6 of its behaviour); what quorate does with an option is its `support`.
 */
import { must } from '../base/assert.ts';
import type { OptionGroup, OptionSpec } from './option-spec.ts';
import { CLUSTERING_OPTIONS } from './options/clustering.ts';
import { GATE_OPTIONS, IGNORED_OPTIONS, REMOVED_OPTIONS } from './options/legacy.ts';
import { MEMBER_OPTIONS } from './options/member.ts';
import { LOGGING_OPTIONS, PROFILING_OPTIONS, TRACING_OPTIONS } from './options/observability.ts';
import { OWN_OPTIONS } from './options/own.ts';
import { AUTH_OPTIONS, SECURITY_OPTIONS } from './options/security.ts';
import { TUNING_OPTIONS, UNSAFE_OPTIONS } from './options/tuning.ts';
import type { UrlAddress } from './url-address.ts';

const GROUPS = [
  { title: 'Member', options: MEMBER_OPTIONS },
  { title: 'Clustering', options: CLUSTERING_OPTIONS },
  { title: 'Security', options: SECURITY_OPTIONS },
  { title: 'Auth', options: AUTH_OPTIONS },
  { title: 'Profiling and monitoring', options: PROFILING_OPTIONS },
  { title: 'Logging', options: LOGGING_OPTIONS },
  { title: 'Distributed tracing', options: TRACING_OPTIONS },
  { title: 'Tuning', options: TUNING_OPTIONS },
  { title: "quorate's own", options: OWN_OPTIONS },
  { title: 'Unsafe', options: UNSAFE_OPTIONS },
  { title: 'Former switches of feature gates', options: GATE_OPTIONS },
  { title: 'Removed from etcd', options: REMOVED_OPTIONS },
  { title: 'Ignored', options: IGNORED_OPTIONS },
] as const satisfies readonly OptionGroup[];

export const OPTION_GROUPS: readonly OptionGroup[] = GROUPS;

type Row = (typeof GROUPS)[number]['options'][number];
export type OptionName = Row['name'];

interface ValueByType {
  string: string;
  bool: boolean;
  int: number;
  uint: number;
  uint32: number;
  /** Milliseconds, with fractions. */
  duration: number;
  urls: readonly UrlAddress[];
  /** As given, checked; empty means *. */
  origins: readonly string[];
  list: readonly string[];
  ignored: string;
}

type ValueOf<R extends Row> = R extends { readonly choices: readonly (infer C)[] } ? C : ValueByType[R['type']];

/** The type that the option of this name has in the program. */
export type OptionValue<N extends OptionName> = ValueOf<Extract<Row, { readonly name: N }>>;
/** The type of some option. */
export type AnyOptionValue = ValueByType[keyof ValueByType];

/** An option as found under one of its names. */
export interface NamedOption {
  readonly name: OptionName;
  readonly spec: OptionSpec;
  /** False under a former name. */
  readonly current: boolean;
}

const BY_NAME: ReadonlyMap<string, NamedOption> = new Map(
  GROUPS.flatMap(({ options }) => options.flatMap((row) => namesOf(row))).map((named) => [named[0], named[1]]),
);

function namesOf(row: Row): [string, NamedOption][] {
  const spec: OptionSpec = row;
  const former = (spec.former ?? []).map((name): [string, NamedOption] => [
    name,
    { name: row.name, spec, current: false },
  ]);
  return [[row.name, { name: row.name, spec, current: true }], ...former];
}

/** Every name, former ones included, with its option. */
export function optionNames(): IterableIterator<[string, NamedOption]> {
  return BY_NAME.entries();
}

export function findOption(name: string): NamedOption | undefined {
  return BY_NAME.get(name);
}

export function specOf(name: OptionName): OptionSpec {
  return must(BY_NAME.get(name), `option ${name}`).spec;
}
