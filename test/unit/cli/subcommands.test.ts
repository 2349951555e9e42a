import { describe, expect, test } from 'vitest';
import { isSubcommand, runSubcommand } from '../../../src/cli/subcommands.ts';

async function run(...argv: string[]): Promise<{ exitCode: number; out: string[]; errors: string[] }> {
  const out: string[] = [];
  const errors: string[] = [];
  const exitCode = await runSubcommand(argv, { out: (text) => out.push(text), error: (line) => errors.push(line) });
  return { exitCode, out, errors };
}

describe('subcommands', () => {
  test('are told by the first argument alone', () => {
    expect(isSubcommand(['gateway', 'start'])).toBe(true);
    expect(isSubcommand(['grpc-proxy'])).toBe(true);
    expect(isSubcommand([])).toBe(false);
    expect(isSubcommand(['--name', 'gateway'])).toBe(false);
    expect(isSubcommand(['snapshots'])).toBe(false);
  });

  test.each([
    ['gateway', ['start', '--listen-addr=127.0.0.1:23790']],
    ['grpc-proxy', ['start', '--endpoints', 'x']],
    ['grpc-proxy', []],
  ])('%s %j is said to be out of scope', async (name, rest) => {
    const { exitCode, out, errors } = await run(name, ...rest);
    expect(exitCode).toBe(1);
    expect(out).toEqual([]);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`'${name}': etcd's`);
    expect(errors[0]).toContain('is not part of quorate');
  });

  test('have help', async () => {
    const { exitCode, out, errors } = await run('gateway', '--help');
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: [] });
    expect(out.join('\n')).toContain('quorate gateway');
  });
});
