/** The command: reads its configuration, runs a server until it is told to stop. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { isSubcommand, runSubcommand } from './cli/subcommands.ts';
import { parseCommandLine } from './config/command-line.ts';
import type { ConfigWarning } from './config/config-warning.ts';
import type { ServerConfig } from './config/server-config.ts';
import { type RunningServer, startServer, type TransportName } from './embed.ts';
import type { Logger } from './ports/logger.ts';
import { createLogger, type RootLogger } from './observability/logger.ts';

const EXIT_FATAL = 2;
/** For the leader to be told that its snapshot arrived. */
const ANSWER_MS = 200;
/** After a signal the process is gone within 1.5 s, whatever still hangs. */
const STOP_DEADLINE_MS = 1400;

type OnFatal = (what: string, error: Error) => never;

// Writing to a terminal or pipe that is gone is no reason to end.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const args = process.argv.slice(2);
if (isSubcommand(args)) {
  process.exit(
    await runSubcommand(args, {
      out: (text) => process.stdout.write(`${text}\n`),
      error: (text) => process.stderr.write(`${text}\n`),
    }),
  );
}
const command = parseCommandLine(
  args,
  process.env,
  (path) => readFileSync(path, 'utf8'),
  (walDir) => existsSync(walDir) && readdirSync(walDir).some((name) => name.endsWith('.wal')),
);
if (command.kind === 'print') process.stdout.write(`${command.text}\n`);
else if (command.kind === 'error') fail(command.line, command.exitCode);
else await run(command.config, command.warnings);

async function run(config: ServerConfig, warnings: readonly ConfigWarning[]): Promise<void> {
  const logger = openLog(config);
  for (const { message, fields } of warnings) logger.warn(message, fields);
  const onFatal: OnFatal = (what, error) => {
    logger.fatal(what, { error: error.message, stack: error.stack });
    process.exit(EXIT_FATAL);
  };
  process.on('uncaughtException', (error) => onFatal('uncaught exception', error));
  process.on('unhandledRejection', (reason) => {
    onFatal('unhandled rejection', reason instanceof Error ? reason : new Error(String(reason)));
  });
  try {
    const onRemoved = (): void => {
      onFatal('the member has been permanently removed from the cluster', new Error('removed'));
    };
    const onSnapshotStored = (): void => {
      setTimeout(() => startAgain(logger, onFatal), ANSWER_MS);
    };
    const callbacks = { onFatal, onRemoved, onSnapshotStored };
    const starting = startServer(config, { logger, ...callbacks, transport: transportName() });
    stopAtSignal(starting, logger, onFatal);
    await starting;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    logger.fatal('failed to start', { error: text });
    fail(text, 1);
  }
}

/** Signals that come before the server has started wait for it, as long as for its end. */
function stopAtSignal(starting: Promise<RunningServer>, logger: Logger, onFatal: OnFatal): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      logger.info('received signal; shutting down', { signal });
      setTimeout(() => process.exit(0), STOP_DEADLINE_MS).unref();
      const stopped = async (): Promise<void> => {
        const server = await starting.catch(() => undefined);
        if (server === undefined) return; // Says so itself.
        await server.stop();
        process.exit(0);
      };
      stopped().catch((error: unknown) => {
        onFatal('failed to stop', error instanceof Error ? error : new Error(String(error)));
      });
    });
  }
}

function openLog({ log }: ServerConfig): RootLogger {
  try {
    return createLogger(log);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return fail(`invalid value ${JSON.stringify(log.outputs.join())} for flag --log-outputs: ${reason}`, 1);
  }
}

/** The same process begins anew with what is on disk: clients connect again, and whoever watches over it sees no end. */
function startAgain(logger: Logger, onFatal: OnFatal): void {
  logger.info('starting again');
  try {
    if (process.execve === undefined) throw new Error('this Node cannot');
    process.execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env);
  } catch (error) {
    onFatal(
      'a snapshot from the leader waits for the next start',
      error instanceof Error ? error : new Error(String(error)),
    );
  }
}

/** QUORATE_TRANSPORT=grpc-js: the slower transport, should the other one give trouble. */
function transportName(): TransportName | undefined {
  const name = process.env['QUORATE_TRANSPORT'];
  if (name === undefined || name === 'h2' || name === 'grpc-js') return name;
  return fail(`QUORATE_TRANSPORT=${name}: must be h2 or grpc-js`, 1);
}

function fail(line: string, exitCode: number): never {
  process.stderr.write(`quorate: ${line}\n`);
  process.exit(exitCode);
}
