/** A process whose members have a mistake in their source: runs seeds until one fails, and tells its parent. */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { mutated, SOURCE_MUTATIONS } from './source-mutations.ts';

/** What a mutant is told: which mistake to make, and where to look for it. */
export interface MutantOrder {
  readonly name: string;
  readonly seeds: readonly number[];
}

/** The first seed that fails, if one does. */
export interface MutantReport {
  readonly seed: number | undefined;
  readonly message: string;
}

process.once('message', (order) => {
  void run(order as MutantOrder).then((report) => process.send?.(report));
});

async function run({ name, seeds }: MutantOrder): Promise<MutantReport> {
  const mutation = SOURCE_MUTATIONS.find((one) => one.name === name);
  if (mutation === undefined) throw new Error(`no mutation "${name}"`);
  const untouched = new Set(mutation.edits.map(({ file }) => file));
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (!url.startsWith('file:') || loaded.source === undefined) return loaded;
      const path = fileURLToPath(url);
      const edited = mutation.edits.find(({ file }) => path.endsWith(`/${file}`));
      if (edited === undefined) return loaded;
      untouched.delete(edited.file);
      return { ...loaded, source: mutated(mutation, path, Buffer.from(loaded.source as Uint8Array).toString()) };
    },
  });
  const { generate } = await import('./generator.ts');
  const { runPlan } = await import('./run.ts');
  if (untouched.size > 0) throw new Error(`mutation "${name}" did not get into ${[...untouched].join(', ')}`);
  Error.stackTraceLimit = 0;
  for (const seed of seeds) {
    const { violation } = await runPlan(generate(seed));
    if (violation !== undefined) return { seed, message: violation.message };
  }
  return { seed: undefined, message: '' };
}
