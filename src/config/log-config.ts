/** Where the log goes and what it holds. */
import { type ConfigError, invalidValue } from './config-error.ts';
import { readLogRotation } from './log-rotation.ts';
import type { OptionValues } from './option-values.ts';
import type { LogConfig, LogFormat, LogLevel } from './server-config.ts';

const LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['', 'info'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['error', 'error'],
  ['dpanic', 'panic'],
  ['panic', 'panic'],
  ['fatal', 'fatal'],
]);
const FORMATS: ReadonlyMap<string, LogFormat> = new Map([
  ['', 'json'],
  ['json', 'json'],
  ['console', 'console'],
]);
/** Stands for stderr, which systemd passes on to its journal. */
const DEFAULT_OUTPUT = 'default';
const JOURNAL_OUTPUT = 'systemd/journal';
/** Other URLs name nothing that one could write to. */
const FILE_URL = /^file:\/\/(?:localhost)?(?=\/)/i;
const URL = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Throws ConfigError. */
export function readLogConfig(values: OptionValues): LogConfig {
  const logger = values.get('logger');
  if (logger !== 'zap') throw invalid('logger', logger, 'it must be zap');
  const level = values.get('log-level');
  const format = values.get('log-format');
  const where = outputs(values);
  return {
    level:
      LEVELS.get(level.toLowerCase()) ??
      raise('log-level', level, 'it must be debug, info, warn, error, panic or fatal'),
    format: FORMATS.get(format) ?? raise('log-format', format, 'it must be json or console'),
    outputs: where,
    rotation: readLogRotation(values, where),
  };
}

function outputs(values: OptionValues): string[] {
  const given = [...new Set(values.get('log-outputs'))];
  const text = values.text('log-outputs');
  const namesNothing = given.includes('') || (given.length === 0 && text === '');
  if (namesNothing) throw invalid('log-outputs', text, 'it must name stderr, stdout or files');
  if (given.includes(DEFAULT_OUTPUT) && given.length > 1) {
    throw invalid('log-outputs', text, `${DEFAULT_OUTPUT} must stand alone`);
  }
  if (given.includes(JOURNAL_OUTPUT)) {
    throw invalid('log-outputs', text, 'write to stderr, which systemd passes on to its journal');
  }
  const paths = given.map((output) => output.replace(FILE_URL, ''));
  if (paths.some((path) => URL.test(path))) throw invalid('log-outputs', text, 'it must name stderr, stdout or files');
  return given.length === 0 || given[0] === DEFAULT_OUTPUT ? ['stderr'] : paths;
}

function raise(name: string, value: string, problem: string): never {
  throw invalid(name, value, problem);
}

function invalid(name: string, value: string, problem: string): ConfigError {
  return invalidValue(`flag --${name}`, value, problem);
}
