/** Options from a YAML or JSON file. Its keys are the flags' names, but for a few that sit in objects (fileKey in the table). */
import { parseAllDocuments } from 'yaml';
import { ConfigError, invalidValue } from './config-error.ts';
import type { ConfigWarning } from './config-warning.ts';
import { valueFromFile, ValueProblem } from './option-value.ts';
import { OptionValues } from './option-values.ts';
import { type NamedOption, optionNames } from './options.ts';
import { goYamlTags } from './yaml-numbers.ts';

export interface FileResult {
  readonly values: OptionValues;
  readonly warnings: ConfigWarning[];
}

/** Nested aliases cannot blow a small file up into a large one. */
const ALIASES_MAX = 100;

const OPTION_BY_KEY: ReadonlyMap<string, readonly [string, NamedOption]> = new Map(
  Array.from(optionNames()).flatMap(([name, option]): [string, readonly [string, NamedOption]][] => {
    const key = fileKeyOf(name, option);
    return key === undefined ? [] : [[key, [name, option]]];
  }),
);
/** The objects that hold options: client-transport-security and so on, with those inside them. */
const OBJECT_KEYS: ReadonlySet<string> = new Set([...OPTION_BY_KEY.keys()].flatMap(enclosing));

/** Where a file holds the option under that name of it, `/` between the objects; undefined: nowhere. */
export function fileKeyOf(name: string, { spec: { fileKey }, current }: NamedOption): string | undefined {
  if (fileKey === undefined) return name;
  return current ? (fileKey ?? undefined) : undefined;
}

function enclosing(key: string): string[] {
  const parts = key.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** Throws ConfigError. Unknown keys do nothing, as in etcd, but are warned about. Keys match in any case. */
export function parseConfigFile(path: string, text: string): FileResult {
  const result: FileResult = { values: new OptionValues(), warnings: [] };
  const root = parseYaml(path, text);
  if (root === null || root === undefined) return result;
  if (!isObject(root)) throw new ConfigError(`--config-file ${path}: it must hold keys with values`);
  readObject(path, '', root, result);
  return result;
}

function readObject(path: string, prefix: string, object: Readonly<Record<string, unknown>>, result: FileResult): void {
  for (const [given, value] of Object.entries(object)) {
    const key = prefix + given.toLowerCase();
    const known = OPTION_BY_KEY.get(key);
    if (value === null) continue;
    if (known !== undefined) {
      readOption(path, key, known, value, result.values);
    } else if (OBJECT_KEYS.has(key)) {
      if (!isObject(value)) throw invalid(path, key, value, 'it must hold keys with values');
      readObject(path, `${key}/`, value, result);
    } else {
      result.warnings.push({ message: 'unknown key in the configuration file', fields: { path, key: prefix + given } });
    }
  }
}

function readOption(
  path: string,
  key: string,
  [alias, { spec }]: readonly [string, NamedOption],
  given: unknown,
  values: OptionValues,
): void {
  // Empty text leaves a URL list or a choice at its default.
  if (given === '' && (spec.type === 'urls' || spec.choices !== undefined)) return;
  try {
    values.set({
      alias,
      value: valueFromFile(spec, given),
      text: shown(given),
    });
  } catch (error) {
    if (error instanceof ValueProblem) throw invalid(path, key, given, error.message);
    throw error;
  }
}

function invalid(path: string, key: string, value: unknown, problem: string): ConfigError {
  return invalidValue(`${key.replaceAll('/', '.')} in --config-file ${path}`, shown(value), problem);
}

function shown(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'bigint') return String(value);
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? Number(inner) : inner));
}

/** The first document. YAML 1.1 as Go's library reads it: yes and on are booleans. */
function parseYaml(path: string, text: string): unknown {
  try {
    const documents = parseAllDocuments(text, {
      version: '1.1',
      uniqueKeys: false,
      customTags: goYamlTags,
      logLevel: 'silent',
    });
    const [first] = Array.isArray(documents) ? documents : [];
    const [problem] = first?.errors ?? [];
    if (problem !== undefined) throw problem;
    return first?.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new ConfigError(`--config-file ${path}: ${reason}`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
