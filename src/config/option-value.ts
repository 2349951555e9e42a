/** The value of an option from text (command line, environment, the table's default) or from a configuration file. */
import { unreachable } from '../base/assert.ts';
import { nanosecondsToMs, parseGoBool, parseGoDurationMs, parseGoInteger } from './go-values.ts';
import type { OptionSpec } from './option-spec.ts';
import type { AnyOptionValue } from './options.ts';
import { parseUrlList, UrlProblem } from './url-address.ts';

/** What is wrong with a value: the rest of a line that already names the option and the value. */
export class ValueProblem extends Error {
  override readonly name = 'ValueProblem';
}

/** Throws ValueProblem. */
export function valueFromText(spec: OptionSpec, text: string): AnyOptionValue {
  switch (spec.type) {
    case 'string':
      return oneOf(spec, text);
    case 'ignored':
      return text;
    case 'bool':
      return found(parseGoBool(text), 'it must be true or false');
    case 'int':
    case 'uint':
    case 'uint32':
      return inRange(spec.type, parseInteger(spec.type, text));
    case 'duration':
      return found(parseGoDurationMs(text), 'it must be a duration such as 300ms or 1h30m');
    case 'urls':
      return orProblem(() => parseUrlList(text));
    case 'origins':
      return origins(text);
    case 'list':
      return listFromText(spec, text);
    default:
      return unreachable('option type', spec.type);
  }
}

/** Of what a YAML or JSON file holds. Throws ValueProblem. */
export function valueFromFile(spec: OptionSpec, value: unknown): AnyOptionValue {
  switch (spec.type) {
    case 'bool':
      if (typeof value === 'boolean') return value;
      throw new ValueProblem('it must be true or false, without quotes');
    case 'int':
    case 'uint':
    case 'uint32':
      return inRange(spec.type, integer(value, 'an integer'));
    case 'duration':
      return nanosecondsToMs(bounded('int', integer(value, 'a whole number of nanoseconds')));
    case 'list':
      if (spec.fileText === true) return valueFromText(spec, fileText(value));
      if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
      throw new ValueProblem('it must be a list of texts');
    default:
      return valueFromText(spec, fileText(value));
  }
}

function fileText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new ValueProblem('it must be text (quote it)');
}

/** YAML's integers are exact. A float such as 1e3 counts as one too: with the digits that JSON would give it, as in etcd. */
function integer(value: unknown, what: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && /^-?\d+$/.test(String(value))) return BigInt(String(value));
  throw new ValueProblem(`it must be ${what}, without quotes`);
}

function oneOf(spec: OptionSpec, text: string): string {
  if (spec.choices === undefined || spec.choices.includes(text)) return text;
  throw new ValueProblem(`it must be one of ${spec.choices.join(', ')}`);
}

type IntegerType = 'int' | 'uint' | 'uint32';

function parseInteger(type: IntegerType, text: string): bigint {
  if (type !== 'int' && text.startsWith('+')) throw new ValueProblem('it must be a whole number without a sign');
  return found(parseGoInteger(text), 'it must be a whole number');
}

const INTEGER_BOUNDS = {
  int: [-(2n ** 63n), 2n ** 63n - 1n],
  uint: [0n, 2n ** 64n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
} as const;

/** Beyond 2^53 a limit is as good as none, so such values are cut to what a number holds exactly. */
function inRange(type: IntegerType, given: bigint): number {
  const value = bounded(type, given);
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

function bounded(type: IntegerType, value: bigint): bigint {
  const [min, max] = INTEGER_BOUNDS[type];
  if (value < 0n && min === 0n) throw new ValueProblem('it must not be negative');
  if (value < min || value > max) throw new ValueProblem(`it must lie between ${min} and ${max}`);
  return value;
}

/** Where the default is *, empty text means the same. */
function listFromText(spec: OptionSpec, text: string): string[] {
  if (text === '') return spec.default === '*' ? ['*'] : [];
  return text.split(',');
}

function origins(text: string): string[] {
  if (text === '' || text === '*') return ['*'];
  return orProblem(() => parseUrlList(text)).map((url) => url.text);
}

function orProblem<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UrlProblem) throw new ValueProblem(error.message);
    throw error;
  }
}

function found<T>(value: T | undefined, problem: string): T {
  if (value === undefined) throw new ValueProblem(problem);
  return value;
}
