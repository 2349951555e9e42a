/** How soon the simulator finds each mistake that is put into a member. */
import { fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from './generator.ts';
import type { MutantOrder, MutantReport } from './mutant.ts';
import { type Mutation, MUTATIONS } from './mutations.ts';
import { runPlan } from './run.ts';
import { type SourceMutation, SOURCE_MUTATIONS } from './source-mutations.ts';

/** Which seed finds each mistake: where to look first. */
const FOUND_BY = join(import.meta.dirname, 'found-by.json');

export type AnyMutation = Mutation | SourceMutation;

export const ALL_MUTATIONS: readonly AnyMutation[] = [...MUTATIONS, ...SOURCE_MUTATIONS];

export function foundBy(): Record<string, number> {
  return JSON.parse(readFileSync(FOUND_BY, 'utf8')) as Record<string, number>;
}

/** Runs seeds until one fails. */
export function findMutation(mutation: AnyMutation, seeds: readonly number[]): Promise<MutantReport> {
  return 'edits' in mutation ? findInSource({ name: mutation.name, seeds }) : findHere(mutation, seeds);
}

async function findHere(mutation: Mutation, seeds: readonly number[]): Promise<MutantReport> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    for (const seed of seeds) {
      const { violation } = await runPlan(generate(seed), { mutation });
      if (violation !== undefined) return { seed, message: violation.message };
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return { seed: undefined, message: '' };
}

function findInSource(order: MutantOrder): Promise<MutantReport> {
  return new Promise((resolve, reject) => {
    const mutant = fork(join(import.meta.dirname, 'mutant.ts'), { execArgv: [] });
    mutant.once('message', (report) => {
      resolve(report as MutantReport);
      mutant.disconnect();
    });
    mutant.once('exit', (code) => reject(new Error(`the process with "${order.name}" ended with ${code}`)));
    mutant.send(order);
  });
}

/** Tells of each whose name contains `only`, and keeps which seed finds it; returns how many were not found. */
export async function findMutations(from: number, runs: number, only: string): Promise<number> {
  let missed = 0;
  const found = foundBy();
  const seeds = Array.from({ length: runs }, (_, at) => from + at);
  for (const mutation of ALL_MUTATIONS.filter(({ name }) => name.includes(only))) {
    const { seed, message } = await findMutation(mutation, seeds);
    if (seed === undefined) missed++;
    else found[mutation.name] = seed;
    const text =
      seed === undefined ? `NOT FOUND in ${runs} runs` : `found in run ${seed - from + 1}: ${brief(message)}`;
    console.log(`${mutation.name}: ${text}`);
    writeFileSync(FOUND_BY, `${JSON.stringify(found, null, 2)}\n`);
  }
  return missed;
}

function brief(message: string): string {
  return (message.split('\n')[0] ?? '').slice(0, 140);
}
