import yargs from 'yargs';
import type { ServerKind } from './servers/server.ts';
import type { SizeName } from './sizes.ts';

export interface BenchOptions {
  readonly size: SizeName;
  /** Names of cases; undefined for all. */
  readonly only: readonly string[] | undefined;
  /** Undefined for what the size says. */
  readonly rounds: number | undefined;
  /** 1: a server alone. More: clusters of that many, with cases of their own. */
  readonly members: number;
  readonly servers: readonly ServerKind[];
  /** Where data directories lie; undefined for a folder on the file system of the repository. */
  readonly dir: string | undefined;
  /** Where the results go; undefined for bench/results. */
  readonly out: string | undefined;
}

/** Prints and ends the process for --help, and for what it does not understand. */
export function parseOptions(
  args: readonly string[],
  caseNames: readonly string[],
  clusterCaseNames: readonly string[],
): BenchOptions {
  const parsed = yargs(args)
    .scriptName('npm run bench --')
    .usage('$0 [options]\n\nRuns quorate and a real etcd, one after the other, under the same load.')
    .option('smoke', { type: 'boolean', default: false, describe: 'tiny sizes, one round: proves that all cases work' })
    .option('full', { type: 'boolean', default: false, describe: 'largest sizes: 1M keys' })
    .option('members', {
      type: 'number',
      default: 1,
      describe: 'clusters of this many members, with cases of their own',
    })
    .option('only', {
      type: 'string',
      describe: `cases, separated by commas: ${caseNames.join(', ')}; with --members: ${clusterCaseNames.join(', ')}`,
    })
    .option('rounds', { type: 'number', describe: 'how often each case runs on each server' })
    .option('server', { choices: ['quorate', 'etcd'] as const, describe: 'only this one (then there are no ratios)' })
    .option('dir', { type: 'string', describe: 'where data directories go: decides whose disk is measured' })
    .option('out', { type: 'string', describe: 'where results go' })
    .check(({ rounds, smoke, full, members }) => {
      if (!(Number.isInteger(members) && members >= 1 && members <= 7)) throw new Error(`${members} members: 1 to 7`);
      if (members === 2) throw new Error('2 members serve no more without their leader: 1, or from 3 on');
      if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new Error(`${rounds} rounds`);
      if (smoke && full) throw new Error('--smoke and --full exclude each other');
      return true;
    })
    .version(false)
    .strict()
    .wrap(110)
    .parseSync();
  return {
    size: parsed.smoke ? 'smoke' : parsed.full ? 'full' : 'medium',
    only: parsed.only?.split(',').map((name) => name.trim()),
    rounds: parsed.rounds,
    members: parsed.members,
    servers: parsed.server === undefined ? ['quorate', 'etcd'] : [parsed.server],
    dir: parsed.dir,
    out: parsed.out,
  };
}

/** The chosen ones, in their own order; throws for a name that there is not. */
export function chooseCases<Case extends { readonly name: string }>(
  cases: readonly Case[],
  only: readonly string[] | undefined,
): readonly Case[] {
  if (only === undefined) return cases;
  const unknown = only.filter((name) => !cases.some((one) => one.name === name));
  if (unknown.length > 0) {
    throw new Error(`no such case: ${unknown.join(', ')}; there are ${cases.map(({ name }) => name).join(', ')}`);
  }
  return cases.filter(({ name }) => only.includes(name));
}
