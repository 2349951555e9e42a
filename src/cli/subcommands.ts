/**
 * What the program does besides serving, chosen by the first argument. The server's own flags follow Go's rules
 * (src/config/flags.ts); only subcommands go through yargs, which is therefore loaded only for them.
 */
import type { CommandModule, Options } from 'yargs';

/** Where a subcommand writes: whole lines, without the line end. */
export interface Output {
  out(text: string): void;
  error(line: string): void;
}

interface Subcommand {
  readonly name: string;
  readonly description: string;
  readonly options?: Readonly<Record<string, Options>>;
  /** Resolves to the exit code. */
  run(output: Output, args: Readonly<Record<string, unknown>>): Promise<number>;
}

const HEALTH: Subcommand = {
  name: 'health',
  description: 'ask a server whether it is ready; exit code 0 if it is',
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:2379', describe: 'where it listens' },
    'of-process': { type: 'number', describe: 'instead: its process id; the URL is taken from its flags' },
  },
  run: async (output, { url, 'of-process': pid }) => {
    const { healthAt, healthOfProcess } = await import('./health.ts');
    const { isHealthy, text } = await (typeof pid === 'number' ? healthOfProcess(pid) : healthAt(String(url)));
    if (isHealthy) output.out(text);
    else output.error(text);
    return isHealthy ? 0 : 1;
  },
};

/** etcd's other modes, which stay etcd's: they work in front of quorate as they do in front of etcd. */
const OUT_OF_SCOPE = [
  { name: 'gateway', description: "etcd's TCP gateway" },
  { name: 'grpc-proxy', description: "etcd's gRPC proxy" },
] as const;

const SUBCOMMANDS: readonly Subcommand[] = [
  HEALTH,
  ...OUT_OF_SCOPE.map(({ name, description }): Subcommand => ({
    name,
    description: `(not here) ${description}`,
    run: (output) => {
      output.error(`'${name}': ${description} is not part of quorate; run etcd's own in front of it`);
      return Promise.resolve(1);
    },
  })),
];

/** What they do is read only for them. */
const DATA_COMMANDS: readonly string[] = ['snapshot', 'hashkv'];

export function isSubcommand(argv: readonly string[]): boolean {
  const [first = ''] = argv;
  return DATA_COMMANDS.includes(first) || SUBCOMMANDS.some(({ name }) => name === first);
}

/** Runs the subcommand that `argv` starts with (see isSubcommand) and resolves to the exit code. */
export async function runSubcommand(argv: readonly string[], output: Output): Promise<number> {
  const { default: yargs } = await import('yargs');
  let exitCode = 0;
  const modules = SUBCOMMANDS.map((subcommand): CommandModule => ({
    command: subcommand.name,
    describe: subcommand.description,
    ...(subcommand.options !== undefined && { builder: subcommand.options }),
    handler: async (args) => {
      exitCode = await subcommand.run(output, args);
    },
  }));
  const parser = yargs().scriptName('quorate').version(false).help().exitProcess(false).fail(false);
  for (const module of modules) parser.command(module);
  if (DATA_COMMANDS.includes(argv[0] ?? '')) {
    const { dataCommands } = await import('./data/commands.ts');
    for (const module of dataCommands(output, (code) => (exitCode = code))) parser.command(module);
  }
  try {
    // With a callback, yargs hands over what it would print, --help for instance.
    await parser.parseAsync([...argv], {}, (_error: unknown, _argv: unknown, text: string) => {
      if (text !== '') output.out(text);
    });
  } catch (error) {
    output.error(`Error: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
  return exitCode;
}
