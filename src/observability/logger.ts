/**
 * Logging in the shape of etcd's own: JSON lines on stderr with `level`, `ts`, `caller`, `msg`, then the fields. A log that
 * cannot be written is not worth dying for: errors of the stream are ignored.
 */

import { performance } from 'node:perf_hooks';
import { pino } from 'pino';
import type { Logger as PinoLogger } from 'pino';
import type { LogFields, Logger } from '../ports/logger.ts';
import { consoleOutput, openLogOutput, teeOutput } from './log-output.ts';
import type { LogOutput } from './log-output.ts';
import type { RotationOptions } from './rotating-file.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'panic' | 'fatal';

export interface LoggerOptions {
  readonly level?: LogLevel;
  /** --log-format. */
  readonly format?: 'json' | 'console';
  /** --log-outputs: `default` and `stderr`, `stdout`, or a file path. */
  readonly outputs?: readonly string[];
  /** For the files among them (--enable-log-rotation). */
  readonly rotation?: RotationOptions | undefined;
}

export interface RootLogger extends Logger {
  panic(message: string, fields?: LogFields): void;
  fatal(message: string, fields?: LogFields): void;
  /** The same log for another part of the program; `caller` names it, like `server/pump.ts`. */
  child(caller: string): RootLogger;
}

const LEVELS: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50, panic: 55, fatal: 60 };

/** Throws what opening an output throws. */
export function createLogger(options: LoggerOptions = {}, destination?: LogOutput): RootLogger {
  const output =
    destination ?? teeOutput((options.outputs ?? ['default']).map((output) => openLogOutput(output, options.rotation)));
  const shaped = options.format === 'console' ? consoleOutput(output) : output;
  const root = makePino(options.level ?? 'info', shaped);
  return new JsonLogger(root, root.child({ caller: 'main.ts' }), shaped);
}

function makePino(level: LogLevel, target: LogOutput) {
  return pino(
    {
      level,
      customLevels: LEVELS,
      useOnlyCustomLevels: true,
      base: null,
      timestamp: () => `,"ts":"${timestamp()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    target,
  );
}

type Pino = PinoLogger<LogLevel>;

class JsonLogger implements RootLogger {
  /** Without a caller: what children are made from. */
  readonly #root: Pino;
  readonly #pino: Pino;
  readonly #output: LogOutput;

  constructor(root: Pino, own: Pino, output: LogOutput) {
    this.#root = root;
    this.#pino = own;
    this.#output = output;
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#pino.isLevelEnabled('debug')) this.#pino.debug(entry(message, fields));
  }

  info(message: string, fields?: LogFields): void {
    this.#pino.info(entry(message, fields));
  }

  warn(message: string, fields?: LogFields): void {
    this.#pino.warn(entry(message, fields));
  }

  error(message: string, fields?: LogFields): void {
    this.#pino.error(entry(message, fields));
  }

  panic(message: string, fields?: LogFields): void {
    this.#pino.panic(entry(message, fields));
    this.#output.flush();
  }

  fatal(message: string, fields?: LogFields): void {
    this.#pino.fatal(entry(message, fields));
    this.#output.flush();
  }

  child(caller: string): RootLogger {
    return new JsonLogger(this.#root, this.#root.child({ caller }), this.#output);
  }
}

/** The message goes in as the first field, so that it stands before the others. Errors become their text. */
function entry(message: string, fields: LogFields | undefined): LogFields {
  const out: LogFields = { msg: message };
  if (fields === undefined) return out;
  for (const [name, value] of Object.entries(fields)) out[name] = value instanceof Error ? value.message : value;
  return out;
}

/** Difference between the wall clock and the monotonic one, in ms; renewed when somebody set the clock. */
let wallOffsetMs = Date.now() - performance.now();
const CLOCK_JUMP_MS = 2;

/** UTC with microseconds. */
function timestamp(): string {
  const wallMs = Date.now();
  let nowMs = performance.now() + wallOffsetMs;
  if (Math.abs(nowMs - wallMs) > CLOCK_JUMP_MS) {
    wallOffsetMs += wallMs - nowMs;
    nowMs = wallMs;
  }
  const micros = Math.floor((nowMs % 1) * 1000);
  return `${new Date(nowMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}
