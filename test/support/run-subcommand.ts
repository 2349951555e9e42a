import { runSubcommand } from '../../src/cli/subcommands.ts';

export interface CommandResult {
  readonly exitCode: number;
  /** Lines of stdout together, and of stderr. */
  readonly out: string;
  readonly error: string;
}

/** `quorate ARGS`, within this process. */
export async function runQuorate(...args: readonly string[]): Promise<CommandResult> {
  const out: string[] = [];
  const errors: string[] = [];
  const exitCode = await runSubcommand(args, { out: (text) => out.push(text), error: (line) => errors.push(line) });
  return { exitCode, out: out.join('\n'), error: errors.join('\n') };
}

/** As runQuorate, for what must succeed; resolves to stdout. */
export async function quorateOutput(...args: readonly string[]): Promise<string> {
  const { exitCode, out, error } = await runQuorate(...args);
  if (exitCode !== 0) throw new Error(`quorate ${args.join(' ')} failed: ${error}`);
  return out;
}
