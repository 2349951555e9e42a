import type { ServerKind } from '../support/server-process.ts';
import { Generator } from './generator.ts';
import type { Operation } from './operation.ts';
import { Runner } from './runner.ts';
import { shrink } from './shrink.ts';
import { Side } from './side.ts';

export type Pair = readonly [ServerKind, ServerKind];

export interface Failure {
  readonly operations: readonly Operation[];
  readonly error: Error;
}

/** Runs the operations on a fresh pair of servers; undefined when they agree to the end. */
export async function replay(pair: Pair, operations: readonly Operation[]): Promise<Failure | undefined> {
  return run(
    pair,
    () => operations,
    operations.length,
    () => {},
  );
}

export interface GeneratedRun {
  readonly pair: Pair;
  readonly seed: number;
  readonly count: number;
  readonly restarts: boolean;
  readonly onProgress: (done: number) => void;
}

export async function generate(options: GeneratedRun): Promise<Failure | undefined> {
  const generator = new Generator(options.seed, options);
  const operations: Operation[] = [];
  const next = (i: number): readonly Operation[] => {
    while (operations.length <= i) operations.push(generator.next());
    return operations;
  };
  return run(options.pair, next, options.count, options.onProgress);
}

async function run(
  pair: Pair,
  upTo: (index: number) => readonly Operation[],
  count: number,
  onProgress: (done: number) => void,
): Promise<Failure | undefined> {
  const [a, b] = await Promise.all(pair.map((kind) => Side.start(kind)));
  if (!a || !b) throw new Error('two sides are needed');
  let done = 0;
  try {
    const runner = new Runner(a, b);
    await runner.begin();
    for (; done < count; done++) {
      const operation = upTo(done)[done];
      if (operation) await runner.step(operation);
      onProgress(done + 1);
    }
    await runner.finish();
    return undefined;
  } catch (error) {
    return {
      operations: upTo(Math.max(0, done - 1)).slice(0, done + 1),
      error: error instanceof Error ? error : new Error(String(error)),
    };
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
}

/** A short sequence with the same kind of failure, and what it looks like. */
export async function shrinkFailure(pair: Pair, failure: Failure, budgetMs: number): Promise<Failure> {
  let best = failure;
  await shrink(
    failure.operations,
    async (operations) => {
      const outcome = await replay(pair, operations);
      if (outcome?.error.name !== failure.error.name) return false;
      best = { operations, error: outcome.error };
      return true;
    },
    Date.now() + budgetMs,
  );
  return best;
}

/** The form in which a case is kept: one operation per line. */
export function caseText(name: string, operations: readonly Operation[]): string {
  return `{\n  "name": ${JSON.stringify(name)},\n  "operations": [\n    ${operations.map((op) => JSON.stringify(op)).join(',\n    ')}\n  ]\n}\n`;
}
