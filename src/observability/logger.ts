/**
 * Logging in the shape of etcd's own: JSON lines on stderr with `level`, `ts`, `caller`, `msg`, then the fields. A log that
 * cannot be written is not worth dying for: errors of the stream are ignored.
 */

import { performance } from 'node:perf_hooks';
import { pino } from 'pino';
import type { DestinationStream, Logger as PinoLogger } from 'pino';
import type { LogFields, Logger } from '../ports/logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'panic' | 'fatal';

export interface LoggerOptions {
  readonly level?: LogLevel;
  /** --log-format. */
  readonly format?: 'json' | 'console';
  /** --log-outputs: `default` and `stderr`, `stdout`, or a file path. */
  readonly outputs?: readonly string[];
}

export interface RootLogger extends Logger {
  panic(message: string, fields?: LogFields): void;
  fatal(message: string, fields?: LogFields): void;
  /** The same log for another part of the program; `caller` names it, like `server/pump.ts`. */
  child(caller: string): RootLogger;
}

const LEVELS: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50, panic: 55, fatal: 60 };
/** What may wait while an output is stuck; beyond it lines are dropped. */
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024;

export function createLogger(options: LoggerOptions = {}, destination?: DestinationStream): RootLogger {
  const streams = destination === undefined ? (options.outputs ?? ['default']).map(openOutput) : [destination];
  const shaped = options.format === 'console' ? streams.map(asConsole) : streams;
  const target = shaped.length === 1 && shaped[0] !== undefined ? shaped[0] : tee(shaped);
  const root = makePino(options.level ?? 'info', target);
  return new JsonLogger(root, root.child({ caller: 'main.ts' }));
}

function makePino(level: LogLevel, target: DestinationStream) {
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

  constructor(root: Pino, own: Pino) {
    this.#root = root;
    this.#pino = own;
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
  }

  fatal(message: string, fields?: LogFields): void {
    this.#pino.fatal(entry(message, fields));
  }

  child(caller: string): RootLogger {
    return new JsonLogger(this.#root, this.#root.child({ caller }));
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

function openOutput(output: string): DestinationStream {
  const isStderr = output === 'default' || output === 'stderr';
  const file = output === 'stdout' ? 1 : output;
  const stream = pino.destination({ dest: isStderr ? 2 : file, sync: true, maxLength: BUFFERED_BYTES_MAX });
  stream.on('error', () => {});
  return stream;
}

function tee(streams: readonly DestinationStream[]): DestinationStream {
  return {
    write: (line) => {
      for (const stream of streams) stream.write(line);
    },
  };
}

/** Tab-separated, for people. */
function asConsole(stream: DestinationStream): DestinationStream {
  return {
    write: (line) => {
      const { level, ts, caller, msg, ...fields } = JSON.parse(line) as Record<string, string>;
      const rest = Object.keys(fields).length === 0 ? '' : `\t${JSON.stringify(fields)}`;
      stream.write(`${ts}\t${level}\t${caller}\t${msg}${rest}\n`);
    },
  };
}
