/** Where the log goes and what it holds. */
import { type ConfigError, invalidValue } from './config-error.ts';
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
/** Stands for stderr: there is no journal to write to. */
const DEFAULT_OUTPUT = 'default';

/** Throws ConfigError. */
export function readLogConfig(values: OptionValues): LogConfig {
  const logger = values.get('logger');
  if (logger !== 'zap') throw invalid('logger', logger, 'it must be zap');
  const level = values.get('log-level');
  const format = values.get('log-format');
  return {
    level:
      LEVELS.get(level.toLowerCase()) ??
      raise('log-level', level, 'it must be debug, info, warn, error, panic or fatal'),
    format: FORMATS.get(format) ?? raise('log-format', format, 'it must be json or console'),
    outputs: outputs(values),
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
  return given.length === 0 || given[0] === DEFAULT_OUTPUT ? ['stderr'] : given;
}

function raise(name: string, value: string, problem: string): never {
  throw invalid(name, value, problem);
}

function invalid(name: string, value: string, problem: string): ConfigError {
  return invalidValue(`flag --${name}`, value, problem);
}
